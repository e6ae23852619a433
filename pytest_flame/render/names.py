"""Names of functions cut to fit a box or a line, so that the function itself survives.

First the arguments go (``f(int, char const*)`` → ``f(…)``), then the template parameters
(``std::vector<…>::push_back``), then the left end (``…:Tokenizer.next``, ``…next``). ``templates/core/names.js`` does
the same; ``tests/shared_cases.json`` holds both to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from pytest_flame.model import Frame
from pytest_flame.render.text import ELLIPSIS, cells, fit_tail, frame_name, printable

_LONGEST: Final = 2_000
"""Characters of a name that is looked into; longer ones are cut like any text."""
_MOST_CUTS: Final = 32
"""Of a name with more parts only the last ones are tried: no box is as wide as the others."""
_CLOSERS: Final = {")": "(", ">": "<", "}": "{", "]": "["}
_OPENERS: Final = frozenset(_CLOSERS.values())
_TOKEN: Final = re.compile(
    # Brackets and slashes that are an operator's name, and the arrow, neither open nor part anything.
    r"\boperator(?:<=>|<<=|>>=|->\*|<<|>>|<=|>=|->|<|>|\(\)|\[\]|/=?| )|->"
    # A blank parts a return type from what it is of, but not a name from its qualifiers.
    r"|[()<>{}\[\]]|::|[./]| (?![\[(&]|const\b|volatile\b)",
    re.ASCII,
)
_SEPARATORS: Final = frozenset(("::", ".", "/", " "))


@dataclass(frozen=True, slots=True)
class Forms:
    """Ways to write one name, each shorter than the one before."""

    complete: tuple[str, ...]
    """With all of the qualified name but arguments and template parameters; the first is the whole name."""
    cut: tuple[str, ...]
    """Without more and more of its left end; the last is the bare function."""


def fit(frame: Frame, room: int) -> str:
    """The frame's name in at most ``room`` columns; the end of the bare function where nothing more fits.

    Empty where less than a readable piece would be left.
    """
    if cells(name := frame_name(frame)) <= room:
        return name
    of = forms(frame)
    return _first((*of.complete, *of.cut), room) or fit_tail(of.cut[-1], room)


def fit_complete(frame: Frame, room: int) -> str:
    """As ``fit``, and empty where the qualified name would have to be cut."""
    return _first(forms(frame).complete, room)


def _first(texts: tuple[str, ...], room: int) -> str:
    return next((text for text in texts if cells(text) <= room), "")


@lru_cache(maxsize=4096)
def forms(frame: Frame) -> Forms:
    """Every way the frame's name may be written."""
    name, own = frame_name(frame), printable(frame.qualname or frame.module)
    module = name[: len(name) - len(own)]
    if len(own) > _LONGEST:
        return Forms((name,), (own,))
    plain = _elided(own, "(")
    short = _elided(plain, "<")
    complete = [name, module + plain, module + short, *([f"{ELLIPSIS}:{short}"] if module else [])]
    starts, groups = _parts(short)
    cut = [ELLIPSIS + short[start:] for start in starts[1:][-_MOST_CUTS:]]
    last = starts[-1]
    bare = short[last : next((group.start for group in groups if group.start > last and group.is_list), None)]
    if bare != short[last:] and (module or last):
        cut.append(ELLIPSIS + bare)
    return Forms(tuple(dict.fromkeys(complete)), tuple(dict.fromkeys((*cut, bare))))


class _Group(NamedTuple):
    """What stands between outermost brackets, with them."""

    start: int
    end: int
    opener: str
    is_list: bool
    """Arguments or parameters of what stands before it; not a name in brackets, ``<locals>``."""
    closed: bool


def _elided(own: str, opener: str) -> str:
    """The name with ``…`` for what stands in its lists of arguments, or of template parameters."""
    for group in reversed(_parts(own)[1]):
        # ``<T as Trait>::f`` is Rust's name of an implementation.
        is_list = group.is_list or (opener == "<" and own.startswith("::", group.end))
        if group.opener == opener and is_list and group.end - group.start > 2:
            own = own[: group.start + 1] + ELLIPSIS + own[group.end - group.closed :]
    return own


def _parts(own: str) -> tuple[list[int], list[_Group]]:
    """Where the parts of a qualified name start, and the outermost brackets in them."""
    starts, groups = [0], []
    open_: list[str] = []
    begin = 0
    for match in _TOKEN.finditer(own):
        token = match.group()
        if token in _OPENERS:
            if not open_:
                begin = match.start()
            open_.append(token)
        elif opener := _CLOSERS.get(token):
            # Between other brackets ``>`` compares.
            if opener not in (open_[-1:] if token == ">" else open_):
                continue
            while open_.pop() != opener:
                pass
            if not open_:
                groups.append(_Group(begin, match.end(), own[begin], begin > starts[-1], closed=True))
        elif token in _SEPARATORS and not open_ and match.end() < len(own):
            starts.append(match.end())
    if open_:
        groups.append(_Group(begin, len(own), own[begin], begin > starts[-1], closed=False))
    return starts, groups
