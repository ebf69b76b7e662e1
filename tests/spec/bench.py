"""Runs a case in one mode and says what came of each command."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from .modes import ORACLE, Mode
from .normalise import normalise, normalise_file
from .parser import Case, ChangeFolder, Command, RemoveFile, WriteFile
from .project import Project

#: No case takes this long. A command that does is stopped, and fails.
TIMEOUT = 60

RECORDER_FOLDER = Path(__file__).parent / "plugin"


class BenchError(Exception):
    """A side that could not be run at all."""


@dataclasses.dataclass
class Outcome:
    """What came of one command, with everything taken out that may differ between two equal runs."""

    line: str
    shell: str
    exit_code: int
    stdout: list[str]
    stderr: list[str]
    records: list[dict] | None
    files: dict[str, list[str] | None]


class Bench:
    """One folder for everything that this session of tests runs."""

    def __init__(self, keep: str | None = None) -> None:
        # Short: a unix socket's path may have about 100 characters.
        self.folder = Path(keep or tempfile.mkdtemp(prefix="dxspec-", dir="/tmp")).resolve()
        self.keep = keep is not None
        self.runtime = self.folder / "run"
        self.runtime.mkdir(mode=0o700, parents=True)
        self.oracle: dict[str, list[Outcome]] = {}

    def pytest_outcomes(self, case: Case) -> list[Outcome]:
        """Under real pytest, which runs a case once for all modes."""
        if case.id not in self.oracle:
            self.oracle[case.id] = self.run(case, ORACLE)
        return self.oracle[case.id]

    def run(self, case: Case, mode: Mode) -> list[Outcome]:
        """The outcomes of the case's commands, in the last of the mode's passes."""
        return self.passes(case, mode)[-1]

    def passes(self, case: Case, mode: Mode) -> list[list[Outcome]]:
        """The outcomes of the case's commands, in each of the mode's passes."""
        program = find_program(mode)
        folder = self.folder / mode.side / case.id.replace("/", ".")
        if folder.exists():
            shutil.rmtree(folder)
        project = Project(case, folder)
        run = CaseRun(case, mode, project, self, program)
        outcomes = []
        try:
            for _ in range(mode.passes):
                project.reset()
                outcomes.append(run.one_pass())
            if mode.daemon:
                run.check_daemon()
        finally:
            if mode.daemon:
                run.dx_py("daemon", "stop")
        return outcomes

    def close(self) -> None:
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def find_program(mode: Mode) -> str:
    """The executable of a side. dx-py is never skipped: where it is missing, its modes fail."""
    beside = Path(sys.executable).parent
    if mode is ORACLE:
        program = str(beside / "pytest")
        if not os.access(program, os.X_OK):
            raise BenchError(f"no pytest beside {sys.executable}")
        return program
    program = os.environ.get("DX_PY") or str(beside / "dx-py")
    found = shutil.which(program)
    if found is None:
        raise BenchError(
            f"no dx-py to run: {program} is not an executable. Install the project beside {sys.executable}, "
            "or say where dx-py is with DX_PY=path, or run the pytest side alone with --spec-oracle-only"
        )
    return os.path.abspath(found)


class CaseRun:
    """One case in one mode."""

    def __init__(self, case: Case, mode: Mode, project: Project, bench: Bench, program: str) -> None:
        self.case = case
        self.mode = mode
        self.project = project
        self.bench = bench
        self.program = program
        # The same path in both passes: a variable that changed would be a reason not to be warm.
        self.record = project.folder / "record.jsonl"

    def one_pass(self) -> list[Outcome]:
        outcomes = []
        cwd = self.project.root
        started = False
        for step in self.case.steps:
            if isinstance(step, Command):
                started = True
                outcomes.append(self.command(step, cwd))
            elif isinstance(step, WriteFile) and started:
                self.project.edit(step.path, step.text)
            elif isinstance(step, RemoveFile):
                self.remove(step.path)
            elif isinstance(step, ChangeFolder):
                cwd = cwd / step.path
        return outcomes

    def remove(self, name: str) -> None:
        try:
            self.project.remove(name)
        except FileNotFoundError:
            raise BenchError(f"$ rm {name}\nthere is no such file; the commands before did not write it") from None

    def command(self, command: Command, cwd: Path) -> Outcome:
        self.record.unlink(missing_ok=True)
        env = self.environment(dict(command.env))
        argv = self.argv(command)
        code, stdout, stderr = execute(argv, cwd, env, self.case.options.stdin)
        words = self.words_for_paths()
        return Outcome(
            line=command.line,
            shell=shell_line(argv, cwd, env),
            exit_code=code,
            stdout=normalise(stdout, words),
            stderr=normalise(stderr, words),
            records=self.read_records(words) if self.mode.recorded else None,
            files={name: self.read_file(name, words) for name in self.case.options.compare_files},
        )

    def argv(self, command: Command) -> list[str]:
        start = [self.program]
        if self.mode is not ORACLE:
            start += ["test", *self.mode.arguments]
        if self.mode.recorded:
            start += ["-p", "dxspec_record"]
        return start + list(command.arguments)

    def environment(self, given: dict[str, str] | None = None) -> dict[str, str]:
        """Made from nothing, so that no variable of the calling session (a CI's, say) changes a result."""
        env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.project.home),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "PYTHONPATH": str(RECORDER_FOLDER),
            # The order of a set of strings is seen in messages.
            "PYTHONHASHSEED": "0",
            "PYTEST_DEBUG_TEMPROOT": str(self.project.tmp),
            "DX_PY_RUNTIME_DIR": str(self.bench.runtime),
        }
        if self.mode.recorded:
            env["DXSPEC_RECORD"] = str(self.record)
        if not self.case.options.requires:
            # What is installed beside pytest must not change a count.
            env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        given = self.case.options.env | (given or {})
        if "PYTHONPATH" in given:
            given["PYTHONPATH"] += os.pathsep + env["PYTHONPATH"]
        return env | given

    def words_for_paths(self) -> dict[str, str]:
        prefix = str(Path(sys.executable).parent.parent)
        library = sysconfig.get_paths()["stdlib"]
        return {
            str(self.project.folder): "<CASE>",
            # A path that pytest has shortened ends before the case's name does.
            str(self.project.folder.parent): "<SIDE>",
            prefix: "<PYTHON>",
            library: "<STDLIB>",
        }

    def read_records(self, words: dict[str, str]) -> list[dict]:
        if not self.record.exists():
            return []
        records = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        for record in records:
            # Without a root of its own a project's tests have the folders above it among their keywords.
            above = set(self.project.folder.parts)
            record["keywords"] = [word for word in record.get("keywords", ()) if word not in above]
        return [normalise_value(record, words) for record in records]

    def read_file(self, name: str, words: dict[str, str]) -> list[str] | None:
        path = self.project.root / name
        if not path.exists():
            return None
        return normalise_file(path.read_text("utf-8"), words)

    def check_daemon(self) -> None:
        """A warm mode that no daemon served would be a cold one under another name."""
        code, stdout, stderr = self.dx_py("daemon", "status")
        if code != 0:
            raise BenchError(f"no daemon after a warm run: 'dx-py daemon status' gave {code}\n{stdout}{stderr}")

    def dx_py(self, *arguments: str) -> tuple[int, str, str]:
        return execute([self.program, *arguments], self.project.root, self.environment(), None)


def execute(argv: list[str], cwd: Path, env: dict[str, str], stdin: str | None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. What outlives its time is killed with all it started."""
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=with_usual_signals,
    )
    try:
        given = None if stdin is None else stdin.encode()
        stdout, stderr = process.communicate(given, TIMEOUT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            stdout, stderr = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            stdout, stderr = b"", b"(it left a process behind that holds its output open)"
        raise BenchError(
            f"{' '.join(argv)} did not end within {TIMEOUT} s\n{stdout.decode(errors='replace')}"
            f"{stderr.decode(errors='replace')}"
        ) from None
    return process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace")


def with_usual_signals() -> None:
    """A shell that starts this session in the background makes it, and all that it starts, deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def normalise_value(value: object, words: dict[str, str]) -> object:
    """A record with every text in it normalised."""
    if isinstance(value, str):
        return "\n".join(normalise(value, words))
    if isinstance(value, list):
        return [normalise_value(item, words) for item in value]
    if isinstance(value, dict):
        return {key: normalise_value(item, words) for key, item in value.items()}
    return value


def shell_line(argv: list[str], cwd: Path, env: dict[str, str]) -> str:
    """The command as one would type it, to repeat it by hand."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in env.items() if name != "PATH"]
    return f"cd {shlex.quote(str(cwd))} && env {' '.join(settings)} {shlex.join(argv)}"
