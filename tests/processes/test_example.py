"""The README's first command, as a new user's shell runs it."""

import os
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_make_example_runs_the_examples_tests() -> None:
    # The suite's own settings are not the user's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DX_PY"))}
    done = subprocess.run(["make", "example"], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
