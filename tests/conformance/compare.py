"""Compare two recordings of the same suite, node id by node id: a pure function of plain values."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from recording import Recording, Result
from texts import comparable, where_they_part

RUN = "the run"  # in the place of a node id


@dataclass(frozen=True)
class Difference:
    kind: str  # missing, extra, different, text, collection, deselected, exit, unfinished
    node: str
    pytest: str
    dx_py: str

    def __str__(self) -> str:
        return f"{self.kind:<11} {self.node}\n    pytest  {self.pytest}\n    dx-py   {self.dx_py}"


@dataclass
class Comparison:
    differences: list[Difference] = field(default_factory=list)
    messages: list[Difference] = field(default_factory=list)  # same outcome, other words before normalising: shown only
    unsteady_texts: list[str] = field(default_factory=list)  # nodes about which pytest itself has other words each time
    same_order: bool = True  # shown only: order is promised to no suite that runs in parallel

    def count(self, kind: str) -> int:
        return sum(difference.kind == kind for difference in self.differences)


def compare(truth: Recording, candidate: Recording, again: Recording | None = None) -> Comparison:
    """Everything in which the candidate's recording differs from pytest's.

    `again` is another of pytest's own: what differs between those two is *unsteady*, and no difference here.
    """
    again = again or truth
    unsteady = unsteady_tests(truth, again)
    comparison = Comparison()
    comparison.differences += compare_tests(truth, candidate, unsteady)
    comparison.differences += compare_collection(truth, candidate)
    comparison.differences += compare_deselected(truth, candidate, steady=truth.deselected == again.deselected)
    for node in sorted(named(truth) & named(candidate) - unsteady):
        compare_text(node, truth, candidate, again, comparison)
    if truth.finished != candidate.finished:
        comparison.differences.append(Difference("unfinished", RUN, state(truth), state(candidate)))
    comparison.messages += compare_messages(truth, candidate, unsteady)
    comparison.same_order = truth.order != again.order or (
        common_order(truth, candidate) == common_order(candidate, truth)
    )
    return comparison


def compare_exit(expected: Collection[int], exit: int) -> list[Difference]:
    if exit in expected:
        return []
    return [Difference("exit", RUN, " or ".join(f"exit {code}" for code in sorted(expected)), f"exit {exit}")]


def unsteady_tests(first: Recording, second: Recording) -> set[str]:
    return {node for node in first.tests.keys() | second.tests.keys() if results(first, node) != results(second, node)}


def compare_tests(truth: Recording, candidate: Recording, unsteady: Collection[str]) -> Iterable[Difference]:
    extra = [node for node in candidate.tests if node not in truth.tests]
    for node in [*truth.tests, *extra]:
        if node in unsteady or results(truth, node) == results(candidate, node):
            continue
        kind = "different"
        if node not in candidate.tests:
            kind = "missing"
        elif node not in truth.tests:
            kind = "extra"
        yield Difference(kind, node, listed(truth.tests.get(node)), listed(candidate.tests.get(node)))


def compare_collection(truth: Recording, candidate: Recording) -> Iterable[Difference]:
    for node in sorted(truth.collection.keys() | candidate.collection.keys()):
        theirs, ours = truth.collection.get(node, []), candidate.collection.get(node, [])
        if [report.outcome for report in theirs] != [report.outcome for report in ours]:
            yield Difference("collection", node, listed(theirs), listed(ours))


def compare_deselected(truth: Recording, candidate: Recording, steady: bool) -> Iterable[Difference]:
    if not steady:  # node ids that change from run to run, with the time in them for example
        if truth.deselected.total() != candidate.deselected.total():
            yield deselections(RUN, truth.deselected.total(), candidate.deselected.total())
        return
    for node in sorted(truth.deselected.keys() | candidate.deselected.keys()):
        if truth.deselected[node] != candidate.deselected[node]:
            yield deselections(node, truth.deselected[node], candidate.deselected[node])


def deselections(node: str, theirs: int, ours: int) -> Difference:
    return Difference("deselected", node, f"{theirs} deselected", f"{ours} deselected")


def compare_text(node: str, truth: Recording, candidate: Recording, again: Recording, comparison: Comparison) -> None:
    """Whether a user reads the same of what is no plain pass; where pytest's two runs differ, nothing can be said."""
    theirs, ours = words(truth, node), words(candidate, node)
    if theirs == ours or results(truth, node) != results(candidate, node):
        return  # another outcome has been told of
    if theirs != words(again, node):
        comparison.unsteady_texts.append(node)
    else:
        comparison.differences.append(Difference("text", node, *where_they_part(theirs, ours)))


def named(recording: Recording) -> set[str]:
    return recording.tests.keys() | recording.collection.keys()


def words(recording: Recording, node: str) -> list[str]:
    """All texts of a node id. Those of several tests that share it are sorted: workers may finish them in any order."""
    texts = [list(result.texts) for result in recording.tests.get(node, ())]
    texts += [[uncollected.text] for uncollected in recording.collection.get(node, ())]
    return [line for lines in sorted(comparable("\n".join(one)) for one in texts) for line in lines]


def compare_messages(truth: Recording, candidate: Recording, unsteady: Collection[str]) -> Iterable[Difference]:
    for node in sorted((truth.tests.keys() & candidate.tests.keys()) - set(unsteady)):
        theirs, ours = truth.tests[node], candidate.tests[node]
        if theirs == ours and [result.message for result in theirs] != [result.message for result in ours]:
            yield Difference("message", node, listed(theirs), listed(ours))


def results(recording: Recording, node: str) -> Counter[Result]:
    """A node id's results without their order: where several tests share an id, workers may finish them in any."""
    return Counter(recording.tests.get(node, ()))


def common_order(one: Recording, other: Recording) -> list[str]:
    return [node for node in one.order if node in other.tests]


def listed(values: Collection[object] | None) -> str:
    return "; ".join(map(str, values)) if values else "nothing"


def state(recording: Recording) -> str:
    return "finished" if recording.finished else f"broke off after {len(recording.order)} tests"
