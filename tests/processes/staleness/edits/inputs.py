"""Edits of what is read besides Python text: data files, environment variables, modules looked for by name, links."""

from __future__ import annotations

import os
import random

from staleness.edits import edit
from staleness.edits.code import other
from staleness.scene import Scene

WORDS = ("alpha", "beta", "gamma", "delta", "eta", "n0t")


@edit(mixed=2)
def data_file_content(scene: Scene, rng: random.Random) -> str:
    words = rng.sample(WORDS, rng.randrange(1, len(WORDS)))
    if words == scene.read("data/table.txt").split():
        words.reverse()
        words.append("theta")
    scene.write("data/table.txt", " ".join(words) + "\n")
    return f"data/table.txt: {words}"


@edit(mixed=0)
def data_file_gone(scene: Scene, rng: random.Random) -> None:
    scene.remove("data/table.txt")


@edit()
def data_file_appears_in_listed_folder(scene: Scene, rng: random.Random) -> str:
    name = f"data/part_{rng.randrange(9)}.txt"
    scene.write(name, "part\n")
    return name


@edit()
def data_file_renamed(scene: Scene, rng: random.Random) -> str:
    old = sorted(path.name for path in scene.path("data").glob("part_*.txt"))[0]
    new = f"part_{other(rng, old)}.txt"
    scene.rename(f"data/{old}", f"data/{new}")
    return f"{old} to {new}"


@edit(mixed=2)
def variable_read_at_import(scene: Scene, rng: random.Random) -> str:
    choices = [value for value in (None, "plain!", "fancy", "odd") if value != scene.env.get("STALENESS_MODE")]
    return set_variable(scene, "STALENESS_MODE", rng.choice(choices))


@edit(mixed=2)
def variable_read_in_test(scene: Scene, rng: random.Random) -> str:
    choices = [value for value in (None, "some", "fail") if value != scene.env.get("STALENESS_IN_TEST")]
    return set_variable(scene, "STALENESS_IN_TEST", rng.choice(choices))


def set_variable(scene: Scene, name: str, value: str | None) -> str:
    scene.env.pop(name, None)
    if value is not None:
        scene.env[name] = value
    return f"{name}={value}"


def _write_overwriting_module(scene: Scene) -> None:
    scene.write("app/overwriting.py", 'import os\n\nos.environ["STALENESS_FIXED"] = "fixed"\n')
    scene.write(
        "tests/test_overwriting.py",
        "import os\n\nfrom app import overwriting\n\n\n"
        'def test_fixed(record_property):\n    record_property("value", os.environ["STALENESS_FIXED"])\n',
    )


def _overwrite_with_same_value(scene: Scene) -> None:
    _write_overwriting_module(scene)
    scene.env["STALENESS_FIXED"] = "fixed"


@edit(prepare=_overwrite_with_same_value, same_verdict=True)
def variable_overwritten_at_import(scene: Scene, rng: random.Random) -> None:
    """What an import sets counts, whatever the caller says: also where both said the same before."""
    scene.env["STALENESS_FIXED"] = "other"


@edit(mixed=2)
def import_module_target(scene: Scene, rng: random.Random) -> str:
    name = {"app.backend_red": "app.backend_blue"}.get(scene.read("data/backend.txt").strip(), "app.backend_red")
    scene.write("data/backend.txt", name + "\n")
    return name


@edit()
def import_module_target_content(scene: Scene, rng: random.Random) -> str:
    name = scene.read("data/backend.txt").strip().replace(".", "/") + ".py"
    colour = rng.choice(["red ", "blue ", "green"])
    scene.write(name, f'COLOUR = "{colour}"\n')
    return f"{name}: {colour}"


PLACES = ("project/optional_thing.py", "project/src/optional_thing.py", "site/optional_thing.py")
"""Where an optional module may appear: earlier ones win."""


def _optional_module(scene: Scene) -> None:
    scene.tree.write(PLACES[1], "VALUE = 1\n")


@edit(mixed=3)
def optional_module_appears(scene: Scene, rng: random.Random) -> str:
    missing = [name for name in PLACES if not scene.tree.has(name)]
    name = rng.choice(missing)
    scene.tree.write(name, f"VALUE = {rng.randrange(100, 1000)}\n")
    return name


@edit()
def optional_package_appears(scene: Scene, rng: random.Random) -> str:
    name = rng.choice(["optional_thing", "src/optional_thing"])
    scene.write(f"{name}/__init__.py", f"VALUE = {rng.randrange(100, 1000)}\n")
    return name


@edit(prepare=_optional_module, mixed=3)
def optional_module_disappears(scene: Scene, rng: random.Random) -> str:
    name = rng.choice([name for name in PLACES if scene.tree.has(name)])
    scene.tree.remove(name)
    return name


@edit()
def module_imported_in_test(scene: Scene, rng: random.Random) -> str:
    number = other(rng, scene.read("src/late.py"))
    scene.write("src/late.py", f"VALUE = {number}\n")
    return f"late: {number}"


@edit(mixed=2)
def link_to_file_retargeted(scene: Scene, rng: random.Random) -> str:
    now = os.readlink(scene.path("data/current.txt"))
    target = "second.txt" if now == "first.txt" else "first.txt"
    scene.link("data/current.txt", target)
    return target


@edit(mixed=2)
def link_to_folder_of_modules_retargeted(scene: Scene, rng: random.Random) -> str:
    now = os.readlink(scene.path("linked"))
    target = "linked_two" if now == "linked_one" else "linked_one"
    scene.link("linked", target)
    return target


def _read_where_a_link_leads(scene: Scene) -> None:
    for name in ("release_1", "release_2"):
        scene.write(f"{name}/same.txt", "same\n")
    scene.link("release", "release_1")
    _test_of_value(scene, "os.path.basename(os.path.realpath(ROOT / 'release'))")


def _test_of_value(scene: Scene, expression: str) -> None:
    """A test that reports what *expression* gave when its module was imported, and what it gives now."""
    scene.write(
        "app/asked.py",
        "import os\nimport sys\nfrom pathlib import Path\n\nROOT = Path(__file__).parent.parent\n\n\n"
        f"def ask():\n    return {expression}\n\n\nVALUE = ask()\n",
    )
    scene.write(
        "tests/test_asked.py",
        "from app import asked\n\n\ndef test_asked(record_property):\n"
        '    record_property("same as now", asked.VALUE == asked.ask())\n',
    )


@edit(prepare=_read_where_a_link_leads, same_verdict=True)
def link_to_folder_resolved_at_import(scene: Scene, rng: random.Random) -> None:
    scene.link("release", "release_2")


def _ask_for_folder(scene: Scene) -> None:
    scene.write("maybe_folder/inner.txt", "inner\n")
    _test_of_value(scene, "os.path.isdir(ROOT / 'maybe_folder')")


@edit(prepare=_ask_for_folder, same_verdict=True)
def folder_asked_for_becomes_file(scene: Scene, rng: random.Random) -> None:
    scene.remove("maybe_folder")
    scene.write("maybe_folder", "a file now\n")


@edit(prepare=lambda scene: _test_of_value(scene, "os.path.getmtime(ROOT / 'data' / 'table.txt')"), same_verdict=True)
def modification_time_read_at_import(scene: Scene, rng: random.Random) -> None:
    later = scene.path("data/table.txt").stat().st_mtime + 100
    os.utime(scene.path("data/table.txt"), (later, later))


@edit(prepare=lambda scene: _test_of_value(scene, "os.stat(ROOT / 'data').st_mtime_ns"), same_verdict=True)
def time_of_folder_read_at_import(scene: Scene, rng: random.Random) -> None:
    scene.write("data/unread.txt", "nobody reads this\n")


@edit(prepare=lambda scene: _test_of_value(scene, "os.access(ROOT / 'data' / 'table.txt', os.X_OK)"), same_verdict=True)
def permission_read_at_import(scene: Scene, rng: random.Random) -> None:
    path = scene.path("data/table.txt")
    path.chmod(path.stat().st_mode | 0o111)


@edit(
    prepare=lambda scene: _test_of_value(
        scene, "sorted((e.name, e.stat().st_size) for e in os.scandir(ROOT / 'data') if e.is_file())"
    ),
    same_verdict=True,
)
def size_read_from_listing_at_import(scene: Scene, rng: random.Random) -> None:
    scene.tree.save_over("project/data/second.txt", "second, and longer\n")


@edit(
    prepare=lambda scene: _test_of_value(scene, "[path.name for path in sorted(ROOT.glob('data/*')) if path.is_dir()]"),
    same_verdict=True,
)
def listed_file_becomes_folder(scene: Scene, rng: random.Random) -> None:
    scene.remove("data/second.txt")
    scene.write("data/second.txt/inner.txt", "inner\n")


@edit(
    prepare=lambda scene: _test_of_value(scene, "(ROOT / 'data' / 'second.txt' / 'inner.txt').exists()"),
    same_verdict=True,
)
def missing_path_below_a_file_appears(scene: Scene, rng: random.Random) -> None:
    scene.remove("data/second.txt")
    scene.write("data/second.txt/inner.txt", "inner\n")


@edit(prepare=lambda scene: _test_of_value(scene, "sys.argv[1:]"), same_verdict=True)
def arguments_read_at_import(scene: Scene, rng: random.Random) -> None:
    scene.args = (*scene.args, "--verbose")


def _read_own_settings(scene: Scene) -> None:
    home = "{tree}/home"
    scene.env["STALENESS_HOME"] = home
    scene.tree.write("home/settings.txt", "at home\n")
    _test_of_value(scene, "(Path(os.path.expandvars('$STALENESS_HOME')) / 'settings.txt').read_text()")


@edit(prepare=_read_own_settings, same_verdict=True)
def file_outside_the_project_changed(scene: Scene, rng: random.Random) -> None:
    scene.tree.write("home/settings.txt", "at home, changed\n")
