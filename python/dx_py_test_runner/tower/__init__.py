"""The zygote tower: processes that have loaded exactly the right things and wait to be forked."""
