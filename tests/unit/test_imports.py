"""Packages import downwards only, so that each can be understood with those below it."""

import ast
from pathlib import Path

import dx_py_test_runner

ROOT = Path(dx_py_test_runner.__file__).parent

LAYERS = ["cli", "daemon+watch", "tower+run", "worker", "engine", "select", "inputs", "history", "wire"]
"""From the top. Tower and run are one floor: a checkpoint leaves the run's frames standing in the tower."""

FLOOR = {name: level for level, names in enumerate(LAYERS) for name in names.split("+")}

# Entry points that start what lies above them: the process begins there and never comes back.
ALLOWED = {("daemon", "tower"), ("tower", "run")}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "dx_py_test_runner" and len(parts) > 1 and parts[1] in FLOOR:
                yield parts[1]


def test_every_package_has_a_floor():
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(FLOOR)


def test_imports_point_downwards():
    upward = []
    for path in ROOT.rglob("*.py"):
        package = path.relative_to(ROOT).parts[0]
        if package in FLOOR:
            upward += [
                f"{path.relative_to(ROOT)} imports {target}"
                for target in imports(path)
                if FLOOR[target] < FLOOR[package] and (package, target) not in ALLOWED
            ]
    assert upward == []
