"""One run: pytest's own session driven from the request of one client."""
