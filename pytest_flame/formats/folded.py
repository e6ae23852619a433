"""Folded stacks: one line per stack, root first, ``frame;frame;frame cost``.

The format of stackcollapse-*.pl, flamegraph.pl, inferno and speedscope (https://github.com/brendangregg/FlameGraph#2-fold-stacks).
Frames are written as everywhere else, ``module:qualname``, kernel frames as ``kernel:symbol``, without the ``_[k]``
suffix that only chooses a colour. A frame without a qualified name, as foreign files have them, is its module alone.

Whatever would break a line is percent-escaped, byte by byte of its UTF-8: ``;``, ``%``, control characters, white
space other than a space, invisible direction marks, a ``:`` inside a module name, a space at either end of a name,
and a space before a number that ends a name (readers would take it for the first of two counts).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from pytest_flame.errors import FormatError
from pytest_flame.model import Frame, Stack, check_costs

_UNSAFE = re.compile(
    r"[;%]"
    r"|[^\S ]"  # white space other than a space, line separators included
    r"|[\x00-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"  # invisible or direction-changing
    r"|[\ud800-\udfff]"  # not encodable: they come from file names that are not UTF-8
)
_UNSAFE_SPACE = re.compile(r"^ | (?=\d*\.?\d*\Z)")
_ESCAPES = re.compile(r"(?:%[0-9A-F]{2})+")
_LINE = re.compile(r"(.*\S)[ \t]+([0-9]{1,40})", re.DOTALL)


def dumps(costs: Mapping[Stack, int]) -> str:
    """Write costs as folded text: sorted by frames, whole numbers, ``\\n`` line ends, no header.

    Equal costs give equal text. Raises ``IntegrityError`` for an empty stack or a cost that is not a whole
    number ≥ 0.
    """
    check_costs(costs)
    rows = sorted((tuple(encode_frame(frame) for frame in stack), cost) for stack, cost in costs.items())
    return "".join(f"{';'.join(names)} {cost:d}\n" for names, cost in rows)


def loads(text: str) -> dict[Stack, int]:
    """Read folded text; a stack on several lines is added up, blank lines are skipped, order does not matter.

    Raises ``FormatError`` with the number and text of the first line that does not end in a whole number.
    """
    costs: dict[Stack, int] = defaultdict(int)
    frames: dict[str, Frame] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormatError(
                f"line {number} is not a folded stack: {_shortened(line)!r}",
                why="a line is frames joined by ';', a space, and a whole number",
            )
        names, cost = match.groups()
        stack = []
        for name in names.split(";"):
            if name not in frames:
                frames[name] = decode_frame(name)
            stack.append(frames[name])
        costs[tuple(stack)] += int(cost)
    return dict(costs)


def encode_frame(frame: Frame) -> str:
    """The text of a frame between two ``;``; ``decode_frame`` gives back exactly the same frame."""
    module = _UNSAFE.sub(_escape, frame.module).replace(":", "%3A")
    qualname = _UNSAFE.sub(_escape, frame.qualname)
    name = f"{module}:{qualname}" if qualname or not module else module
    return _UNSAFE_SPACE.sub("%20", name)


def decode_frame(text: str) -> Frame:
    """Inverse of ``encode_frame``. Escapes that it would not have written are left as they are."""
    module, _, qualname = text.partition(":")
    return Frame(_ESCAPES.sub(_unescape, module), _ESCAPES.sub(_unescape, qualname))


def _escape(char: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in char[0].encode("utf-8", "surrogatepass"))


def _unescape(escapes: re.Match[str]) -> str:
    try:
        return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return escapes[0]


def _shortened(line: str) -> str:
    return line if len(line) <= 120 else f"{line[:80]}…{line[-30:]}"
