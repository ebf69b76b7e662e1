"""The supervisor: the process that owns a tower, serves launchers and explains deaths. Loads no user code."""
