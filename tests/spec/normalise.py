"""Takes out of terminal output and messages what may differ between two runs of the same tests."""

from __future__ import annotations

import re

#: A word with a place in it. It has to start where a word starts, or long lines would take for ever.
INTERNAL = r"(?<![^\s\"'])[^\s\"']*\b(?:_pytest|pluggy|dx_py_test_runner)/[\w/.-]+\.py:\d+"

INTERNAL_FRAME = re.compile(
    r"^(?P<margin>(?:INTERNALERROR>)?[\s|+]*)"
    r'File "(?:[^"]*\b(?:_pytest|pluggy|dx_py_test_runner)/[^"]*|<PYTHON>/bin/[\w-]+)", line \d+'
)

INTERNAL_ENTRY = re.compile(r"^<INTERNAL>:(?: \w+)?$")
ENTRY_SEPARATOR = re.compile(r"^_ _ [_ ]+$")
#: A heading, the place that ends an entry (`file.py:3: ValueError`), and the words between chained exceptions.
ENTRY_EDGE = re.compile(
    r"^(?:___ .* ___|--- .* ---|=== .* ===|(?:[^\s>].*\.py:\d+|<INTERNAL>):(?: \w+)?"
    r"|During handling of the above exception.*|The above exception was the direct cause.*)$"
)

COLOUR = r"(?:\x1b\[[\d;]*m)"

#: Applied to each line, in this order.
RULES = [
    # The plugin's temporary folders: parallel workers have one each below the run's.
    (re.compile(r"/popen-gw\d+(?=/)"), ""),
    (re.compile(r"0x(?:[0-9a-fA-F]{6,}|[0-9a-fA-F]*(?=\.\.\.))"), "0x<ADDRESS>"),
    # Shortened in the middle, an address is what follows the dots.
    (re.compile(r"(?<=\.\.\.)[0-9a-f]{6,}(?=>)"), "<ADDRESS>"),
    (re.compile(r"\bin \d+\.\d+s(?: \(\d+:\d\d:\d\d\))?"), "in <TIME>"),
    (re.compile(r"^\d+\.\d\ds (?=(?:setup|call|teardown) )"), "<TIME> "),
    (re.compile(r"cache from \d+:\d\d:\d\d ago"), "cache from <TIME> ago"),
    (re.compile(r'\b(time|timestamp|hostname)="[^"]*"'), r'\1="<\1>"'),
    # Both sides have internals of their own; which line of them spoke is no behaviour.
    (re.compile(INTERNAL), "<INTERNAL>"),
    (re.compile(r"usage: (?:dx-py test|dx-py|pytest)(?= )"), "usage: <PROGRAM>"),
    # A separator is as long as the terminal has room for, and times have more or fewer digits.
    (re.compile(rf"^({COLOUR}*)([=_!-])\2{{2,}}(?= |{COLOUR}|$)"), r"\1\2\2\2"),
    (re.compile(rf"(?<= )({COLOUR}*)([=_!-])\2{{2,}}(?={COLOUR}*$)"), r"\1\2\2\2"),
]

#: Lines that only one side has, for good reasons: which plugins are installed, which worker ran a test,
#: and what dx-py says about itself.
DROPPED = re.compile(r"^(plugins: |\[gw\d+\] \w+ -- Python |dx-py: )")

WORKER_FAILED = re.compile(r"^(?:INTERNALERROR> )?RuntimeError: worker \d+ failed:$")

SUMMARY = re.compile(
    r"^=== (ERRORS|FAILURES|XFAILURES|PASSES|XPASSES|warnings summary.*|short test summary info"
    r"|slowest .*durations|.* in <TIME>|no tests ran.*) ===$"
)
LAST_LINE = re.compile(r"^(?:=== )?(?P<text>(?:no tests|\d+(?:/\d+)?) [a-z].*) in <TIME>(?: ===)?$")
COLLECTED = re.compile(r"^tests? collected(?: \((?P<deselected>\d+) deselected\))?$")


def normalise(text: str, folders: dict[str, str]) -> list[str]:
    """The comparable lines of `text`; `folders` maps paths of this run to the words that stand for them."""
    for path in sorted(folders, key=len, reverse=True):
        text = text.replace(path, folders[path])
    lines = [normalise_line(line) for line in text.splitlines()]
    lines = [line for line in lines if not DROPPED.match(line)]
    for drop in (without_worker, without_internal_source, without_internal_frames, without_internal_entries):
        lines = drop(lines)
    return lines


def without_worker(lines: list[str]) -> list[str]:
    """Drop that it was a worker in which an internal error arose: the words, and the traceback of its run in front of its own."""
    return [line for line, before in zip(lines, ["", *lines]) if not any(map(WORKER_FAILED.match, (line, before)))]


def without_internal_entries(lines: list[str]) -> list[str]:
    """Drop the runner's own functions from long tracebacks, but for what was raised in one of them (`E `).

    An entry is what stands between a heading, or the place that ends the entry before, and its own place."""
    kept: list[str] = []
    start = 0
    for line in lines:
        if INTERNAL_ENTRY.match(line):
            # They are indented as the runner's own source is.
            kept[start:] = [re.sub(r"^E +", "E ", text) for text in kept[start:] if text.startswith("E ")]
        elif not ENTRY_SEPARATOR.match(line) and (line or not kept or kept[-1]):
            kept.append(line)
        if ENTRY_EDGE.match(line):
            start = len(kept)
    return kept


def normalise_file(text: str, folders: dict[str, str]) -> list[str]:
    """The comparable lines of a file that a run wrote. XML is one long line; its elements get one each."""
    return normalise(text.replace("><", ">\n<"), folders)


def normalise_line(line: str) -> str:
    line = re.sub(r"\boldfd=\d+", "oldfd=<FD>", line.rstrip())
    for pattern, replacement in RULES:
        line = pattern.sub(replacement, line)
    return line


def without_internal_source(lines: list[str]) -> list[str]:
    """Drop the runner's own lines of source: below a warning that it gave, and in short tracebacks."""
    kept: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("<INTERNAL>: in "):
            inside = True
        elif line.startswith("  <INTERNAL>: "):
            inside = True
            kept.append(line)
        elif not (inside and line.startswith("    ")):
            inside = False
            kept.append(line)
    return kept


def without_internal_frames(lines: list[str]) -> list[str]:
    """Drop the runner's own frames from tracebacks in Python's style: of exception groups and internal errors."""
    kept: list[str] = []
    margin = None
    for line in lines:
        frame = INTERNAL_FRAME.match(line)
        if frame:
            margin = frame["margin"] + "  "
        elif margin is None or not line.startswith(margin):
            margin = None
            kept.append(line)
    return kept


def without_progress(lines: list[str]) -> list[str]:
    """Lines without the percentage at their end."""
    return [re.sub(r"\s+\[ *\d+%\]$", "", line) for line in lines]


def plain(line: str) -> str:
    """A line without colours."""
    return re.sub(COLOUR, "", line)


def summary_part(lines: list[str]) -> list[str]:
    """What is printed after the last test: failures, errors, warnings, short summary, counts."""
    for number, line in enumerate(lines):
        if SUMMARY.match(plain(line)) or LAST_LINE.match(plain(line)):
            return lines[number:]
    return lines


def terminal_counts(lines: list[str]) -> dict[str, int] | None:
    """The counts of pytest's last line; None where there is no such line."""
    for line in reversed(lines):
        found = LAST_LINE.match(plain(line))
        if found:
            return read_last_line(found["text"])
    return None


def read_last_line(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in text.split(", "):
        number, _, words = part.partition(" ")
        collected = COLLECTED.match(words)
        if collected:
            counts["collected"] = 0 if number == "no" else int(number.partition("/")[0])
            if collected["deselected"]:
                counts["deselected"] = int(collected["deselected"])
        elif number.isdigit():
            counts[{"errors": "error", "warnings": "warning"}.get(words, words)] = int(number)
    return counts
