"""Entries of symbol and relocation sections, unpacked in bulk: pyelftools finds the section and takes some 20 µs per
entry, and libraries have tens of thousands (gABI, chapters 4 and 5: Elf64_Sym, Elf64_Rela).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from elftools.elf.sections import Section

SHF_ALLOC, SHF_EXECINSTR = 2, 4

_SYMBOL: Final = struct.Struct("<IBBHQQ")
_RELOCATION: Final = struct.Struct("<QIIq")


def symbol_entries(section: Section) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Name (an offset into the string table), info, other, section, value and size of each entry."""
    return _entries(section, _SYMBOL)  # type: ignore[return-value]


def relocation_entries(section: Section) -> Iterator[tuple[int, int, int, int]]:
    """Offset, type, symbol (an index) and addend of each entry."""
    return _entries(section, _RELOCATION)  # type: ignore[return-value]


def _entries(section: Section, entry: struct.Struct) -> Iterator[tuple[int, ...]]:
    if section["sh_type"] == "SHT_NOBITS" or section["sh_entsize"] != entry.size:
        return iter(())
    data = section.data()
    return entry.iter_unpack(memoryview(data)[: len(data) // entry.size * entry.size])
