"""Workers: forked processes that run items and send back their reports."""
