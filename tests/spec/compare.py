"""Says in words where an outcome is not what the case states, or not what real pytest's was."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter

from .bench import Outcome
from .modes import Mode
from .normalise import summary_part, terminal_counts, without_progress
from .parser import Case, Command, Options

#: More lines than this tell a reader nothing new.
LONGEST_DIFF = 80

ANYTHING = re.compile(r"(?<!\.)\.{3}(?!\.)")

#: The words of pytest's last line that reports account for.
TALLIED = ("passed", "failed", "skipped", "xfailed", "xpassed", "error", "deselected")


def unmet(case: Case, outcomes: list[Outcome]) -> list[str]:
    """What the case states and the outcomes do not show."""
    problems = []
    for command, outcome in zip(case.commands, outcomes, strict=True):
        found = [*unmet_counts(command, outcome), *unmet_lines(command, outcome)]
        if outcome.records is not None and case.options.tally:
            found += untallied(outcome)
        if found:
            problems.append(with_output(found, outcome))
    return problems


def unmet_counts(command: Command, outcome: Outcome) -> list[str]:
    problems = []
    if outcome.exit_code != command.exit_code:
        problems.append(f"exit code {outcome.exit_code}, stated is {command.exit_code}")
    counts = terminal_counts(outcome.stdout)
    if counts is None and outcome.records is not None:
        # Nothing was said in the terminal (-qq, a usage error): what the reports say.
        counts = tally(outcome.records)
    if counts is not None and counts != command.counts:
        problems.append(f"counts {in_words(counts)}, stated are {in_words(command.counts)}")
    return problems


def in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in counts.items()) or "(none)"


def unmet_lines(command: Command, outcome: Outcome) -> list[str]:
    """Stated lines come in the stated order, each within a line of the output."""
    output = outcome.stdout + outcome.stderr
    problems = []
    position = 0
    for text in command.expected:
        pattern = line_pattern(text)
        found = next((n for n in range(position, len(output)) if pattern.search(output[n])), None)
        if found is None:
            problems.append(f"no such line (or not in this order): {text}")
        else:
            position = found + 1
    for text in command.unexpected:
        pattern = line_pattern(text)
        problems += [f"a line that should not be: {line}" for line in output if pattern.search(line)]
    return problems


def line_pattern(text: str) -> re.Pattern[str]:
    """A text to be found within a line; `...` in it stands for anything, a longer row of dots for itself."""
    return re.compile(".*".join(re.escape(part) for part in ANYTHING.split(text)))


def untallied(outcome: Outcome) -> list[str]:
    """The last line and the reports are two accounts of one run."""
    said = terminal_counts(outcome.stdout)
    if said is None or "collected" in said:
        return []
    told = tally(outcome.records or [])
    return [
        f"the last line says {said.get(word, 0)} {word}, the reports say {told.get(word, 0)}"
        for word in TALLIED
        if said.get(word, 0) != told.get(word, 0)
    ]


def tally(records: list[dict]) -> dict[str, int]:
    """pytest's counts, from reports."""
    counts: Counter[str] = Counter()
    for record in records:
        if record["kind"] == "deselected":
            counts["deselected"] += len(record["nodeids"])
        elif record["kind"] == "collect" and record["outcome"] != "passed":
            counts["error" if record["outcome"] == "failed" else "skipped"] += 1
        elif record["kind"] == "test":
            counts[category(record)] += 1
    return {word: number for word, number in counts.items() if word and number}


def category(record: dict) -> str:
    """What pytest's terminal counts a report as; "" if it does not count it."""
    if record["wasxfail"] is not None and record["outcome"] != "failed":
        return {"skipped": "xfailed", "passed": "xpassed"}[record["outcome"]]
    if record["outcome"] == "failed":
        return "failed" if record["when"] == "call" else "error"
    if record["outcome"] == "skipped":
        return "skipped"
    if record["subtest"] is not None:
        return ""
    return "passed" if record["when"] == "call" else ""


def differences(case: Case, mode: Mode, oracle: list[Outcome], ours: list[Outcome]) -> list[str]:
    """Where the outcomes of a mode are not real pytest's."""
    problems = []
    for theirs, own in zip(oracle, ours, strict=True):
        found = [
            *exit_difference(theirs, own),
            *record_differences(theirs, own, case.options),
            *output_differences(theirs, own, case.options, mode),
            *file_differences(theirs, own),
        ]
        if found:
            problems.append("\n".join([f"$ {own.line}", *found, f"by hand: {own.shell}"]))
    return problems


def exit_difference(theirs: Outcome, own: Outcome) -> list[str]:
    if theirs.exit_code == own.exit_code:
        return []
    shown = "\n".join(own.stdout[-20:] + own.stderr[-20:])
    return [f"exit code {own.exit_code}, under pytest {theirs.exit_code}\n{shown}"]


def record_differences(theirs: Outcome, own: Outcome, options: Options) -> list[str]:
    """Reports: same tests, outcomes, texts, and (unless the case says otherwise) in the same order."""
    if theirs.records is None or own.records is None:
        return []
    before = [record_line(record, options) for record in theirs.records]
    after = [record_line(record, options) for record in own.records]
    if not options.order:
        before, after = sorted(before), sorted(after)
    return diff("reports", before, after)


def record_line(record: dict, options: Options) -> str:
    hidden = () if options.compare_longrepr else ("text",)
    hidden += () if options.compare_sections else ("sections",)
    kept = {key: value for key, value in record.items() if key not in hidden and value not in (None, "", [])}
    return json.dumps(kept, ensure_ascii=False)


def output_differences(theirs: Outcome, own: Outcome, options: Options, mode: Mode) -> list[str]:
    if options.compare_output is False:
        return []
    before, after = theirs.stdout, own.stdout
    if options.compare_output == "summary" or (options.shown_at_once and not mode.serial):
        before, after = summary_part(without_progress(before)), summary_part(without_progress(after))
    if not options.order:
        before, after = sorted(before), sorted(after)
    return diff("stdout", before, after) + diff("stderr", theirs.stderr, own.stderr)


def file_differences(theirs: Outcome, own: Outcome) -> list[str]:
    problems = []
    for name, before in theirs.files.items():
        after = own.files[name]
        problems += diff(f"file {name}", before or ["(no such file)"], after or ["(no such file)"])
    return problems


def diff(what: str, before: list[str], after: list[str]) -> list[str]:
    """One text that shows the differences, or none."""
    if before == after:
        return []
    lines = list(difflib.unified_diff(before, after, f"{what} under pytest", f"{what} under dx-py", lineterm="", n=2))
    if len(lines) > LONGEST_DIFF:
        lines = [*lines[:LONGEST_DIFF], f"... {len(lines) - LONGEST_DIFF} more lines"]
    return ["\n".join(lines)]


def with_output(found: list[str], outcome: Outcome) -> str:
    """All that is wrong with one outcome, and what it printed."""
    said = "\n".join(found)
    output = "\n".join(f"  | {line}" for line in outcome.stdout + outcome.stderr)
    return f"$ {outcome.line}\n{said}\n{output}\nby hand: {outcome.shell}"
