"""From an instruction's place in a function to its source line, and cost per source line.

The line table is the copy the sampler made while the function existed; the interpreter that wrote it decodes it
(``codeobject.co_lines``, PEP 626).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from types import CodeType
from typing import Final

from pytest_flame.model import Frame
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawSamples

_ANY: Final[CodeType] = compile("", "", "exec")


class LineTable:
    """One function's lines. Instructions without a line (clean-up code from the compiler) belong to the line before
    them, or to the function's first line if there is none."""

    def __init__(self, linetable: bytes, firstlineno: int) -> None:
        self._starts: list[int] = []
        self._lines: list[int] = []
        self._first = before = firstlineno
        for start, _, line in _ANY.replace(co_linetable=linetable, co_firstlineno=firstlineno).co_lines():
            before = line if line is not None else before
            self._starts.append(start)
            self._lines.append(before)

    def line(self, offset: int) -> int:
        """``offset`` in bytes from the function's first instruction."""
        at = bisect_right(self._starts, offset)
        return self._lines[at - 1] if at else self._first


def line_weights(raw: RawSamples, namer: FrameNamer) -> dict[Frame, dict[int, int]]:
    """Self CPU of each Python function by source line, nanoseconds, including that of the C code its lines call.
    Functions of the same name and file (a decorator's wrappers) share an entry."""
    found: dict[Frame, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for sampled in raw.lines:
        found[namer.frame(sampled.frame)][sampled.line] += sampled.weight_ns
    return {frame: dict(sorted(lines.items())) for frame, lines in found.items()}
