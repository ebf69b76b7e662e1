"""Edits of what Python reads by other ways than opening a module's text: compiled modules, archives, path files,
modules that the runner itself has loaded before the project."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

from staleness.edits import edit
from staleness.scene import Scene

EXTENSION = """\
typedef struct { long count; void *type; void *init; long index; void *copy; } Base;
typedef struct { Base base; const char *name, *doc; long size; void *methods, *slots, *traverse, *clear, *free; } Def;
static Def def = {{1}, "compiled", 0, -1};
extern void *PyModule_Create2(Def *, int);
extern int PyModule_AddIntConstant(void *, const char *, long);
int number(void) { return NUMBER; }
void *PyInit_compiled(void) {
    void *module = PyModule_Create2(&def, 1013);
    PyModule_AddIntConstant(module, "NUMBER", NUMBER);
    return module;
}
"""
"""An extension module in C, declaring what it needs of Python by itself: headers may not be installed."""


def compile_extension(scene: Scene, number: int) -> None:
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    folder = scene.tree.root / "build"
    folder.mkdir(exist_ok=True)
    source = folder / "compiled.c"
    source.write_text(EXTENSION)
    built = folder / "compiled.so"
    subprocess.run([compiler, "-shared", "-fPIC", f"-DNUMBER={number}", "-o", built, source], check=True)
    os.replace(built, scene.path(f"src/compiled{sysconfig.get_config_var('EXT_SUFFIX')}"))


def _test_of_extension(scene: Scene) -> None:
    compile_extension(scene, 1)
    scene.write(
        "tests/test_compiled.py",
        "import compiled\n\n\ndef test_compiled(record_property):\n    record_property('number', compiled.NUMBER)\n",
    )


@edit(prepare=_test_of_extension)
def extension_module_rebuilt(scene: Scene, rng: random.Random) -> None:
    compile_extension(scene, 2)


def _test_of_library(scene: Scene) -> None:
    compile_extension(scene, 1)
    scene.write(
        "tests/test_loaded.py",
        "import ctypes\nimport importlib.util\n\n"
        "NUMBER = ctypes.PyDLL(importlib.util.find_spec('compiled').origin).number()\n\n\n"
        "def test_loaded(record_property):\n    record_property('number', NUMBER)\n",
    )


@edit(prepare=_test_of_library)
def library_loaded_by_ctypes_rebuilt(scene: Scene, rng: random.Random) -> None:
    compile_extension(scene, 2)


def write_archive(scene: Scene, value: int) -> None:
    with zipfile.ZipFile(scene.path("archive.zip"), "w") as archive:
        archive.writestr("archived.py", f"VALUE = {value}\n")


def _test_of_archive(scene: Scene) -> None:
    write_archive(scene, 1)
    scene.change("pyproject.toml", "pythonpath = .*", 'pythonpath = ["src", "linked", "archive.zip"]')
    scene.write(
        "tests/test_archived.py",
        "import archived\n\n\ndef test_archived(record_property):\n    record_property('value', archived.VALUE)\n",
    )


@edit(prepare=_test_of_archive)
def archive_of_modules_rewritten(scene: Scene, rng: random.Random) -> None:
    write_archive(scene, 2)


def _test_of_pipe(scene: Scene) -> None:
    os.mkfifo(scene.tree.root.parent / "pipe")
    scene.write(
        "tests/test_pipe.py",
        "import os\nfrom pathlib import Path\n\n"
        "os.close(os.open(Path(__file__).parents[3] / 'pipe', os.O_RDONLY | os.O_NONBLOCK))\n\n\n"
        "def test_pipe():\n    pass\n",
    )


@edit(prepare=_test_of_pipe)
def module_changed_where_a_pipe_was_opened(scene: Scene, rng: random.Random) -> None:
    """A pipe cannot be read again to see whether its content is the same: whoever tries waits for ever."""
    scene.change("app/deep.py", r"return \d+", "return 333")


# ---- what the interpreter reads at its start


def _own_environment(scene: Scene) -> None:
    """A virtual environment in the tree that sees the packages of this one."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(scene.tree.root / "venv")
    packages = sysconfig.get_path("purelib", vars={"base": str(scene.tree.root / "venv")})
    own = sysconfig.get_path("purelib")
    with open(os.path.join(packages, "outer.pth"), "w") as file:
        file.write(f"import site; site.addsitedir({own!r})\n")
    scene.python = "venv/bin/python"
    scene.write("extra/optional_thing.py", "VALUE = 'found by a path file'\n")


def _packages(scene: Scene) -> str:
    return f"venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@edit(prepare=_own_environment)
def path_file_appears(scene: Scene, rng: random.Random) -> None:
    """What `pip install --editable` does."""
    scene.tree.write(f"{_packages(scene)}/added.pth", "../../../../project/extra\n")


def _own_environment_with_path_file(scene: Scene) -> None:
    _own_environment(scene)
    scene.write("more_extra/optional_thing.py", "VALUE = 'found by a changed path file'\n")
    path_file_appears(scene, random.Random(0))


@edit(prepare=_own_environment_with_path_file)
def path_file_changed(scene: Scene, rng: random.Random) -> None:
    scene.tree.write(f"{_packages(scene)}/added.pth", "../../../../project/more_extra\n")


@edit(prepare=_own_environment)
def sitecustomize_appears(scene: Scene, rng: random.Random) -> None:
    scene.tree.write(f"{_packages(scene)}/sitecustomize.py", "import sys\n\nsys.path.append('nowhere')\n")
    scene.write("tests/test_path.py", "import sys\n\n\ndef test_path():\n    assert 'nowhere' in sys.path\n")


SHADOW = """\
import importlib.util
import os
import sysconfig

spec = importlib.util.spec_from_file_location("real_shlex", os.path.join(sysconfig.get_path("stdlib"), "shlex.py"))
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)
globals().update({name: value for name, value in vars(real).items() if not name.startswith("__")})
SHADOW = True
"""


def _test_of_shlex(scene: Scene) -> None:
    scene.write(
        "tests/test_shlex.py",
        "import shlex\n\n\ndef test_shlex(record_property):\n    record_property('shadow', hasattr(shlex, 'SHADOW'))\n",
    )


@edit(prepare=_test_of_shlex)
def module_that_pytest_uses_shadowed(scene: Scene, rng: random.Random) -> None:
    """A folder of PYTHONPATH stands before the standard library, and pytest imports shlex before any project file."""
    scene.tree.write("site/shlex.py", SHADOW)
