"""Lines with separate markup: the writer decides about colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TextIO

Markup = Mapping[str, bool]

PLAIN: Final[Markup] = {}
_CODES: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Line(NamedTuple):
    """One line and pytest's markup for it: ``terminalreporter.write_line(line.text, **line.markup)``."""

    text: str
    markup: Markup = PLAIN


def paint(lines: Iterable[Line], *, colour: bool) -> str:
    """The lines, each ended, with SGR sequences (ECMA-48) where ``colour`` is wanted."""
    return "".join(f"{_painted(line) if colour else line.text}\n" for line in lines)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether ``stream`` is a terminal with colours and the user has not refused them (no-color.org)."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def _painted(line: Line) -> str:
    codes = ";".join(_CODES[name] for name, on in line.markup.items() if on)
    return f"\x1b[{codes}m{line.text}\x1b[0m" if codes and line.text else line.text
