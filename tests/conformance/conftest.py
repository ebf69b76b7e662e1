import sys
from pathlib import Path

# The comparison is a program made of the modules beside this file, not an installed package.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config):
    config.addinivalue_line("markers", "conformance: runs suites of projects that are downloaded from PyPI")
