"""How long compiling a test module takes: captured, rewritten by pytest, and plain.

    python benches/assertions.py [--tests 50] [--asserts 5] [--rounds 20]
"""

from __future__ import annotations

import argparse
import ast
import time
from collections.abc import Callable

import pytest
from _pytest.assertion import rewrite

from dx_py_test_runner import _native
from dx_py_test_runner.engine.capture import compile_captured

ASSERTS = [
    "assert total(cart) == 42",
    "assert cart.items[0].name == 'apple', f'{cart} holds something else'",
    "assert response.status_code == 200 and response.json()['ok']",
    "assert isinstance(error, ValueError)",
    "assert [item.price for item in cart.items] == sorted(prices, reverse=True)",
    "assert 0 < len(cart.items) <= limit",
    "assert not cart.is_empty()",
]


def module(tests: int, asserts: int) -> bytes:
    lines = ["import shop", ""]
    for test in range(tests):
        lines += [f"def test_{test}(cart, response, limit):", "    prices = [item.price for item in cart.items]"]
        lines += ["    " + ASSERTS[(test + number) % len(ASSERTS)] for number in range(asserts)]
        lines.append("")
    return "\n".join(lines).encode()


def best(rounds: int, work: Callable[[], object]) -> float:
    """Milliseconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def rewritten(source: bytes) -> object:
    tree = ast.parse(source, filename="test_bench.py")
    rewrite.rewrite_asserts(tree, source, "test_bench.py")
    return compile(tree, "test_bench.py", "exec", dont_inherit=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=50)
    parser.add_argument("--asserts", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    source = module(options.tests, options.asserts)
    walrus = pytest.version_tuple >= (9, 2)
    assert compile_captured(source, "test_bench.py", walrus=walrus) is not None
    plain = best(options.rounds, lambda: compile(source, "test_bench.py", "exec", dont_inherit=True))
    text = best(options.rounds, lambda: _native.capture_asserts(source.decode(), walrus=walrus))
    captured = best(options.rounds, lambda: compile_captured(source, "test_bench.py", walrus=walrus))
    pytests = best(options.rounds, lambda: rewritten(source))
    print(f"{options.tests} tests with {options.asserts} asserts each, pytest {pytest.__version__}; milliseconds:")
    print(f"  plain compile      {plain:8.2f}")
    print(f"  captured           {captured:8.2f}   {captured / plain:.1f} of plain (the text alone {text:.2f})")
    print(f"  pytest's rewriting {pytests:8.2f}   {pytests / captured:.1f} of captured")


if __name__ == "__main__":
    main()
