"""Verdicts in words, for ``dx-py why`` and ``dx-py why-not``. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dx_py_test_runner.history.store import Claim, History
from dx_py_test_runner.inputs import owners
from dx_py_test_runner.select.affected import Verdict
from dx_py_test_runner.select.closure import Graph
from dx_py_test_runner.select.world import BODY, CIRCUMSTANCES, CODE, CONFIG, DOUBT, EFFECT, EVERYWHERE, FIND, LEVEL, MENTIONS, SIGNATURE, SIGNATURES, TOUCHED, TREE

SHOWN = 10
"""Changes told of one test."""

_ROOT = "{root}/"


def explain(test: str, verdict: Verdict, history: History, graph: Graph, roots: Iterable[str], full: object) -> list[str]:
    """Lines that say whether *test* must run, and why.

    :param graph: of what is loaded now.
    :param roots: the modules that the test consists of.
    :param full: gives the path that a claim's name stands for.
    """
    if verdict.reason == "new":
        return [f"{test} runs: no run of it is remembered"]
    if verdict.reason == "not passed":
        return [f"{test} runs: it did not pass the last time that things were as they are"]
    if not verdict.runs:
        return [f"{test} need not run: it has passed, and all that it depends on is as it was:", *_counted(verdict, history)]
    lines = [f"{test} runs:"]
    broken = list(dict.fromkeys(verdict.broken))
    for claim, now in broken[:SHOWN]:
        lines.append(f"  {of_change(claim, now)}")
        kind, name, _value = claim
        if kind in (CODE, LEVEL, BODY, SIGNATURE, SIGNATURES):
            chain = graph.chain(roots, full(name.partition("::")[0]))  # type: ignore[operator]
            if len(chain) > 1:
                lines.append(f"    {' needs '.join(chain)}")
    if len(broken) > SHOWN:
        lines.append(f"  and {len(broken) - SHOWN} more")
    return lines


def of_change(claim: Claim, now: str | None) -> str:
    """What has changed about a claim."""
    kind, name, was = claim
    shown = name.removeprefix(_ROOT)
    if kind == DOUBT:
        return name
    if kind == owners.ENV:
        return "the environment is another one" if name == "*" else f"the variable {name} has {'another value' if now != '-' else 'gone'}"
    if kind == FIND:
        folder, _, stem = name.rpartition("\0")
        place = f"in {folder.removeprefix(_ROOT)}" if folder else "on the search path"
        return f"for the name {stem!r} {place} is found: {now or 'nothing'} (before: {was or 'nothing'})"
    if kind == BODY:
        path, _, function = shown.partition("::")
        return f"{path}: {function} has changed, and was executed"
    if kind == SIGNATURE:
        path, _, function = shown.partition("::")
        return f"{path}: {function} has other parameters, and was looked at"
    if kind == SIGNATURES:
        return f"{shown} has functions with other parameters"
    if kind == LEVEL:
        return f"{shown} has changed outside of functions"
    if kind == EFFECT:
        return f"{shown} leaves something else in other modules when it is loaded"
    if kind == TOUCHED:
        return f"other modules than before leave something {'where all may see it' if name == EVERYWHERE else f'in {shown}'}"
    if kind == MENTIONS:
        path, _package, target = shown.split("\0")
        return f"{path} does not mention {target} any more, which has left something where this test may see it"
    if kind == TREE:
        return "a file of the project has changed, and the test starts other processes, which may read any"
    known = {
        owners.LIST: f"the names in {shown} have changed",
        owners.DISTS: f"the distributions in {shown} have changed",
        owners.LINK: f"the link {shown} leads elsewhere",
        owners.STATUS: f"size, time or mode of {shown} have changed",
        CONFIG: f"pytest's configuration has changed: {name}",
        CIRCUMSTANCES: "variables that the interpreter and its libraries read have changed",
    }
    if kind in known:
        return known[kind]
    if was in ("-", ""):
        return f"{shown} has appeared"
    return f"{shown} {'is gone' if now in ('-', '') else 'has changed'}"


def _counted(verdict: Verdict, history: History) -> list[str]:
    """What a test depends on, briefly."""
    claims = {claim for number in verdict.sets for claim in history.claims_of(number)}
    kinds = Counter(kind for kind, _name, _value in claims)
    own = sorted(
        {name.removeprefix(_ROOT) for kind, name, _value in claims if kind in (owners.FILE, CODE, LEVEL) and name.startswith(_ROOT)}
    )
    variables = sorted(name for kind, name, _value in claims if kind == owners.ENV)
    lines = [f"  {name}" for name in own]
    if variables:
        lines.append(f"  environment: {', '.join(variables)}")
    return [*lines, f"  in all: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}"]
