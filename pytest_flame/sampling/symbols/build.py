"""Symbol tables from ELF files: pyelftools finds the sections, numpy reads the entries in bulk."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from numpy.typing import NDArray

from pytest_flame.sampling.symbols.debugfiles import DAMAGE, DebugLink, debug_link, embedded, open_debug_file
from pytest_flame.sampling.symbols.entries import SHF_EXECINSTR, symbol_entries
from pytest_flame.sampling.symbols.functions import Addresses, function_extents
from pytest_flame.sampling.symbols.image import NotElf
from pytest_flame.sampling.symbols.plt import stubs
from pytest_flame.sampling.symbols.sources import Source, debug_candidates, describe
from pytest_flame.sampling.symbols.table import NO_PARENT, SymbolTable

_NOTYPE, _FUNC, _IFUNC = 0, 2, 10
_LOCAL, _GLOBAL, _WEAK = 0, 1, 2
_SHN_LORESERVE: Final = 0xFF00

Named = tuple[int, int, bytes]
"""Start, end and name of a symbol."""


def build_table(source: Source) -> SymbolTable:
    """The functions of a library, named by its own symbols and, where they are exported ones only, by those of its
    debug file. Raises ``NotElf`` for what is not a sound ELF file."""
    try:
        own = ELFFile(source.stream)
        starts, ends = function_extents(own)
        link = debug_link(own)
        link_name = link.name if link else ""
        looked_at = describe(source, link_name) if source.status is not None else ""
        found, origin = _symbols(own, ".symtab", starts, ends), ".symtab"
        complete = bool(found)
        if not complete:
            found, origin = _symbols(own, ".dynsym", starts, ends) or _dynamic_symbols(own), ".dynsym"
            local, where = _symbols_kept_apart(source, own, link, starts, ends)
            if local:
                found, origin, complete = found + local, where, True
        found += stubs(own)
    except DAMAGE as e:
        raise NotElf(f"the symbols cannot be read: {e}") from e
    return replace(_table(found, starts, ends), origin=origin, complete=complete, link=link_name, looked_at=looked_at)


def _symbols_kept_apart(
    source: Source, own: ELFFile, link: DebugLink | None, starts: Addresses, ends: Addresses
) -> tuple[list[Named], str]:
    """Symbols of local functions and where they were: in a debug file; else compressed in the library itself."""
    for place in debug_candidates(source, link.name if link else ""):
        debug = open_debug_file(place, source.image.build_id, link)
        if debug is not None:
            with debug:
                found = _symbols(ELFFile(debug), ".symtab", starts, ends)
            if found:
                return found, str(place)
    inside = embedded(own)
    return (_symbols(ELFFile(inside), ".symtab", starts, ends) if inside else []), ".gnu_debugdata"


def _symbols(elf: ELFFile, name: str, starts: Addresses, ends: Addresses) -> list[Named]:
    """Functions, and labels in executable sections (assembly), one for each address; none without the section."""
    section = elf.get_section_by_name(name)
    if not isinstance(section, SymbolTableSection):
        return []
    entries = symbol_entries(section)
    text: bytes = section.stringtable.data()
    executable = np.zeros(_SHN_LORESERVE, bool)
    section_ends = np.zeros(_SHN_LORESERVE, np.uint64)
    for i, s in enumerate(elf.iter_sections()):
        executable[i] = bool(s["sh_flags"] & SHF_EXECINSTR)
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
        symbol = text[at : text.index(b"\0", at)].partition(b"@")[0]  # without its version
        if not symbol or symbol[0] == 0x24 or symbol.startswith(b".L"):  # $x, $d: marks between code and data on ARM
            continue
        rank = _rank(symbol, size, info)
        known = best.get(value)
        if known is None or rank < known[0]:
            best[value] = (rank, limit, symbol)
    return [(value, limit, symbol) for value, (_, limit, symbol) in best.items()]


def _dynamic_symbols(elf: ELFFile) -> list[Named]:
    """Exported functions of a library without section headers."""
    best: dict[int, tuple[tuple[object, ...], int, bytes]] = {}
    for segment in elf.iter_segments("PT_DYNAMIC"):
        assert isinstance(segment, DynamicSegment)
        for symbol in segment.iter_symbols():
            entry, name = symbol.entry, symbol.name.encode()
            start, size = entry["st_value"], entry["st_size"]
            if entry["st_info"]["type"] not in ("STT_FUNC", "STT_GNU_IFUNC", "STT_LOOS") or not start or not size:
                continue
            bind = {"STB_LOCAL": _LOCAL, "STB_WEAK": _WEAK}.get(entry["st_info"]["bind"], _GLOBAL)
            rank = _rank(name, size, bind << 4)
            if start not in best or rank < best[start][0]:
                best[start] = (rank, start + size, name)
    return [(start, end, name) for start, (_, end, name) in best.items()]


def _rank(name: bytes, size: int, info: int) -> tuple[object, ...]:
    """Which of several names of one address is shown: the smallest. An exported one first, so that a function is
    called the same whether local symbols are there or not; then in the order perf uses, made total."""
    bind = info >> 4
    underscores = len(name) - len(name.lstrip(b"_"))
    return size == 0, bind == _LOCAL, bind == _WEAK, underscores, -len(name), name


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


def _table(found: list[Named], starts: Addresses, ends: Addresses) -> SymbolTable:
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
        origin="",
        complete=False,
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
