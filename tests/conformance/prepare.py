"""Make a project ready to run: its unpacked sdist, a virtual environment with the pinned versions, and dx-py in it."""

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from projects import Project

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
PINS = HERE / "pins"
RECORDER = HERE / "dx_conformance_recorder.py"
DISTRIBUTION = "dx-py-test-runner"


class Failed(Exception):
    """Something that the comparison needs could not be had."""


@dataclass(frozen=True)
class Corpus:
    """Where everything is kept that takes time to make."""

    root: Path

    def tool(self, name: str) -> Path:
        return self.root / "tools" / "bin" / name

    def home(self, project: Project) -> Path:
        version = ".".join(platform.python_version_tuple()[:2])
        return self.root / f"py{version}" / project.name


@dataclass(frozen=True)
class Prepared:
    project: Project
    home: Path
    installer: "Installer"

    @property
    def source(self) -> Path:
        return self.home / "source"

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    @property
    def installed_wheel(self) -> Path:
        """Holds the hash of the dx-py wheel that is in the environment, if one is."""
        return self.home / "dx-py.installed"


@dataclass(frozen=True)
class Installer:
    """uv, or pip where there is no uv."""

    uv: Path | None

    def make_venv(self, venv: Path) -> None:
        if self.uv:
            call(self.uv, "venv", "--quiet", "--python", sys.executable, venv)
        else:
            call(sys.executable, "-m", "venv", venv)

    def pip(self, venv: Path, verb: str, *words: object) -> str:
        if self.uv:
            return call(self.uv, "pip", verb, "--python", venv / "bin/python", *words)
        yes = ["--yes"] if verb == "uninstall" else []
        return call(venv / "bin/python", "-m", "pip", verb, *yes, *words)


def call(*command: object) -> str:
    words = [str(word) for word in command]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode != 0:
        raise Failed(f"{' '.join(words)[:300]}\n{ended.stdout[-3000:]}")
    return ended.stdout


def make_tools(corpus: Corpus) -> Installer:
    """An environment with pip (which alone can download an sdist) and, if it can be had, uv."""
    if not corpus.tool("pip").exists():
        call(sys.executable, "-m", "venv", corpus.root / "tools")
        call(corpus.tool("pip"), "install", "--quiet", "--upgrade", "pip")
    if not corpus.tool("uv").exists():
        try:
            call(corpus.tool("pip"), "install", "--quiet", "uv")
        except Failed:
            return Installer(None)
    return Installer(corpus.tool("uv"))


@contextmanager
def alone(project: Project, corpus: Corpus) -> Iterator[None]:
    """No two comparisons may use a project's directories at the same time: the second waits."""
    corpus.home(project).parent.mkdir(parents=True, exist_ok=True)
    with corpus.home(project).with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare(project: Project, corpus: Corpus, installer: Installer) -> Prepared:
    """Build the project's directory anew unless it already holds what the list asks for."""
    prepared = Prepared(project, corpus.home(project), installer)
    stamp = prepared.home / "prepared.json"
    if stamp.exists() and stamp.read_text() == ingredients(project):
        return prepared
    shutil.rmtree(prepared.home, ignore_errors=True)
    prepared.home.mkdir(parents=True)
    unpack(download(project, corpus), prepared.source)
    installer.make_venv(prepared.venv)
    install_pins(prepared)
    stamp.write_text(ingredients(project))
    return prepared


def ingredients(project: Project) -> str:
    pins = pins_file(project)
    return json.dumps(
        {
            "project": [project.name, project.version, project.editable],
            "pins": pins.read_text() if pins.exists() else [project.pytest, *project.requirements],
            "python": [platform.python_implementation(), platform.python_version()],
        },
        indent=1,
    )


def pins_file(project: Project) -> Path:
    return PINS / f"{project.name}.txt"


def download(project: Project, corpus: Corpus) -> Path:
    directory = corpus.root / "sdists" / f"{project.name}-{project.version}"
    if not list(directory.glob("*.tar.gz")):
        requirement = f"{project.name}=={project.version}"
        options = ("--quiet", "--no-deps", "--no-binary", project.name, "--dest", directory)
        call(corpus.tool("pip"), "download", *options, requirement)
    return next(directory.glob("*.tar.gz"))


def unpack(sdist: Path, source: Path) -> None:
    """An sdist holds one directory, NAME-VERSION: that becomes `source`."""
    unpacked = source.with_name("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="tar")
    next(unpacked.iterdir()).rename(source)
    unpacked.rmdir()


def install_pins(prepared: Prepared) -> None:
    project, pins = prepared.project, pins_file(prepared.project)
    if pins.exists():
        prepared.installer.pip(prepared.venv, "install", "--quiet", "--requirement", pins)
    else:
        itself = [] if project.editable else [f"{project.name}=={project.version}"]
        prepared.installer.pip(prepared.venv, "install", "--quiet", project.pytest, *project.requirements, *itself)
        # The project itself, if editable, is no pin: it is the sdist beside the environment.
        lines = prepared.installer.pip(prepared.venv, "freeze").splitlines()
        pins.write_text("".join(line + "\n" for line in lines if "==" in line))
    if project.editable:
        prepared.installer.pip(prepared.venv, "install", "--quiet", "--editable", prepared.source)


def install_recorder(prepared: Prepared) -> None:
    """Among the installed modules, so that nothing has to be added to the suite's import path."""
    site_packages = next(prepared.venv.glob("lib/python*/site-packages"))
    shutil.copy(RECORDER, site_packages)


def find_program(path: Path, corpus: Corpus) -> Path:
    """A wheel to install into every environment (built now if `path` is a checkout), or a command."""
    return build_wheel(path.resolve(), corpus) if path.is_dir() else path.resolve()


def install_program(prepared: Prepared, program: Path) -> Path:
    """The dx-py command to run the project's suite with."""
    return install_wheel(prepared, program) if program.suffix == ".whl" else program


def build_wheel(checkout: Path, corpus: Corpus) -> Path:
    directory = corpus.root / "wheel"
    shutil.rmtree(directory, ignore_errors=True)
    call(corpus.tool("pip"), "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, checkout)
    return next(directory.glob("*.whl"))


def install_wheel(prepared: Prepared, wheel: Path) -> Path:
    """Put dx-py into the project's environment without changing a pin."""
    content = hashlib.sha256(wheel.read_bytes()).hexdigest()
    stamp = prepared.installed_wheel
    if not stamp.exists() or stamp.read_text() != content:
        remove_wheel(prepared)
        prepared.installer.pip(prepared.venv, "install", "--quiet", "--no-deps", wheel)
        stamp.write_text(content)
    return prepared.venv / "bin/dx-py"


def remove_wheel(prepared: Prepared) -> None:
    """Before the truth is recorded: pytest's side must not even have dx-py installed."""
    present = list(prepared.venv.glob(f"lib/python*/site-packages/{DISTRIBUTION.replace('-', '_')}-*.dist-info"))
    prepared.installed_wheel.unlink(missing_ok=True)
    if present:
        prepared.installer.pip(prepared.venv, "uninstall", "--quiet", DISTRIBUTION)
