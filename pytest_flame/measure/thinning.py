"""Reduces output and records that accumulate while a body is called repeatedly to their beginning and end."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import IO, Final, TypeVar

T = TypeVar("T")

ROOM: Final = 16 << 10
"""Bytes kept of the beginning, and of the end."""
MOST: Final = 100
"""The most entries of a list kept at each end."""

_MARK: Final = re.compile(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n")
_MARK_ROOM: Final = 64
_CHARACTER: Final = 4
"""Bytes of the longest character in UTF-8."""


def thin_file(file: IO[bytes]) -> None:
    """``file`` is readable, writable and seekable. Its position is left at the end, where its writers continue."""
    size = file.seek(0, os.SEEK_END)
    if size <= 2 * ROOM + _MARK_ROOM + 2 * _CHARACTER:
        return
    file.seek(0)
    first = file.read(ROOM + _MARK_ROOM + _CHARACTER)
    file.seek(size - ROOM)
    last = _from_character(file.read(ROOM))
    known = _MARK.search(first, ROOM - _CHARACTER)
    end = known.start() if known else _character_end(first, ROOM)
    gone = size - end - len(last) + (int(known[1]) - len(known[0]) if known else 0)
    file.seek(0)
    file.truncate()
    file.write(first[:end] + b"\n[... %d bytes left out ...]\n" % gone + last)


def thinned(text: str) -> str:
    if len(text) <= ROOM:
        return text
    file = io.BytesIO(text.encode(errors="surrogatepass"))
    thin_file(file)
    return file.getvalue().decode(errors="surrogatepass")


def thin_list(entries: list[T], size: Callable[[T], int], mark: T | None = None) -> None:
    """In place: as many entries of each end as fit, with ``mark`` between them."""
    first, last = _fitting(entries, size), _fitting(reversed(entries), size)
    if first + last < len(entries):
        entries[first : len(entries) - last] = [] if mark is None else [mark]


def _fitting(entries: Iterable[T], size: Callable[[T], int]) -> int:
    """How many of the first entries fit; the first one always does, whatever its size."""
    count, taken = 0, 0
    for entry in islice(entries, MOST):
        taken += size(entry)
        if count and taken > ROOM:
            break
        count += 1
    return count


def _character_end(text: bytes, end: int) -> int:
    """The last end of a character in UTF-8 that is not beyond ``end``."""
    return next((i for i in range(end, end - _CHARACTER, -1) if text[i] & 0xC0 != 0x80), end)


def _from_character(text: bytes) -> bytes:
    """From the first complete character."""
    return text[next((i for i in range(_CHARACTER) if text[i] & 0xC0 != 0x80), 0) :]
