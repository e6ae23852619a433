"""Makes names safe to show and cuts them to fit.

Test ids and frame names are untrusted and may contain anything, so nothing reaches a page, a picture or a terminal
without ``printable``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pytest_flame.model import Frame

ELLIPSIS: Final = "…"
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)
_MARKS: Final = frozenset(("Mn", "Me"))
_WIDE: Final = frozenset("WF")
_SHORTEST_CUT: Final = 4


def printable(text: str) -> str:
    """One line without control, direction-changing or XML-illegal characters; C0 controls become their visible symbols
    (␛)."""
    return _UNPRINTABLE.sub(_picture, text)


def printable_lines(text: str) -> list[str]:
    """The lines of a longer text, each printable; tabs become spaces."""
    return [printable(line) for line in text.expandtabs(8).splitlines()]


def printable_text(text: str) -> str:
    """A longer text, each line printable."""
    return "\n".join(printable_lines(text))


def cells(text: str) -> int:
    """Columns the text takes in a monospaced font: wide East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def frame_name(frame: Frame) -> str:
    """``module:qualname``, printable."""
    return printable(frame.name if frame.qualname else frame.module)


def fit_tail(text: str, room: int) -> str:
    """The end of ``text`` in at most ``room`` columns, with an ellipsis if it was cut."""
    if cells(text) <= room:
        return text
    if room < _SHORTEST_CUT:
        return ""
    kept, used = [], cells(ELLIPSIS)
    for character in reversed(text):
        used += _cell(character)
        if used > room:
            break
        kept.append(character)
    return ELLIPSIS + "".join(reversed(kept))


def fit_start(text: str, room: int) -> str:
    """The beginning of ``text`` in at most ``room`` columns, with an ellipsis if it was cut."""
    if cells(text) <= room:
        return text
    kept, used = [], cells(ELLIPSIS)
    for character in text:
        used += _cell(character)
        if used > room:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS


def _cell(character: str) -> int:
    if unicodedata.category(character) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"
