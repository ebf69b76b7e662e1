"""What loading a level or running a test read, and whether it still holds."""
