"""Frames that name a thread or a process by its number, as profilers put them below the functions: they differ from
run to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

_QUOTED: Final = re.compile(r'process \d+:"')
"""py-spy writes a command line as it is, with whatever ``;`` and ``"`` are in it."""
_QUOTED_END: Final = re.compile(r'"(?=;process \d+:"|;thread \()')
_NUMBERED: Final = re.compile(
    r'process \d+:".*"|process \d+|thread \((?:0x)?[0-9a-fA-F]+\).*'  # py-spy
    r'|(?:Process \d+ )?Thread (?:0x)?[0-9a-fA-F]+ ".*"'
    r"|tid:\d+"  # Tachyon
    r"|\[.* tid=\d+\]",  # async-profiler
    re.DOTALL,
)
_FIRST: Final = frozenset("ptPT[")
_AUSTIN: Final = re.compile(r"P\d+;T(?:0x)?(?=[a-fA-F]*\d)[0-9a-fA-F]+(?::\d+)?")
_AUSTIN_LINE: Final = re.compile(rf"{_AUSTIN.pattern}(?=[; ])")
_AUSTIN_SURE: Final = re.compile(r"P\d+;T(?:0x)?[0-9a-fA-F]+:\d+")
_COMMAND: Final = re.compile(r"(?P<name>.+)-(?:\?|\d+)(?:/\d+)?", re.DOTALL)  # stackcollapse-perf.pl --pid, --tid


def split(stack: str) -> list[str]:
    """The labels of a line's stack: what stands between two ``;``, where these are no part of a command line."""
    if not stack.startswith("process ") or not _QUOTED.match(stack):
        return stack.split(";")
    labels: list[str] = []
    while _QUOTED.match(stack):
        end = _end(stack) or len(stack)
        labels.append(stack[:end])
        stack = stack[end + 1 :]
    return labels + stack.split(";") if stack else labels


def _end(stack: str) -> int:
    """Where the command line ends that a stack begins with; 0 where it does not."""
    start = len(_QUOTED.match(stack)[0])  # type: ignore[index]
    sure = _QUOTED_END.search(stack, start)
    if sure:
        return sure.end()
    end = stack.find('";', start) + 1
    return end or (len(stack) if stack.endswith('"') and len(stack) > start else 0)


def has_command_lines(head: str) -> bool:
    """Whether a file, of which this is the beginning, holds command lines, which may have several lines."""
    return _QUOTED.search(head) is not None


def is_open(line: str) -> bool:
    """Whether a command line in it has not ended: the rest of it is in the next line of the file."""
    while _QUOTED.match(line):
        end = _end(line)
        if not end:
            return not re.search(r'"[ \t]+[0-9.]+\s*\Z', line)
        line = line[end + 1 :]
    return False


def is_austin(lines: Iterable[str]) -> bool:
    """Whether the first lines of a file are Austin's, whose names for processes and threads are short: ``P12;T7f3a``.
    Functions may be called so, too, and then some line begins otherwise."""
    found = False
    for line in lines:
        if line.startswith("#"):
            if line.startswith("# austin"):
                return True
        elif line.strip():
            if not _AUSTIN_LINE.match(line):
                return False
            found = True
    return found


def numbered(label: str) -> bool:
    """Whether a label can be nothing but a thread's or a process's."""
    return label[:1] in _FIRST and _NUMBERED.fullmatch(label) is not None


def without_numbered(labels: Sequence[str], *, austin: bool) -> list[str]:
    """Without frames that name threads and processes, at any depth, and without the numbers behind a command's name."""
    start = ";".join(labels[:2])
    named = _AUSTIN if austin else _AUSTIN_SURE
    rest = labels[2:] if named.fullmatch(start) else labels
    kept = [label for label in rest if not numbered(label)]
    if len(kept) == len(labels) and kept and (match := _COMMAND.fullmatch(kept[0])):
        kept[0] = match["name"]
    return kept
