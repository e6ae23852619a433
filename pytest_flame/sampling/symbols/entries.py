"""Entries of symbol and relocation sections read in bulk: pyelftools finds the section, numpy reads what is in it.

pyelftools itself takes some 20 µs an entry, and libraries have tens of thousands (gABI, chapters 4 and 5: Elf64_Sym,
Elf64_Rela).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from elftools.elf.sections import Section
from numpy.typing import NDArray

SHF_ALLOC, SHF_EXECINSTR = 2, 4

_SYMBOL: Final = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELOCATION: Final = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])


def symbol_entries(section: Section) -> NDArray[Any]:
    """Fields ``name`` (an offset into the string table), ``info``, ``section``, ``value``, ``size``."""
    return _entries(section, _SYMBOL)


def relocation_entries(section: Section) -> NDArray[Any]:
    """Fields ``offset``, ``type``, ``symbol`` (an index), ``addend``."""
    return _entries(section, _RELOCATION)


def _entries(section: Section, entry: np.dtype[Any]) -> NDArray[Any]:
    if section["sh_type"] == "SHT_NOBITS" or section["sh_entsize"] != entry.itemsize:
        return np.zeros(0, entry)
    data = section.data()
    return np.frombuffer(data, entry, len(data) // entry.itemsize)
