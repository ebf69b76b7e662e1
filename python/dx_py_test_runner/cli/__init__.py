"""The verbs of the ``dx-py`` command."""
