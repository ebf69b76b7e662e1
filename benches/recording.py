"""What recording costs: whole runs of corpus projects with no history of tests and `--affected`, beside runs that record nothing.

Both are cold, in one process. Runs alternate; the ratio is that of the fastest. The corpus is that of tests/conformance
(`make conformance ARGS=--prepare-only`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ("attrs", "marshmallow", "jinja2", "boltons", "packaging", "cachetools", "jsonschema", "click")


def once(project: Path, source: Path, cache: Path, *args: str) -> float:
    """Seconds of one run that remembers no earlier one; what earlier ones learned about unchanged files is there."""
    for path in cache.glob("*.dxhi"):
        path.unlink()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "DX_PY"))},
        "DX_PY_PYTHON": str(project / "venv/bin/python"),
        "PYTHONPATH": str(ROOT / "python"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONHASHSEED": "0",
        "DX_PY_CACHE_DIR": str(cache),
    }
    command = [str(Path(sys.executable).with_name("dx-py")), "test", "--no-daemon", "-n1", "-q", *args]
    began = time.perf_counter()
    subprocess.run(command, cwd=source, env=environment, capture_output=True, check=False)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="*", default=PROJECTS)
    parser.add_argument("--corpus", type=Path, default=Path(os.environ.get("DX_PY_CORPUS", ROOT / ".corpus")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=None, help="fail if the whole takes longer by this ratio")
    options = parser.parse_args()
    without, recorded = 0.0, 0.0
    for name in options.projects:
        project = next(iter(sorted(options.corpus.glob(f"*/{name}"))), options.corpus / name)
        with tempfile.TemporaryDirectory() as folder:
            source, cache = Path(folder, "source"), Path(folder, "cache")
            shutil.copytree(project / "source", source, symlinks=True)
            cache.mkdir()
            once(project, source, cache, "--affected")  # leaves bytecode, and what is known of files
            times = [(once(project, source, cache), once(project, source, cache, "--affected")) for _ in range(options.rounds)]
        plain, watched = min(pair[0] for pair in times), min(pair[1] for pair in times)
        without, recorded = without + plain, recorded + watched
        print(f"{name:14} {plain:7.2f} s without, {watched:7.2f} s recorded: {watched / plain:.3f}", flush=True)
    print(f"{'all':14} {without:7.2f} s without, {recorded:7.2f} s recorded: {recorded / without:.3f}")
    return int(options.limit is not None and recorded / without > options.limit)


if __name__ == "__main__":
    sys.exit(main())
