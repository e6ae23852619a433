"""Symbol tables from ELF files: pyelftools finds the sections, their content is read in bulk."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Final

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pytest_flame.sampling.symbols.debugfiles import DAMAGE, DebugLink, debug_link, embedded, open_debug_file
from pytest_flame.sampling.symbols.entries import SHF_EXECINSTR, symbol_entries
from pytest_flame.sampling.symbols.functions import Extents, function_extents
from pytest_flame.sampling.symbols.image import NotElf
from pytest_flame.sampling.symbols.mapped_files import MappedFile, debug_candidates, describe
from pytest_flame.sampling.symbols.plt import stubs
from pytest_flame.sampling.symbols.symbol_table import NO_PARENT, SymbolTable

_KINDS: Final = (0, 2, 10)
"""Labels (STT_NOTYPE: assembly), functions (STT_FUNC), functions chosen at load time (STT_GNU_IFUNC)."""
_LOCAL, _GLOBAL, _WEAK = 0, 1, 2

NamedRange = tuple[int, int, bytes]
"""Start, end and name of a symbol."""


def build_table(source: MappedFile) -> SymbolTable:
    """The functions of a library, named by its own symbols and, if it has only exported ones, by those of its debug
    file. Raises ``NotElf`` for anything but a valid ELF file."""
    try:
        own = ELFFile(source.stream)
        functions = function_extents(own)
        link = debug_link(own)
        link_name = link.name if link else ""
        looked_at = describe(source, link_name) if source.status is not None else ""
        found, origin = _symbols(own, ".symtab", functions), ".symtab"
        complete = bool(found)
        if not complete:
            found, origin = _symbols(own, ".dynsym", functions) or _dynamic_symbols(own), ".dynsym"
            local, where = _symbols_kept_apart(source, own, link, functions)
            if local:
                found, origin, complete = found + local, where, True
        found += stubs(own)
    except DAMAGE as e:
        raise NotElf(f"the symbols cannot be read: {e}") from e
    return replace(_table(found, functions), origin=origin, complete=complete, link=link_name, looked_at=looked_at)


def _symbols_kept_apart(
    source: MappedFile, own: ELFFile, link: DebugLink | None, functions: Extents
) -> tuple[list[NamedRange], str]:
    """Symbols of local functions and their source: a debug file, otherwise compressed in the library itself."""
    for place in debug_candidates(source, link.name if link else ""):
        debug = open_debug_file(place, source.image.build_id, link)
        if debug is not None:
            with debug:
                found = _symbols(ELFFile(debug), ".symtab", functions)
            if found:
                return found, str(place)
    inside = embedded(own)
    return (_symbols(ELFFile(inside), ".symtab", functions) if inside else []), ".gnu_debugdata"


def _symbols(elf: ELFFile, name: str, functions: Extents) -> list[NamedRange]:
    """Functions, and labels in executable sections (assembly), one per address; none without the section."""
    section = elf.get_section_by_name(name)
    if not isinstance(section, SymbolTableSection):
        return []
    text: bytes = section.stringtable.data()
    code = {
        number: s["sh_addr"] + s["sh_size"]
        for number, s in enumerate(elf.iter_sections())
        if s["sh_flags"] & SHF_EXECINSTR
    }
    found = []
    for at, info, _, number, value, size in symbol_entries(section):
        if info & 0xF in _KINDS and at and number in code:
            symbol = text[at : text.index(b"\0", at)].partition(b"@")[0]  # without its version
            # $x and $d are marks between code and data on ARM.
            if symbol and symbol[0] != 0x24 and not symbol.startswith(b".L"):
                found.append((value, size, code[number], info, symbol))
    values = sorted({value for value, *_ in found})
    best: dict[int, tuple[tuple[object, ...], int, bytes]] = {}
    for value, size, section_end, info, symbol in found:
        rank = _rank(symbol, size, info)
        known = best.get(value)
        if known is None or rank < known[0]:
            end = value + size if size else _end_of_sizeless(value, section_end, values, functions)
            best[value] = (rank, end, symbol)
    return [(value, end, symbol) for value, (_, end, symbol) in best.items()]


def _dynamic_symbols(elf: ELFFile) -> list[NamedRange]:
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
    """Sort key of the names of one address; the smallest is shown. Exported ones come first, so that a function has the
    same name with and without local symbols; then in perf's order, made total."""
    bind = info >> 4
    underscores = len(name) - len(name.lstrip(b"_"))
    return size == 0, bind == _LOCAL, bind == _WEAK, underscores, -len(name), name


def _end_of_sizeless(value: int, section_end: int, values: list[int], functions: Extents) -> int:
    """A label without a size reaches to the next symbol, but not beyond its section or into another function."""
    starts, ends = functions
    limits = [section_end]
    following = bisect_right(values, value)
    limits += values[following : following + 1]
    i = bisect_right(starts, value)
    limits += starts[i : i + 1]
    if i and value < ends[i - 1]:
        limits.append(ends[i - 1])
    return max(value, min(limits))


def _table(found: list[NamedRange], functions: Extents) -> SymbolTable:
    """The earlier of two symbols with the same start wins."""
    unique: dict[int, NamedRange] = {}
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
        function_starts=functions[0],
        function_ends=functions[1],
        origin="",
        complete=False,
    )


def _parents(ends: list[int]) -> list[int]:
    """For each symbol, sorted by start, the nearest earlier one that ends after it."""
    parents: list[int] = []
    for i, end in enumerate(ends):
        parent = i - 1
        while parent != NO_PARENT and parent >= 0 and ends[parent] <= end:
            parent = parents[parent]
        parents.append(parent if parent >= 0 else NO_PARENT)
    return parents
