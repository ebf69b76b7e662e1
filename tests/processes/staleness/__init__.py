"""No stale verdict: edits of a generated project between warm runs, each compared with real pytest on a fresh copy."""
