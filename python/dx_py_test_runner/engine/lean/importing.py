"""``_pytest.pathlib.import_path`` for test modules in ``prepend`` mode, on texts instead of path objects."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import PosixPath
from types import ModuleType
from typing import Any

from _pytest import pathlib

from dx_py_test_runner.engine.frames import standing_in_for

_import_path = pathlib.import_path
_SUFFIX = ".py"


@standing_in_for(_import_path, "import_module")
def import_path(path: Any, **more: Any) -> ModuleType:
    """As pytest's own; whatever is not simple is left to it.

    Its frame is in the traceback of each test module with wrong syntax.
    """
    name = str(path)
    folder, _, file = name.rpartition(os.sep)
    if (
        more.get("mode") != "prepend"
        or more.get("consider_namespace_packages")
        or type(path) is not PosixPath
        or not folder
        or not file.endswith(_SUFFIX)
        or file == "__init__.py"
        or not os.path.exists(name)
    ):
        return _import_path(path, **more)
    parts = [path.stem]
    while os.path.isfile(folder + os.sep + "__init__.py"):
        above, _, package = folder.rpartition(os.sep)
        if not package.isidentifier():
            break
        parts.append(package)
        folder = above
    if folder != sys.path[0]:
        sys.path.insert(0, folder or os.sep)
    module_name = ".".join(reversed(parts))
    importlib.import_module(module_name)
    module = sys.modules[module_name]
    if getattr(module, "__file__", None) != name:
        # Another file of that name, perhaps: pytest knows what to say.
        return _import_path(path, **more)
    return module
