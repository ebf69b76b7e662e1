"""A test sees the same process under dx-py, cold and warm, as under pytest: its caller's, and nobody else's."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dxpy import MODES, SERIAL_MODES, DxPy, Ended, Mode, command, default_signals, real_pytest

OF_WORKERS = {"PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"}
"""Variables that a worker has, as a worker of pytest-xdist has them."""

CHANGES: dict[str, dict[str, str | None]] = {
    "a new variable": {"SOME_NAME": "some value"},
    "a variable less": {"LANG": None},
    "home elsewhere": {"HOME": "/proc/nowhere/at/all"},
    "no home": {"HOME": None},
    "temporary files elsewhere": {"TMPDIR": "ROOT/elsewhere"},
    "PYTHONHASHSEED": {"PYTHONHASHSEED": "0"},
    "PYTHONPATH": {"PYTHONPATH": "ROOT/elsewhere"},
    "PYTHONWARNINGS": {"PYTHONWARNINGS": "error::DeprecationWarning"},
    "PYTHONDONTWRITEBYTECODE": {"PYTHONDONTWRITEBYTECODE": "1"},
    "PYTHONPYCACHEPREFIX": {"PYTHONPYCACHEPREFIX": "ROOT/elsewhere"},
    "PYTHONUNBUFFERED": {"PYTHONUNBUFFERED": "1"},
    "PYTHONIOENCODING": {"PYTHONIOENCODING": "latin-1:replace"},
    "PYTHONDEVMODE": {"PYTHONDEVMODE": "1"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1"},
    "PYTHONNOUSERSITE": {"PYTHONNOUSERSITE": "1"},
    "LC_ALL": {"LC_ALL": "C"},
    "TZ": {"TZ": "Asia/Tokyo"},
    "PYTEST_ADDOPTS": {"PYTEST_ADDOPTS": "-s -W error::ResourceWarning"},
}
"""What may change between a daemon's start and a later run."""


class Recording:
    """A project whose only interesting test writes down its circumstances."""

    def __init__(self, place: DxPy) -> None:
        self.place = place
        self._real: dict[str, dict[str, Any]] = {}
        for name in ("elsewhere", "elsewhere/inside"):
            (place.root / name).mkdir()
        place.write("pytest.ini", "[pytest]\n")
        place.write("sub/readme", "")
        shutil.copy(Path(__file__).with_name("circumstances.py"), place.project)
        record = f"""
            import circumstances
            def test_records(pytestconfig, tmp_path):
                circumstances.record(pytestconfig, tmp_path, {str(place.root / "record")!r})
        """
        place.write("test_records.py", record)
        place.write("test_other.py", "def test_other(): pass\n")

    def take(self, *args: str, **options: Any) -> dict[str, Any]:
        """Run a command and read what the test wrote down."""
        record = self.place.root / "record"
        record.unlink(missing_ok=True)
        ended = self.place.run(*args, **options)
        assert record.exists(), f"the test did not run: {ended}"
        return {**json.loads(record.read_text()), "exit": ended.code}

    def ours(self, mode: Mode, *args: str, **options: Any) -> dict[str, Any]:
        found = self.take(*mode.args, *args, **options)
        own = [arg for arg in mode.args if arg != "test"]
        for arguments in (found["argv"][1:], found["invocation"][1]):
            assert arguments[: len(own)] == own
        found["argv"][1 : 1 + len(own)] = []
        found["invocation"][1][: len(own)] = []
        return found

    def real(self, name: str, *args: str, **options: Any) -> dict[str, Any]:
        """What the test sees under real pytest; *name* says which circumstances these are."""
        if name not in self._real:
            self._real[name] = self.take(*args, **{"program": real_pytest(), **options})
        return self._real[name]


def check_same(ours: dict[str, Any], wanted: dict[str, Any], mode: Mode) -> None:
    """Fail with everything in which the two differ that is not meant to."""
    ours, wanted = dict(ours), dict(wanted)
    missing = set(wanted.pop("modules")) - set(ours.pop("modules"))
    if mode.workers > 1:
        # Those that there are belong to the run, and are called there.
        del ours["exit handlers"], wanted["exit handlers"]
        ours["environment"] = {name: text for name, text in ours["environment"].items() if name not in OF_WORKERS}
        ours["environment of children"] = [
            entry for entry in ours["environment of children"] if entry.partition("=")[0] not in OF_WORKERS
        ]
    if "PYTHONHASHSEED" not in wanted["environment"]:
        del ours["hash of a text"], wanted["hash of a text"]
    flat, flat_wanted = dict(leaves(ours)), dict(leaves(wanted))
    different = [
        f"{key}: pytest {flat_wanted.get(key, 'nothing')!r}, dx-py {flat.get(key, 'nothing')!r}"
        for key in sorted(flat.keys() | flat_wanted.keys())
        if flat.get(key) != flat_wanted.get(key)
    ]
    if missing:
        different.append(f"modules that pytest has loaded: {sorted(missing)}")
    assert not different, "\n".join(different)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values in a structure, each with the way that leads to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name} / {key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{name} / {number}")
    else:
        yield name, value


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    """One project for all: a daemon that serves it has seen every other caller's circumstances before."""
    place = DxPy.create()
    recording = Recording(place)
    for workers in (1, 2):
        first = place.test("-n", str(workers))
        assert first.code == 0, str(first)
    yield recording
    place.remove()


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


def changed(recording: Recording, name: str) -> dict[str, str | None]:
    root = str(recording.place.root)
    return {key: value and value.replace("ROOT", root) for key, value in CHANGES[name].items()}


# ---- what a test sees


def test_the_circumstances_are_pytests(recording: Recording, mode: Mode) -> None:
    check_same(recording.ours(mode), recording.real("as they are"), mode)


def test_the_interpreter_is_named_as_pytest_names_it(recording: Recording) -> None:
    """Scripts and headers show it; an environment may have it under several names."""
    code = "import sys; open({!r}, 'w').write(sys.executable)\ndef test(): pass\n"
    names = []
    for number, args in enumerate((("test", "-n", "1"), ())):
        told = recording.place.root / f"executable-{number}"
        recording.place.write("named/test_name.py", code.format(str(told)))
        program = None if args else real_pytest()
        recording.place.run(*args, "named/test_name.py", program=program)
        names.append(told.read_text())
    shutil.rmtree(recording.place.project / "named")
    assert names[0] == names[1]


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_environment(recording: Recording, mode: Mode, name: str) -> None:
    env = changed(recording, name)
    check_same(recording.ours(mode, env=env), recording.real(name, env=env), mode)


def test_a_value_that_is_not_text(recording: Recording, mode: Mode) -> None:
    env = {"BYTES": b"\xff\xfe=\xf0".decode("utf-8", "surrogateescape")}
    check_same(recording.ours(mode, env=env), recording.real("bytes", env=env), mode)


def test_another_working_directory(recording: Recording, mode: Mode) -> None:
    below = recording.place.project / "sub"
    args = ("..",)
    check_same(recording.ours(mode, *args, cwd=below), recording.real("sub", *args, cwd=below), mode)


def strict() -> None:
    """In a new child: other limits, another umask and another priority than the daemon was started with."""
    default_signals()
    for limit, value in ((resource.RLIMIT_NOFILE, 200), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_STACK, 4 << 20)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value, hard))
    os.umask(0o077)


def test_limits_and_umask(recording: Recording, mode: Mode) -> None:
    found = recording.ours(mode, preexec_fn=strict)
    assert found["umask"] == "0o77" and found["rlimits"]["RLIMIT_NOFILE"][0] == 200
    check_same(found, recording.real("strict", preexec_fn=strict), mode)


def test_lower_hard_limits(recording: Recording, mode: Mode) -> None:
    lower = lowering(300)
    check_same(recording.ours(mode, preexec_fn=lower), recording.real("lower", preexec_fn=lower), mode)
    # The next caller has limits of his own.
    check_same(recording.ours(mode), recording.real("as they are"), mode)


def lowering(hard: int) -> Callable[[], None]:
    def lower() -> None:
        default_signals()
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return lower


def test_a_daemon_under_lower_limits(place: DxPy, mode: Mode) -> None:
    """It cannot raise them for a caller who has higher ones, unless it may do anything."""
    recording = Recording(place)
    unprivileged = ()
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        assert setpriv, "root needs setpriv (util-linux) to see what others see"
        unprivileged = (setpriv, "--bounding-set=-sys_resource", "--inh-caps=-sys_resource")
    (program, *before) = (*unprivileged, command())
    first = place.run(*before, *mode.args, program=program, preexec_fn=lowering(300))
    assert first.code == 0, str(first)
    found = recording.take(*before, *mode.args, program=program, preexec_fn=lowering(400))
    assert found["rlimits"]["RLIMIT_NOFILE"] == [400, 400]


def ignoring() -> None:
    """In a new child: signals that `nohup` and a shell without job control have ignored."""
    default_signals()
    for number in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def test_ignored_signals(recording: Recording, mode: Mode) -> None:
    check_same(recording.ours(mode, preexec_fn=ignoring), recording.real("ignoring", preexec_fn=ignoring), mode)


# ---- standard streams


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_descriptors(recording: Recording, mode: Mode, closed: tuple[int, ...]) -> None:
    """pytest itself fails without stdout or stderr; what it says then, and how it ends, is right here, too."""
    redirections = " ".join(f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed)
    shell = ("-c", f'exec "$@" {redirections}', "sh")
    place = recording.place
    wanted = place.run(*shell, real_pytest(), program="/bin/sh")
    found = place.run(*shell, command(), *mode.args, program="/bin/sh")
    assert (found.code, found.counts) == (wanted.code, wanted.counts), f"{found}\npytest: {wanted}"
    assert found.err.splitlines()[-1:] == wanted.err.splitlines()[-1:], f"{found}\npytest: {wanted}"


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_a_test_without_standard_input(recording: Recording, mode: Mode) -> None:
    shell = ("-c", 'exec "$@" <&-', "sh")
    found = recording.take(*shell, command(), *mode.args, program="/bin/sh")
    own = len(mode.args) - 1
    del found["argv"][1 : 1 + own], found["invocation"][1][:own]
    check_same(found, recording.real("no stdin", *shell, real_pytest(), program="/bin/sh"), mode)


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_standard_input_is_the_callers(place: DxPy, mode: Mode) -> None:
    place.write("test_reads.py", "import sys\ndef test_reads():\n    assert sys.stdin.read() == 'two\\nlines\\n'\n")
    place.prepare(mode, "-s")
    text = place.root / "text"
    text.write_text("two\nlines\n")
    for _ in range(2):
        with text.open() as file:
            ended = place.run(*mode.args, "-s", stdin=file)
        assert ended.code == 0, str(ended)


def test_a_reader_that_goes_away(place: DxPy, mode: Mode) -> None:
    """`dx-py test | head -1`: as pytest ends then."""
    place.write("test_many.py", "import pytest\n@pytest.mark.parametrize('n', range(300))\ndef test_many(n): pass\n")
    place.write("test_other.py", "def test_other(): pass\n")
    place.prepare(mode, "-v")
    wanted = with_a_reader_of_one_line(place, "-v", program=real_pytest())
    found = with_a_reader_of_one_line(place, *mode.args, "-v")
    assert (found.code, found.err) == (wanted.code, wanted.err)
    place.leave_nothing()


def with_a_reader_of_one_line(place: DxPy, *args: str, program: str | None = None) -> Ended:
    read, write = os.pipe()
    started = place.start(*args, program=program, stdout=write)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return started.wait()


# ---- arguments and names


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_two_thousand_arguments(place: DxPy, mode: Mode) -> None:
    place.write("test_many.py", "import pytest\n@pytest.mark.parametrize('n', range(2100))\ndef test_many(n): pass\n")
    place.prepare(mode)
    names = [f"test_many.py::test_many[{number}]" for number in range(2000)]
    ended = place.run(*mode.args, *names)
    assert (ended.code, ended.counts) == (0, {"passed": 2000}), str(ended)[:2000]


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_names_that_are_not_text(place: DxPy, mode: Mode) -> None:
    odd = b"od\xffd".decode("utf-8", "surrogateescape")
    folder = place.project / odd
    folder.mkdir()
    (folder / "test_odd.py").write_text("def test_odd(tmp_path):\n    assert __file__.endswith('test_odd.py')\n")
    (place.project / f"test_{odd}.py").write_text("def test_file(): pass\n")
    for args in ((), (odd,), (f"{odd}/test_odd.py::test_odd",)):
        wanted = place.pytest("-p", "no:cacheprovider", *args)
        for _ in range(2 if mode.warm else 1):
            found = place.run(*mode.args, "-p", "no:cacheprovider", *args)
            assert (found.code, found.counts) == (wanted.code, wanted.counts), f"{found}\npytest: {wanted}"


@pytest.mark.parametrize("mode", SERIAL_MODES, ids=str, indirect=True)
def test_a_directory_that_was_removed(place: DxPy, mode: Mode) -> None:
    shell = ("-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "sh")
    found = place.run(*shell, command(), *mode.args, program="/bin/sh")
    assert found.code not in (0, 1, 5) and "directory" in found.err, str(found)
    assert "Traceback" not in found.err, str(found)


# ---- what lasts beyond the tests


def test_exit_handlers_are_called(place: DxPy, mode: Mode) -> None:
    """Those of a conftest file, of a module that is imported for the tests, and of a test."""
    told = place.root / "told"
    place.write("conftest.py", f"""
        import atexit
        def tell(word):
            with open({str(told)!r}, "a") as file:
                file.write(word + "\\n")
        atexit.register(tell, "conftest")
    """)
    place.write("test_one.py", """
        import atexit
        from conftest import tell
        atexit.register(tell, "module")
        def test_registers():
            atexit.register(tell, "test")
    """)
    place.write("test_two.py", "from test_one import test_registers\n")
    place.prepare(mode)
    told.unlink(missing_ok=True)
    assert place.pytest().code == 0
    wanted = told.read_text().split()
    told.unlink()
    assert place.run(*mode.args).code == 0
    assert sorted(told.read_text().split()) == sorted(wanted)
    if mode.workers == 1:
        assert told.read_text().split() == wanted


def test_spawned_processes_find_the_main_module(place: DxPy, mode: Mode) -> None:
    """`multiprocessing` imports the main module again in its children."""
    place.write("test_spawn.py", """
        import __main__, multiprocessing, os
        def test_spawn():
            assert os.path.basename(__main__.__file__) == "pytest"
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert pool.map(abs, [-1, 2]) == [1, 2]
    """)
    place.prepare(mode)
    ended = place.run(*mode.args)
    assert ended.code == 0, str(ended)


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_hash_seed_decides_in_every_process(place: DxPy, mode: Mode, seed: str) -> None:
    place.write("test_hash.py", f"def test_hash(): assert hash('a text') == {hash_under(seed)}\n")
    place.write("test_other.py", f"def test_hash(): assert hash('another') == {hash_under(seed, 'another')}\n")
    place.env["PYTHONHASHSEED"] = seed
    place.prepare(mode)
    ended = place.run(*mode.args)
    assert ended.code == 0, str(ended)


def hash_under(seed: str, text: str = "a text") -> int:
    import subprocess

    code = f"print(hash({text!r}))"
    return int(subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}))
