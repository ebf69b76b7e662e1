"""dx-py-test-runner: any pytest suite, with pytest's outcomes, warm, parallel and sound.

Importing this package costs nothing: everything else is loaded by the verb that needs it.
"""

__version__ = "0.1.0"
