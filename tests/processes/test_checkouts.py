"""Several projects, interpreters and runs at a time, and a project that cannot be written: nothing is mixed up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import mounts
from dxpy import MODES, SERIAL_MODES, DxPy, Ended, Mode, command, real_pytest
from terminal import check_same, layout


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


# ---- two checkouts


def write_checkout(place: DxPy, name: str, value: int) -> None:
    """A checkout whose tests know its code: same files, same names, another value. Each checkout imports its own."""
    place.write(f"{name}/pytest.ini", "[pytest]\n")
    place.write(f"{name}/package/__init__.py", f"VALUE = {value}\n")
    place.write(f"{name}/conftest.py", "import package\nCONFTEST = package.VALUE\n")
    for test in ("one", "two"):
        place.write(f"{name}/tests/test_{test}.py", f"""
            import os
            import package
            from conftest import CONFTEST
            def test_{test}():
                assert package.VALUE == CONFTEST == {value}
                assert os.path.basename(os.getcwd()) == {name!r}
        """)


@pytest.mark.parametrize("daemons", [1, 2])
def test_two_checkouts_in_turn(place: DxPy, mode: Mode, daemons: int) -> None:
    """With a daemon each, or with one for both because they lie in one repository."""
    if daemons == 1:
        (place.project / ".git").mkdir()
    values = {"left": 1, "right": 2}
    for name, value in values.items():
        write_checkout(place, name, value)
    for turn in range(3 if mode.warm else 1):
        for name in values:
            if turn == 2 and name == "left":
                write_checkout(place, name, 11)
            ended = place.run(*mode.args, cwd=place.project / name)
            assert (ended.code, ended.counts) == (0, {"passed": 2}), f"{name}, turn {turn}: {ended}"
    assert len(place.daemon_pids()) == (daemons if mode.warm else 0)


def test_one_checkout_under_two_names(place: DxPy) -> None:
    """Entered through a link, a project is told apart or found the same, and right in any case."""
    write_checkout(place, "left", 1)
    (place.project / "link").symlink_to("left")
    for folder in ("left", "link", "left", "link"):
        wanted = place.pytest(cwd=place.project / folder)
        ended = place.test("-n", "1", cwd=place.project / folder, env={"PWD": str(place.project / folder)})
        assert (ended.code, ended.counts) == (wanted.code, wanted.counts), str(ended)


# ---- two interpreters


def other_python() -> Path:
    """Another Python that can run this version's pytest; this one if there is none."""
    candidates = [
        *sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3")),
        *(Path(found) for minor in range(11, 15) if (found := shutil.which(f"python3.{minor}"))),
    ]
    code = "import sys, venv; assert sys.version_info >= (3, 11); print(*sys.version_info[:2])"
    for python in candidates:
        told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        if told.returncode == 0 and told.stdout.split() != [str(number) for number in sys.version_info[:2]]:
            return python
    return Path(sys.executable)


def make_environment(folder: Path, python: Path, *, own_package: bool = False) -> Path:
    """A virtual environment with this one's pytest and runner. Returns its `dx-py`.

    :param own_package: give it a copy of the runner's package, which may then be changed.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "from_elsewhere.pth").write_text("\n".join(shared_paths()) + "\n")
    if own_package:
        import dx_py_test_runner

        ignored = shutil.ignore_patterns("__pycache__")
        source = Path(dx_py_test_runner.__file__).parent
        shutil.copytree(source, packages / "dx_py_test_runner", ignore=ignored)
    return Path(shutil.copy(command(), folder / "bin" / "dx-py"))


def shared_paths() -> list[str]:
    """Where this interpreter finds what is installed, editable installations included."""
    standard = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return [
        path
        for path in sys.path
        if Path(path).is_dir() and path not in standard and "lib-dynload" not in path and path != str(Path(__file__).parent)
    ]


def test_two_interpreters_in_turn(place: DxPy) -> None:
    other = make_environment(place.root / "other", other_python())
    place.write("test_which.py", f"""
        import sys
        def test_which():
            with open({str(place.root / "told")!r}, "w") as file:
                file.write(sys.prefix + " " + sys.version.split()[0])
    """)
    told = place.root / "told"
    for number in range(6):
        ours = number % 2 == 0
        program = command() if ours else str(other)
        ended = place.test("-n", "1", program=program)
        assert (ended.code, ended.counts) == (0, {"passed": 1}), str(ended)
        prefix = sys.prefix if ours else str(place.root / "other")
        assert told.read_text().split()[0] == prefix, str(ended)
        assert f"Python {told.read_text().split()[1]}" in ended.out, str(ended)
        told.unlink()
    assert len(place.daemon_pids()) == 2


# ---- the runner itself is changed


@pytest.mark.parametrize("change", ["edited", "touched", "new file"])
def test_a_changed_runner_is_used_at_once(place: DxPy, change: str) -> None:
    dx_py = make_environment(place.root / "own", Path(sys.executable), own_package=True)
    (package,) = (place.root / "own").glob("lib/python3*/site-packages/dx_py_test_runner")
    init = package / "__init__.py"
    init.write_text(init.read_text() + "\nBUILD_UNDER_TEST = 'old'\n")
    told = place.root / "told"
    place.write("test_build.py", f"""
        import dx_py_test_runner
        def test_build():
            with open({str(told)!r}, "w") as file:
                file.write(dx_py_test_runner.BUILD_UNDER_TEST)
    """)
    for _ in range(2):
        assert place.test("-n", "1", program=str(dx_py)).code == 0
    assert told.read_text() == "old"
    (old,) = place.daemon_pids()

    if change == "edited":
        init.write_text(init.read_text().replace("'old'", "'new, and longer'"))
    elif change == "touched":
        os.utime(package / "daemon" / "supervisor.py")
    else:
        (package / "run" / "brand_new.py").write_text("")
    for _ in range(2):
        ended = place.test("-n", "1", program=str(dx_py))
        assert (ended.code, ended.counts) == (0, {"passed": 1}), str(ended)
        assert told.read_text() == ("new, and longer" if change == "edited" else "old")
    (new,) = place.daemon_pids()
    assert new != old
    place.run("daemon", "stop", program=str(dx_py))
    place.wait_until_gone()


# ---- runs at a time

AT_ONCE: tuple[tuple[tuple[str, ...], dict[str, int]], ...] = (
    (("-n", "1"), {"passed": 4, "failed": 1}),
    (("-n", "2"), {"passed": 4, "failed": 1}),
    (("-n", "1", "-k", "one"), {"passed": 2, "failed": 1, "deselected": 2}),
    (("-n", "2", "test_two.py"), {"passed": 2}),
    (("--no-daemon", "-n", "1", "test_one.py::test_one_b"), {"failed": 1}),
    ((), {"passed": 4, "failed": 1}),
)


def test_six_runs_at_once(place: DxPy) -> None:
    """First with nobody there, so that all of them want to start the daemon; then with one that serves them all."""
    place.write("test_one.py", "def test_one_a(): pass\ndef test_one_b(): assert 0\ndef test_one_c(): pass\n")
    place.write("test_two.py", "def test_two_a(tmp_path): pass\ndef test_two_b(tmp_path): pass\n")
    for turn in range(3):
        started = [place.start("test", *args) for args, _counts in AT_ONCE]
        for run, (args, counts) in zip(started, AT_ONCE, strict=True):
            ended = run.wait()
            wanted = 1 if "failed" in counts else 0
            assert (ended.code, ended.counts) == (wanted, counts), f"turn {turn}, {args}: {ended}"
            assert not ended.err, str(ended)
        assert len(place.daemon_pids()) == 1
    place.leave_nothing()


def test_runs_at_once_after_a_change(place: DxPy) -> None:
    """What the daemon has loaded is untrue for the first of them, and all of the others have been sent there, too."""
    place.write("test_one.py", "def test_one(): pass\n")
    place.write("test_two.py", "def test_two(): pass\n")
    for turn in range(8):
        if turn % 2:
            place.write("test_three.py", f"def test_three(): assert {turn}\n")
        else:
            (place.project / "test_three.py").unlink(missing_ok=True)
        for run in [place.start("test", "-n", workers) for workers in ("1", "2", "1", "2")]:
            ended = run.wait()
            assert (ended.code, ended.counts) == (0, {"passed": 2 + turn % 2}), f"turn {turn}: {ended}"
            assert not ended.err, str(ended)
    place.leave_nothing()


# ---- a project that cannot be written


def screen(ended: Ended) -> tuple[int, list[str]]:
    """Exit code and output, without the name of the file that could not be made."""
    return ended.code, layout(re.sub(r"pytest-cache-files-\w+", "pytest-cache-files-X", ended.out))


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_a_read_only_checkout(place: DxPy, mode: Mode) -> None:
    shutil.rmtree(place.project / ".pytest_cache")
    place.write("test_one.py", "def test_one(tmp_path): assert 'x' in 'xy'\ndef test_fails(): assert 1 == 2\n")
    if mounts.possible():
        with mounts.Mounts.read_only(place, place.project) as inside:
            wanted = inside.run(program=real_pytest())
            found = [inside.run(*mode.args) for _ in range(2 if mode.warm else 1)]
            inside.run("daemon", "stop")
    else:
        assert os.getuid() != 0, "root without mounts of his own can write everywhere"
        place.project.chmod(0o500)
        wanted = place.pytest()
        found = [place.run(*mode.args) for _ in range(2 if mode.warm else 1)]
        place.project.chmod(0o700)
    assert "could not create cache path" in wanted.out
    for ended in found:
        check_same(screen(ended), screen(wanted))
    assert not (place.project / ".pytest_cache").exists() and not list(place.project.rglob("*.pyc"))
