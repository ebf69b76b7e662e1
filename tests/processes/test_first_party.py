"""Modules of the project that are no tests, from the code pack: nobody can tell, and nothing is compiled twice."""

from __future__ import annotations

import re

import pytest

COUNTING = """
import os
import sys

compiled = set()

def note(event, args):
    if event == "compile" and "/project/" in str(args[1]) and "test_" not in str(args[1]):
        compiled.add(os.path.relpath(args[1]))

sys.addaudithook(note)

def pytest_collection_finish():
    with open("compiled", "w") as file:
        file.write(" ".join(sorted(compiled)))
"""

LOOKS = """
import importlib.machinery
import importlib.util
import inspect
import pickle
import sys

import pytest
from shop import cart
from shop.cart import Item

def test_module():
    assert (cart.__name__, cart.__package__) == ("shop.cart", "shop")
    assert cart.__file__.endswith("/shop/cart.py") and cart.__spec__.origin == cart.__file__
    assert cart.__cached__ == cart.__spec__.cached == importlib.util.cache_from_source(cart.__file__)
    assert type(cart.__loader__) is importlib.machinery.SourceFileLoader is type(cart.__spec__.loader)
    assert cart.total.__code__.co_filename == cart.__file__
    assert cart.__loader__.get_code("shop.cart").co_consts == compile(inspect.getsource(cart), "", "exec").co_consts

def test_source():
    assert inspect.getsource(Item).startswith("class Item:")
    assert inspect.getsource(cart.total).splitlines()[1] == "    return sum(item.price for item in items)"

def test_pickle():
    assert pickle.loads(pickle.dumps(Item(3))).price == 3 and pickle.loads(pickle.dumps(cart.total)) is cart.total

def test_traceback():
    with pytest.raises(ZeroDivisionError) as error:
        cart.fail()
    assert (error.traceback[-1].lineno, str(error.traceback[-1].path)) == (9, cart.__file__)

def test_assert_is_plain():
    with pytest.raises(AssertionError) as error:
        cart.check(1)
    assert str(error.value) == ""

def test_fails():
    cart.fail()
"""

CART = """
class Item:
    def __init__(self, price):
        self.price = price

def total(items):
    return sum(item.price for item in items)


def fail():
    1 / 0

def check(value):
    assert value == 2
"""

RUN = ("test", "--no-daemon", "-p", "no:cacheprovider")


@pytest.fixture
def shop(place):
    place.env |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{place.project}:{place.root}/plugins"}
    place.write("pytest.ini", "[pytest]\n")
    place.write("shop/__init__.py", "")
    place.write("shop/cart.py", CART)
    place.write("test_shop.py", LOOKS)
    place.write("../plugins/counting.py", COUNTING)
    return place


def outcome(ended):
    """Without the time it took, and what of ours the header has."""
    return ended.code, re.sub(r" in \d+\.\d+s", "", ended.out), ended.err


def compiled(place, *args, **options):
    ended = place.run(*RUN, "-p", "counting", *args, **options)
    return ended, (place.project / "compiled").read_text().split()


def test_nobody_can_tell(shop):
    expected = outcome(shop.pytest("-p", "no:cacheprovider"))
    assert "1 failed, 5 passed" in expected[1]
    for _ in range(2):
        assert outcome(shop.run(*RUN)) == expected
    assert not list(shop.project.rglob("*.pyc"))


def test_nothing_is_compiled_twice_and_what_changed_is(shop):
    assert compiled(shop)[1] == ["shop/__init__.py", "shop/cart.py"]
    assert compiled(shop)[1] == []
    shop.write("shop/cart.py", CART.replace("sum(", "0 + sum("))
    shop.write("shop/more.py", CART)
    changed, names = compiled(shop)
    assert names == ["shop/cart.py"] and changed.counts == {"failed": 2, "passed": 4}
    shop.write("conftest.py", "import shop.more\n")
    # Its text is known; its name is its own all the same.
    assert compiled(shop)[1] == ["conftest.py"]


def test_where_bytecode_can_be_written_importlib_writes_it(shop):
    del shop.env["PYTHONDONTWRITEBYTECODE"]
    assert compiled(shop)[1] == ["shop/__init__.py", "shop/cart.py"]
    assert compiled(shop)[1] == []
    assert list(shop.project.glob("shop/__pycache__/cart.*.pyc"))
    assert not list(shop.root.glob("home/.cache/dx-py/*"))


def test_where_its_folder_cannot_be_made_the_pack_is_used(shop):
    del shop.env["PYTHONDONTWRITEBYTECODE"]
    for folder in (".", "shop"):
        shop.write(f"{folder}/__pycache__", "not a folder")
    assert compiled(shop)[1] == ["shop/__init__.py", "shop/cart.py"]
    assert compiled(shop)[1] == []


def test_the_project_decides_by_itself(shop):
    """``sys.dont_write_bytecode`` and loaders of its own behave as under pytest."""
    shop.env.pop("PYTHONDONTWRITEBYTECODE")
    shop.write("shop/lazy.py", "value = 1\n")
    shop.write("shop/bare.py", "value = 2\n")
    shop.write(
        "conftest.py",
        """
        import importlib.machinery
        import importlib.util
        import sys

        class Shouting(importlib.machinery.SourceFileLoader):
            def source_to_code(self, data, path, **options):
                return super().source_to_code(data.replace(b"1", b"7"), path, **options)

        class Optimizing(importlib.machinery.SourceFileLoader):
            def source_to_code(self, data, path):
                return super().source_to_code(data, path, _optimize=1)

        def load(loader, name):
            spec = importlib.util.spec_from_file_location(name, __file__.replace("conftest", f"shop/{name}"), loader=loader)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module

        sys.dont_write_bytecode = True
        lazy = load(Shouting("lazy", __file__.replace("conftest", "shop/lazy")), "lazy")
        fast = load(Optimizing("cart", __file__.replace("conftest", "shop/cart")), "cart")
        import shop.cart
        sys.dont_write_bytecode = False
        import shop.bare
        """,
    )
    shop.write(
        "test_own.py",
        """
        import importlib._bootstrap_external
        import conftest

        def test_own():
            assert conftest.lazy.value == 7
            conftest.fast.check(1)
            assert not hasattr(importlib._bootstrap_external, "compile")
        """,
    )
    expected = outcome(shop.pytest("-p", "no:cacheprovider"))
    assert "1 failed, 6 passed" in expected[1], expected
    left = sorted(path.name for path in shop.project.glob("shop/__pycache__/*"))
    for _ in range(2):
        for path in shop.project.rglob("*.pyc"):
            path.unlink()
        assert outcome(shop.run(*RUN)) == expected
        assert sorted(path.name for path in shop.project.glob("shop/__pycache__/*")) == left


@pytest.mark.parametrize(
    "text", ["x = (\n", "x = '\\0'\n\0", "# coding: nonsense\n", "x = b'\\xe9' b'\xe9'\n", "x = 1\nreturn x\n"], ids=range(5)
)
def test_what_is_wrong_is_said_as_ever(shop, text):
    shop.write("shop/cart.py", text)
    expected = outcome(shop.pytest("-p", "no:cacheprovider"))
    assert expected[0] == 2
    for _ in range(2):
        assert outcome(shop.run(*RUN)) == expected
    expected = outcome(shop.pytest("-p", "no:cacheprovider", "--full-trace"))
    assert outcome(shop.run(*RUN, "--full-trace"))[0] == expected[0]


@pytest.mark.parametrize("options", [(), ("-W", "error")])
def test_the_compiler_warns_each_time(shop, options):
    shop.write("shop/cart.py", CART + "\nODD = 1 is 1\n")
    expected = outcome(shop.pytest("-p", "no:cacheprovider", *options))
    assert " literal" in expected[1]
    for _ in range(2):
        assert outcome(shop.run(*RUN, *options)) == expected


def test_installed_packages_are_left_alone(shop):
    shop.write("env/site-packages/far.py", "value = 1\n")
    shop.write("conftest.py", "import far\n")
    shop.env["PYTHONPATH"] += f":{shop.project}/env/site-packages"
    for _ in range(2):
        assert "env/site-packages/far.py" in compiled(shop)[1]


def test_optimised_code_is_another(shop):
    shop.write("conftest.py", "import shop.cart\nshop.cart.check(2)\n")
    shop.write("test_shop.py", "from shop import cart\ndef test_check(): cart.check(1)\n")
    for env, counts in (({}, {"failed": 1}), ({"PYTHONOPTIMIZE": "1"}, {"passed": 1}), ({}, {"failed": 1})):
        for _ in range(2):
            ended = shop.run(*RUN, env=env)
            assert {key: n for key, n in ended.counts.items() if key in ("passed", "failed")} == counts, str(ended)


def test_an_edit_makes_a_level_stale(shop):
    """The recorder of inputs sees that the source is read, wherever the code comes from."""
    args = ("test", "-p", "no:cacheprovider")
    shop.run(*RUN)
    for _ in range(2):
        assert shop.run(*args).counts == {"failed": 1, "passed": 5}
    shop.write("shop/cart.py", CART.replace("1 / 0", "pass"))
    assert shop.run(*args).counts == {"failed": 1, "passed": 5}
    assert "stale" in shop.log()
    shop.leave_nothing()
