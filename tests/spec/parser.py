"""Reads spec/*.md into cases. The format is described in spec/README.md."""

from __future__ import annotations

import dataclasses
import re
import shlex
import tomllib
from pathlib import Path

FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})\s*(?P<info>.*?)\s*$")
HEADING = re.compile(r"^(?P<level>#{1,6})\s+(?P<text>.+?)\s*#*$")
ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
EXIT = re.compile(r"^exit (?P<code>\d+)(?::\s*(?P<counts>.+))?$")
COUNT = re.compile(r"^(?P<number>\d+) (?P<word>[a-z][a-z ]*)$")
NUMBER = re.compile(r"^\d+(\.\d+)*$")

#: Words of pytest's last line that have a plural.
SINGULAR = {"errors": "error", "warnings": "warning"}


class SpecError(Exception):
    """A spec file that does not follow the format; the message starts with file:line."""


@dataclasses.dataclass(frozen=True)
class WriteFile:
    """Write one project file (before the first command, or between two)."""

    path: str
    text: str


@dataclasses.dataclass(frozen=True)
class RemoveFile:
    """Remove a project file or folder: `$ rm PATH`."""

    path: str


@dataclasses.dataclass(frozen=True)
class ChangeFolder:
    """Run the commands that follow in this folder of the project: `$ cd PATH`."""

    path: str


@dataclasses.dataclass(frozen=True)
class Command:
    """Run pytest once, and what must come of it."""

    line: str
    arguments: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    exit_code: int
    counts: dict[str, int]
    expected: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.line)


Step = WriteFile | RemoveFile | ChangeFolder | Command


@dataclasses.dataclass(frozen=True)
class Options:
    """What a case may say of itself in its toml block; each name with "-" for "_"."""

    modes: tuple[str, ...] = ()
    order: bool = True
    compare_output: bool | str = True
    shown_at_once: bool = False
    compare_longrepr: bool = True
    compare_sections: bool = True
    compare_files: tuple[str, ...] = ()
    tally: bool = True
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    stdin: str | None = None
    requires: tuple[str, ...] = ()
    optional: bool = False
    min_pytest: str | None = None
    max_pytest: str | None = None
    min_python: str | None = None


@dataclasses.dataclass(frozen=True)
class Case:
    id: str
    title: str
    source: str
    line: int
    options: Options
    steps: tuple[Step, ...]

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def commands(self) -> list[Command]:
        return [step for step in self.steps if isinstance(step, Command)]


@dataclasses.dataclass
class Block:
    """A fenced block; `line` is the number of its opening fence."""

    info: str
    line: int
    lines: list[str]


@dataclasses.dataclass
class Section:
    """A `##` heading and the blocks below it."""

    title: str
    line: int
    blocks: list[Block]


def read_cases(folder: Path) -> list[Case]:
    """All cases of a folder, by file name and then in the order they are written."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.md")):
        if path.name != "README.md":
            cases += parse(path.read_text("utf-8"), path.name)
    return cases


def parse(text: str, source: str) -> list[Case]:
    """The cases of one spec file."""
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for section in split_sections(text, source):
        case = read_case(section, source)
        if case.id in seen:
            first = seen[case.id]
            raise problem(source, section.line, f"a second case named {case.id!r}, the first is on line {first}")
        seen[case.id] = section.line
        cases.append(case)
    if not cases:
        raise problem(source, 1, "no case: a case is a '##' heading with a console block below it")
    return cases


def problem(source: str, line: int, message: str) -> SpecError:
    return SpecError(f"{source}:{line}: {message}")


def split_sections(text: str, source: str) -> list[Section]:
    """Headings and blocks. Prose is for people and is passed over."""
    sections: list[Section] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        heading, fence = HEADING.match(lines[number]), FENCE.match(lines[number])
        if heading and len(heading["level"]) == 2:
            sections.append(Section(heading["text"], number + 1, []))
        elif fence:
            block = read_block(lines, number, fence, source)
            if not sections:
                raise problem(source, number + 1, "a block before the first '##' heading belongs to no case")
            sections[-1].blocks.append(block)
            number += len(block.lines) + 1
        number += 1
    return sections


def read_block(lines: list[str], start: int, fence: re.Match[str], source: str) -> Block:
    """The block opened on line `start`, up to a fence of the same kind that is at least as long."""
    closing = re.compile(rf"^{re.escape(fence['fence'][0])}{{{len(fence['fence'])},}}\s*$")
    for number in range(start + 1, len(lines)):
        if closing.match(lines[number]):
            return Block(fence["info"], start + 1, lines[start + 1 : number])
    raise problem(source, start + 1, "a block that is never closed")


def read_case(section: Section, source: str) -> Case:
    options = Options()
    steps: list[Step] = []
    for block in section.blocks:
        language, *paths = block.info.split() or [""]
        if language == "console":
            steps += read_console(block, source)
        elif language == "toml" and not paths:
            if steps or options != Options():
                raise problem(source, block.line, "the options must come first, and once")
            options = read_options(block, source)
        else:
            steps += read_files(block, paths, source)
    if not any(isinstance(step, Command) for step in steps):
        raise problem(source, section.line, f"case {section.title!r} runs nothing: it has no console block")
    name = f"{Path(source).stem}/{slug(section.title)}"
    return Case(name, section.title, source, section.line, options, tuple(steps))


def slug(title: str) -> str:
    """A heading as it stands in a test id: words joined by "-"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def read_files(block: Block, paths: list[str], source: str) -> list[WriteFile]:
    if not paths:
        raise problem(source, block.line, "a block needs a file name after its language")
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            raise problem(source, block.line, f"file {path!r} is outside the project")
    text = "".join(f"{line}\n" for line in block.lines)
    return [WriteFile(path, text) for path in paths]


def read_options(block: Block, source: str) -> Options:
    try:
        table = tomllib.loads("\n".join(block.lines))
    except tomllib.TOMLDecodeError as error:
        raise problem(source, block.line, f"options are not toml: {error}") from None
    known = {field.name.replace("_", "-"): field for field in dataclasses.fields(Options)}
    values = {}
    for key, value in table.items():
        if key not in known:
            raise problem(source, block.line, f"unknown option {key!r}; known: {', '.join(sorted(known))}")
        values[known[key].name] = checked(key, value, block, source)
    return Options(**values)


def checked(key: str, value: object, block: Block, source: str) -> object:
    """An option's value with the type that Options wants."""
    lists = ("modes", "compare-files", "requires")
    if key in lists:
        value = [value] if isinstance(value, str) else value
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        value = tuple(value) if good else value
    elif key in ("order", "compare-longrepr", "compare-sections", "optional", "shown-at-once", "tally"):
        good = isinstance(value, bool)
    elif key == "compare-output":
        good = isinstance(value, bool) or value == "summary"
    elif key == "env":
        good = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    elif key in ("min-pytest", "max-pytest", "min-python"):
        good = isinstance(value, str) and bool(NUMBER.match(value))
    else:
        good = isinstance(value, str)
    if not good:
        raise problem(source, block.line, f"option {key!r} cannot be {value!r}")
    return value


def read_console(block: Block, source: str) -> list[Step]:
    """The commands of a console block, each with the lines that follow it."""
    steps: list[Step] = []
    starts = [number for number, line in enumerate(block.lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise problem(source, block.line, "a console block starts with a line '$ pytest ...'")
    for start, end in zip(starts, [*starts[1:], len(block.lines)]):
        steps += read_command(block.lines[start:end], block.line + 1 + start, source)
    return steps


def read_command(lines: list[str], line: int, source: str) -> list[Step]:
    text = lines[0][2:].strip()
    words = shlex.split(text)
    env = []
    while words and ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        env.append((name, value))
    if words[:1] == ["pytest"]:
        return [read_run(text, words[1:], env, lines[1:], line, source)]
    if words[:1] == ["rm"] and len(words) > 1 and not lines[1:]:
        return [RemoveFile(path) for path in words[1:]]
    if words[:1] == ["cd"] and len(words) == 2 and not lines[1:]:
        return [ChangeFolder(words[1])]
    raise problem(source, line, f"cannot run {text!r}: a command is 'pytest ...', 'rm PATH...' or 'cd PATH'")


def read_run(
    text: str, arguments: list[str], env: list[tuple[str, str]], below: list[str], line: int, source: str
) -> Command:
    status = EXIT.match(below[0]) if below else None
    if status is None:
        raise problem(source, line, "a pytest command is followed by 'exit CODE' or 'exit CODE: COUNTS'")
    counts = read_counts(status["counts"] or "", line + 1, source)
    rest = [text for text in below[1:] if text.strip()]
    return Command(
        text,
        tuple(arguments),
        tuple(env),
        int(status["code"]),
        counts,
        tuple(text for text in rest if not text.startswith("! ")),
        tuple(text[2:] for text in rest if text.startswith("! ")),
    )


def read_counts(text: str, line: int, source: str) -> dict[str, int]:
    """`2 passed, 1 failed` as numbers by word."""
    counts: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        count = COUNT.match(part)
        if count is None:
            raise problem(source, line, f"cannot read the count {part!r}")
        counts[SINGULAR.get(count["word"], count["word"])] = int(count["number"])
    return counts
