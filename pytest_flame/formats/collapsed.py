"""Folded stacks of any tool: ``frame;frame;frame count``, one line per stack, root first.

Written by: the ``stackcollapse-*.pl`` scripts of FlameGraph, ``inferno-collapse-*``, py-spy (``--format raw``),
Austin, CPython's ``profiling.sampling --collapsed``, async-profiler, pytest-flame itself. The count follows the last
white space (names may contain spaces and end in digits) and may have decimals. The form with two counts, as of
``difffolded.pl``, can't be distinguished from a name that ends in a number, so it has to be requested.
``formats.folded`` is the strict reader and writer of pytest-flame's own files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_flame.errors import FormatError
from pytest_flame.formats.content import Content
from pytest_flame.formats.counts import NUMBER, Tally
from pytest_flame.formats.folded import encode_frame
from pytest_flame.formats.format import Format
from pytest_flame.formats.labels import UNNAMED, Namer, Naming, decoded
from pytest_flame.formats.roots import has_command_lines, is_austin, is_open, split
from pytest_flame.model import Frame, Profile, Stack

_ONE: Final = re.compile(rf"(.*\S|)[ \t]+({NUMBER})", re.DOTALL)
_TWO: Final = re.compile(rf"(.*\S|)[ \t]+({NUMBER})[ \t]+({NUMBER})", re.DOTALL)
_COMMENT: Final = re.compile(r"#(?:[\s!].*)?", re.DOTALL)
_BLANK: Final = " \t\r\f\v"
_SHOWN: Final = 100
_HEAD: Final = 1000
"""Number of lines that show which tool wrote the file."""


def read(content: Content, naming: Naming) -> Profile:
    """One profile. A stack on several lines is summed; blank lines and comments (``#`` and white space) are ignored.

    Raises ``FormatError`` with the line and what was expected.
    """
    return _read(content, naming, 1)[0]


def read_pair(content: Content, naming: Naming) -> tuple[Profile, Profile]:
    """The form with two counts, before and after, at the end of each line. Raises as ``read`` does."""
    before, after = _read(content, naming, 2)
    return before, after


def maybe_pairs(profile: Profile) -> bool:
    """Whether every line of a file that was read with one count would also read as the form with two."""
    ends = [stack[-1].name for stack in profile.costs]
    return len(ends) > 1 and all(_ONE.fullmatch(end) for end in ends)


def is_one(line: str) -> bool:
    """Whether a line is a stack and its count."""
    return _ONE.fullmatch(line.rstrip(_BLANK)) is not None


def dumps(columns: Sequence[Mapping[Stack, int]], per: int) -> str:
    """Write profiles, one count per line for each: the form with one count or, for before and after, with two.

    ``per`` is the cost of one count, a power of ten; counts have the decimals that they need. Sorted, with names
    escaped as in ``formats.folded``, except the colon of frames without a module and percent signs that read back
    unchanged.
    """
    stacks = {stack for column in columns for stack in column}
    rows = sorted((_line_start(stack), stack) for stack in stacks)
    return "".join(f"{text} {' '.join(_count(c.get(stack, 0), per) for c in columns)}\n" for text, stack in rows)


def _line_start(stack: Stack) -> str:
    text = ";".join(map(_label, stack))
    return f"%23{text[1:]}" if _is_comment(f"{text} ") else text


def _label(frame: Frame) -> str:
    label = encode_frame(frame)
    # A percent sign is kept if it reads back as the same frame.
    plain = label.replace("%25", "%")
    if plain != label and decoded(plain) == frame:
        label = plain
    return label.removeprefix(":") or UNNAMED.qualname if not frame.module else label


def _count(cost: int, per: int) -> str:
    whole, rest = divmod(cost, per)
    decimals = f"{rest:0{len(str(per)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{decimals}" if decimals else f"{whole}"


def _read(content: Content, naming: Naming, columns: int) -> list[Profile]:
    pattern = _ONE if columns == 1 else _TWO
    namer = Namer(naming, austin=is_austin(content.text_head.split("\n")[:_HEAD]))
    tally = Tally(content.name, content.bounds, columns)
    batches = _whole_lines(content) if has_command_lines(content.text_head) else content.batches()
    for first, lines in batches:
        frames = 0
        distinct = Counter(lines)
        for written, times in distinct.items():
            # A count after only a space is that of a thread without frames: py-spy writes such lines.
            line = written.rstrip(_BLANK)
            if not line or _is_comment(line):
                continue
            match = pattern.fullmatch(line)
            if match is None:
                raise _refused(content.name, first + lines.index(written), line, columns)
            stack = namer.stack(split(match[1].lstrip(_BLANK)))
            for column in range(columns):
                tally.add(stack, match[column + 2], column, times)
            frames += len(stack)
        tally.check(namer.held, len(distinct), frames)
    if not tally.columns[0]:
        raise FormatError(
            f"{content.name} contains no stacks",
            why="it has only blank lines and comments" if content.head.strip() else "it is empty",
            fix="check the profiler's output: it may have taken no samples, or written to a different file",
        )
    return [tally.profile(namer, column=column) for column in range(columns)]


def _whole_lines(content: Content) -> Iterator[tuple[int, list[str]]]:
    """Joins the lines of a quoted command line that has several."""
    begun, number = "", 0
    for at, line in content.lines():
        begun, number = (f"{begun}\n{line}", number) if begun else (line, at)
        if is_open(begun) and len(begun) < content.bounds.line:
            continue
        yield number, [begun]
        begun = ""
    if begun:
        yield number, [begun]


def _is_comment(line: str) -> bool:
    start = line.lstrip(_BLANK)
    return start[:1] == "#" and _COMMENT.fullmatch(start) is not None


# --- errors ---------------------------------------------------------------------------------------------------

_LINE: Final = {
    1: "a line is frames joined by ';', white space, and a count: main;parse;next 42",
    2: "a line is frames joined by ';' and two counts, before and after: main;parse;next 42 57",
}


def _refused(name: str, number: int, line: str, columns: int) -> FormatError:
    end = line.split()[-1] if line.split() else line
    fix = ""
    if columns == 2 and _ONE.fullmatch(line):
        problem = "has one count, but two were requested"
        fix = "compare two files with one count per line: flame diff BEFORE AFTER"
    elif re.fullmatch(NUMBER, line):
        problem = "has a count but no stack"
    elif re.fullmatch(rf"-{NUMBER}", end):
        problem = f"has a negative count, {end}"
        fix = "if it is a difference, compare the two original profiles: flame diff BEFORE AFTER"
    elif re.fullmatch(r"[0-9.,'_]*[0-9][0-9.,'_eE+-]*", end[:_SHOWN]):
        problem = f"ends in {_shortened(end)}, which is not a whole or decimal number"
        fix = "write counts as 1200 or 0.5: no separators, at most 30 digits before and 40 after the point"
    else:
        problem = "does not end in a count"
        fix = "write folded stacks or a speedscope file with the tool that made it; if it did, the file is incomplete"
    return FormatError(f"{name}, line {number} {problem}: {_shortened(line)!r}", why=_LINE[columns], fix=fix)


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN * 2 // 3]}…{line[-_SHOWN // 3 :]}"


FORMAT: Final = Format(
    name="folded",
    suffixes=(".folded", ".collapsed", ".txt"),
    recognises=lambda beginning: beginning.document is None,
    read=lambda content, how, beginning: read(content, how.naming),
    write=lambda written: dumps([profile.costs for profile in written.profiles], written.metric.scale),
)
