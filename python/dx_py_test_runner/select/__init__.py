"""Which tests need not run, because nothing that they depend on has changed; and why."""
