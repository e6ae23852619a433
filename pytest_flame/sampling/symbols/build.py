"""Symbol tables from ELF files: pyelftools finds the sections, numpy reads the entries in bulk."""

from __future__ import annotations

from typing import BinaryIO, Final

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from numpy.typing import NDArray

from pytest_flame.sampling.symbols.functions import Addresses, function_extents
from pytest_flame.sampling.symbols.image import NotElf
from pytest_flame.sampling.symbols.plt import stubs
from pytest_flame.sampling.symbols.table import NO_PARENT, SymbolTable

_ENTRY: Final = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_NOTYPE, _FUNC, _IFUNC = 0, 2, 10
_LOCAL, _GLOBAL, _WEAK = 0, 1, 2
_SHF_EXECINSTR: Final = 4
_SHN_LORESERVE: Final = 0xFF00

Named = tuple[int, int, bytes]
"""Start, end and name of a symbol."""


def build_table(image: BinaryIO, debug: BinaryIO | None = None, debug_name: str = "") -> SymbolTable:
    """The functions of ``image``, named by its own symbols and, where they are exported ones only, by those of its
    debug file. Raises ``NotElf`` for what is not a sound ELF file."""
    try:
        own = ELFFile(image)
        function_starts, function_ends = function_extents(own)
        sections = ".symtab", ".dynsym"
        tables = [(name, own.get_section_by_name(name)) for name in sections]
        origin, section = next(((n, s) for n, s in tables if _has_entries(s)), ("", None))
        found = _symbols(own, section, function_starts, function_ends) if section is not None else []
        complete = origin == ".symtab"
        if not complete and debug is not None:
            other = ELFFile(debug)
            section = other.get_section_by_name(".symtab")
            if _has_entries(section):
                found = _symbols(other, section, function_starts, function_ends) + found
                origin, complete = debug_name, True
        found += stubs(own)
    except (ELFError, ValueError, IndexError, KeyError, UnicodeDecodeError) as e:
        raise NotElf(f"the symbols cannot be read: {e}") from e
    return _table(found, function_starts, function_ends, origin or "none", complete)


def _has_entries(section: object) -> bool:
    return (
        isinstance(section, SymbolTableSection)
        and section["sh_type"] != "SHT_NOBITS"
        and section["sh_entsize"] == _ENTRY.itemsize
        and section["sh_size"] > _ENTRY.itemsize
    )


def _symbols(elf: ELFFile, section: SymbolTableSection, starts: Addresses, ends: Addresses) -> list[Named]:
    """Functions, and labels in executable sections (assembly), one for each address."""
    data, text = section.data(), section.stringtable.data()
    entries = np.frombuffer(data, _ENTRY, len(data) // _ENTRY.itemsize)
    executable = np.zeros(_SHN_LORESERVE, bool)
    section_ends = np.zeros(_SHN_LORESERVE, np.uint64)
    for i, s in enumerate(elf.iter_sections()):
        executable[i] = bool(s["sh_flags"] & _SHF_EXECINSTR)
        section_ends[i] = s["sh_addr"] + s["sh_size"]
    kind = entries["info"] & 0xF
    entries = entries[
        ((kind == _FUNC) | (kind == _IFUNC) | (kind == _NOTYPE))
        & (entries["name"] > 0)
        & (entries["name"] < len(text))
        & (entries["section"] > 0)
        & (entries["section"] < _SHN_LORESERVE)
    ]
    entries = entries[executable[entries["section"]]]
    entries = entries[np.argsort(entries["value"], kind="stable")]
    values = entries["value"]
    sizes = entries["size"]
    limits = np.where(
        sizes > 0, values + sizes, _ends_of_sizeless(values, section_ends[entries["section"]], starts, ends)
    )
    best: dict[int, tuple[tuple[object, ...], int, bytes]] = {}
    rows = zip(
        values.tolist(),
        limits.tolist(),
        sizes.tolist(),
        entries["info"].tolist(),
        entries["name"].tolist(),
        strict=True,
    )
    for value, limit, size, info, at in rows:
        name = text[at : text.index(b"\0", at)].partition(b"@")[0]  # without its version
        if not name or name[0] == 0x24 or name.startswith(b".L"):  # $x, $d: marks between code and data on ARM
            continue
        rank = _rank(name, size, info)
        known = best.get(value)
        if known is None or rank < known[0]:
            best[value] = (rank, limit, name)
    return [(value, limit, name) for value, (_, limit, name) in best.items()]


def _rank(name: bytes, size: int, info: int) -> tuple[object, ...]:
    """Which of several names of one address is shown: the smallest. The order perf uses, made total."""
    bind = info >> 4
    underscores = len(name) - len(name.lstrip(b"_"))
    return size == 0, bind == _WEAK, bind != _GLOBAL, underscores, -len(name), name


def _ends_of_sizeless(
    values: Addresses, section_ends: Addresses, starts: Addresses, ends: Addresses
) -> NDArray[np.uint64]:
    """A label without a size reaches to the next symbol, but not beyond its section or into another function."""
    if not len(values):
        return values
    distinct = np.append(np.unique(values), np.uint64(2**64 - 1))
    limits = np.minimum(distinct[np.searchsorted(distinct, values, "right")], section_ends)
    if len(starts):
        following = np.append(starts, np.uint64(2**64 - 1))
        limits = np.minimum(limits, following[np.searchsorted(starts, values, "right")])
        around = np.searchsorted(starts, values, "right").astype(np.int64) - 1
        inside = (around >= 0) & (values < ends[np.maximum(around, 0)])
        limits = np.where(inside, np.minimum(limits, ends[np.maximum(around, 0)]), limits)
    return np.maximum(limits, values)


def _table(found: list[Named], starts: Addresses, ends: Addresses, origin: str, complete: bool) -> SymbolTable:
    """The earlier of two symbols with the same start wins."""
    unique: dict[int, Named] = {}
    for named in reversed(found):
        if named[1] > named[0]:
            unique[named[0]] = named
    ordered = [unique[start] for start in sorted(unique)]
    offsets: list[int] = []
    at = 0
    for _, _, name in ordered:
        offsets.append(at)
        at += len(name) + 1
    return SymbolTable(
        starts=[start for start, _, _ in ordered],
        ends=[end for _, end, _ in ordered],
        parents=_parents([end for _, end, _ in ordered]),
        name_offsets=offsets,
        names=b"".join(name + b"\0" for _, _, name in ordered),
        function_starts=starts.tolist(),
        function_ends=ends.tolist(),
        origin=origin,
        complete=complete,
    )


def _parents(ends: list[int]) -> list[int]:
    """Of each symbol, sorted by start, the nearest before it that ends after it."""
    parents: list[int] = []
    for i, end in enumerate(ends):
        parent = i - 1
        while parent != NO_PARENT and parent >= 0 and ends[parent] <= end:
            parent = parents[parent]
        parents.append(parent if parent >= 0 else NO_PARENT)
    return parents
