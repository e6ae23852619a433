"""The symbols of one image, sorted by address: built once, kept as flat bytes, searched without unpacking."""

from __future__ import annotations

import json
import struct
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NO_PARENT: Final = 0xFFFFFFFF
_ABOUT: Final = ("origin", "complete", "link", "looked_at")
_HEADER: Final = struct.Struct("<IIIII")


@dataclass(frozen=True, slots=True)
class Symbol:
    """``name`` as the linker wrote it, mangled; addresses as the image counts them."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class SymbolTable:
    """Three sorted lists: symbols, functions (FDEs: a call frame description has a start and an end, but no name) and
    the offsets of the symbols' names in ``names``, each ended by a NUL.

    Where symbols lie inside others, ``parents[i]`` is the next larger one around symbol i, or ``NO_PARENT``.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    parents: Sequence[int]
    name_offsets: Sequence[int]
    names: bytes
    function_starts: Sequence[int]
    function_ends: Sequence[int]
    origin: str
    """The source of the symbols: ``.symtab``, ``.dynsym``, ``.gnu_debugdata`` or the debug file's path."""
    complete: bool
    """Whether it contains local functions; otherwise it has only exported ones, and a debug file may have more."""
    link: str = ""
    """The debug file's name according to the library."""
    looked_at: str = ""
    """The sources of the table, see ``mapped_files.describe``: if they change, it is rebuilt."""

    def find(self, address: int) -> Symbol | None:
        """The innermost symbol that contains ``address``, never one that ended before it."""
        i = bisect_right(self.starts, address) - 1
        while i >= 0 and address >= self.ends[i]:
            i = self.parents[i] if self.parents[i] != NO_PARENT else -1
        if i < 0:
            return None
        at = self.name_offsets[i]
        name = self.names[at : self.names.index(b"\0", at)]
        return Symbol(self.starts[i], self.ends[i], name.decode("utf-8", "replace"))

    def function_start(self, address: int) -> int:
        """The start of the unnamed function around ``address``; without call frame information, the end of the known
        functions and symbols before it. The same for all addresses of one unnamed region."""
        i = bisect_right(self.function_starts, address) - 1
        if i < 0:
            before = 0
        elif address < self.function_ends[i]:
            return self.function_starts[i]
        else:
            before = self.function_ends[i]
        j = bisect_right(self.starts, address) - 1
        return max(before, self.ends[j] if j >= 0 else 0)

    def to_bytes(self) -> bytes:
        """Little-endian, as ``from_bytes`` reads it; equal tables give equal bytes."""
        about = json.dumps({name: getattr(self, name) for name in _ABOUT}).encode()
        about += b" " * (-len(about) % 8)
        sizes = _HEADER.pack(len(about), len(self.starts), len(self.function_starts), len(self.names), 0)
        longs = (self.starts, self.ends, self.function_starts, self.function_ends)
        ints = (self.parents, self.name_offsets)
        parts = [sizes, b"\0" * (-len(sizes) % 8), about]
        parts += [array("Q", numbers).tobytes() for numbers in longs]
        parts += [array("I", numbers).tobytes() for numbers in ints]
        return b"".join([*parts, self.names])

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> SymbolTable:
        """Inverse of ``to_bytes``. Raises ``ValueError`` for anything else."""
        try:
            about_size, symbols, functions, name_size, _ = _HEADER.unpack_from(data)
            view = memoryview(data)
            at = _HEADER.size + -_HEADER.size % 8
            about = json.loads(bytes(view[at : at + about_size]))
            at += about_size
            columns: list[Sequence[int]] = []
            for count in (symbols, symbols, functions, functions):
                columns.append(view[at : at + 8 * count].cast("Q"))
                at += 8 * count
            for count in (symbols, symbols):
                columns.append(view[at : at + 4 * count].cast("I"))
                at += 4 * count
            names = bytes(view[at:])
            if len(names) != name_size:
                raise ValueError("the table's parts do not fill it")
            starts, ends, function_starts, function_ends, parents, name_offsets = columns
            return cls(
                starts, ends, parents, name_offsets, names, function_starts, function_ends,
                *(about[name] for name in _ABOUT),
            )  # fmt: skip
        except (struct.error, TypeError, KeyError) as e:
            raise ValueError(f"not a symbol table: {e}") from e
