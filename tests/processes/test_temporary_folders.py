"""The folder that all workers of a run share is the run's: it is there for as long as one of them is, and is put away as pytest does it."""

from __future__ import annotations

import pytest

from dxpy import DxPy

SLOW = """
    import time

    def test_first(): time.sleep(0.2)
    def test_last(tmp_path): (tmp_path / "file").touch()
"""

QUICK = "def test_quick(tmp_path): (tmp_path / 'file').touch()\n"

WAYS = {"two workers": ["-n2"], "one each": ["-n1", "--isolation=test"], "one worker": ["-n1", "--isolation=process"]}


@pytest.fixture
def project(place: DxPy) -> DxPy:
    place.write("test_quick.py", QUICK)
    place.write("test_slow.py", SLOW)
    (place.root / "temporary").mkdir()
    place.env["PYTEST_DEBUG_TEMPROOT"] = str(place.root / "temporary")
    return place


def left(place: DxPy) -> list[str]:
    """What is left there, without a worker's folder between the run's and a test's."""
    [root] = (place.root / "temporary").iterdir()
    paths = (str(path.relative_to(root)) for path in root.rglob("*"))
    names = {"/".join(part for part in path.split("/") if not part.startswith("popen-gw")) for path in paths}
    return sorted(name for name in names if "current" not in name)


@pytest.mark.parametrize("options", [["-o", "tmp_path_retention_policy=none"], ["-o", "tmp_path_retention_count=1"], []], ids=" ".join)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_folders_stay_and_go_as_under_pytest(project: DxPy, way: list[str], options: list[str]) -> None:
    """The first worker, which has made it, ends long before the last test needs it."""
    found = []
    for run in (project.pytest, lambda *args: project.test("--no-daemon", *way, *args)):
        for _ in range(2):
            ended = run(*options)
            assert ended.counts == {"passed": 3}, ended
        found.append(left(project))
        for path in sorted((project.root / "temporary").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert found[0] == found[1]
