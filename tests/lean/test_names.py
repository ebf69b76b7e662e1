"""The names of a function's arguments are those that pytest finds by its signature."""

import functools

import pytest
from _pytest import compat, fixtures

from dx_py_test_runner.engine.lean import collection


def plain(a, b):
    pass


def defaults(a, b=1, c=2):
    pass


def keywords(a, b=1, *args, c, d=2, **more):
    pass


def positional(a, b=1, /, c=2, *, d):
    pass


@pytest.mark.parametrize("a", [1])
def marked(a, b=1):
    pass


def attributed(a, b=1):
    pass


attributed.more = 1


@functools.wraps(defaults)
def wrapping(*args, **more):
    pass


def signed(a):
    pass


signed.__signature__ = compat.signature(keywords)


class Thing:
    def method(self, a, b=1):
        pass


FUNCTIONS = [plain, defaults, keywords, positional, marked, attributed, wrapping, signed, Thing.method, Thing().method]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_names_with_defaults(function):
    assert collection._names_with_defaults(function) == compat.get_default_arg_names(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_names_of_arguments(function):
    assert collection._names_of_arguments(function) == fixtures.getfuncargnames(function)


def test_names_of_a_methods_arguments():
    assert collection._names_of_arguments(Thing.method, name="method", cls=Thing) == ("a",)
