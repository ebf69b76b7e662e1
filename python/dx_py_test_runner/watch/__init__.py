"""``dx-py test --watch``: runs what a save affects, as soon as it is saved.

``plan.py`` decides, on plain data; ``loop.py`` is the rim: files, keys, the runs' processes and the clock.
"""
