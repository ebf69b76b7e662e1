"""What earlier runs found out about each test: outcomes, durations and inputs."""
