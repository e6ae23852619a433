"""Functions that the compiler copied into their callers, from DWARF debug information (DWARF 5, 3.3.8).

Reading it takes seconds for a large library: on request only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.descriptions import describe_form_class
from elftools.dwarf.die import DIE
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

from pytest_flame.sampling.symbols.debugfiles import DAMAGE, debug_link, open_debug_file
from pytest_flame.sampling.symbols.demangle import demangle
from pytest_flame.sampling.symbols.image import NotElf
from pytest_flame.sampling.symbols.mapped_files import MappedFile, debug_candidates

_LINKS: Final = ("DW_AT_abstract_origin", "DW_AT_specification")
_TRANSPARENT: Final = frozenset({"DW_TAG_lexical_block", "DW_TAG_try_block", "DW_TAG_catch_block"})
_SCOPES: Final = frozenset(
    {"DW_TAG_namespace", "DW_TAG_module", "DW_TAG_class_type", "DW_TAG_structure_type", "DW_TAG_union_type"}
)
_LANGUAGES_WITHOUT_SCOPES: Final = (0x1, 0x2, 0xC, 0x1D, 0x2C, 0x8001)
"""All versions of C, and assembly."""
_NESTING: Final = _SCOPES | _TRANSPARENT | {"DW_TAG_subprogram"}
"""Fortran and Rust define functions inside functions: searched last, since it takes longest."""


@dataclass(frozen=True, slots=True)
class Inlined:
    """A function whose code is part of another's: ``function``, called in line ``call_line`` of the surrounding
    function (None if the compiler does not say)."""

    function: str
    call_line: int | None


class InlineReader:
    """``at(address)``: the functions inlined at an address of one library, outermost first. Units of the debug
    information are found once; results are cached."""

    def __init__(self, stream: BinaryIO) -> None:
        """``stream``: the library or its debug file. Raises ``NotElf`` if it is not ELF, or has no DWARF."""
        try:
            elf = ELFFile(stream)
            if not elf.has_dwarf_info(strict=True):
                raise NotElf("there is no debug information in it")
            self._dwarf: Any = elf.get_dwarf_info(follow_links=False)
            self._ranges: Any = self._dwarf.range_lists()
            self._index: Any = self._dwarf.get_aranges()
        except DAMAGE as e:
            raise NotElf(f"the debug information cannot be read: {e}") from e
        self._all_units: list[tuple[int, int, CompileUnit]] | None = None
        self._known: dict[int, tuple[Inlined, ...]] = {}

    def at(self, address: int) -> tuple[Inlined, ...]:
        """Empty if nothing is inlined, or the debug information does not cover ``address``."""
        if address not in self._known:
            try:
                self._known[address] = tuple(self._inlined(address))
            except DAMAGE:
                self._known[address] = ()  # pyelftools does not know every producer's extensions
        return self._known[address]

    def _inlined(self, address: int) -> Iterator[Inlined]:
        unit = self._unit(address)
        if unit is None:
            return
        top = unit.get_top_DIE()
        around = self._subprogram(top, address, _SCOPES) or self._subprogram(top, address, _NESTING)
        while around is not None:
            around = self._inner(around, address)
            if around is not None:
                line = around.attributes.get("DW_AT_call_line")
                yield Inlined(self._name(around), None if line is None else int(line.value))

    def _unit(self, address: int) -> CompileUnit | None:
        """By the index, if the compiler wrote one; otherwise all units are searched, once."""
        offset = self._index.cu_offset_at_addr(address) if self._index is not None else None
        if offset is not None:
            unit: CompileUnit = self._dwarf.get_CU_at(offset)
            return unit
        if self._all_units is None:
            self._all_units = list(self._unit_ranges())
        return next((unit for low, high, unit in self._all_units if low <= address < high), None)

    def _subprogram(self, die: DIE, address: int, scopes: frozenset[str]) -> DIE | None:
        """The function around ``address``, directly in ``die`` or in something of the kind ``scopes`` inside it."""
        for child in die.iter_children():
            if child.tag == "DW_TAG_subprogram" and self._holds(child, address):
                return child
            if child.tag in scopes:
                found = self._subprogram(child, address, scopes)
                if found is not None:
                    return found
        return None

    def _inner(self, die: DIE, address: int) -> DIE | None:
        """The next inlined function towards ``address``; blocks in between are skipped."""
        for child in die.iter_children():
            if child.tag == "DW_TAG_inlined_subroutine" and self._holds(child, address):
                return child
            if child.tag in _TRANSPARENT:
                found = self._inner(child, address)
                if found is not None:
                    return found
        return None

    def _name(self, die: DIE) -> str:
        """The linkage name if there is one: it includes the namespace. Functions that exist only inline have none."""
        named = None
        while True:
            for attribute in ("DW_AT_linkage_name", "DW_AT_MIPS_linkage_name"):
                if attribute in die.attributes:
                    return demangle(_text(die.attributes[attribute].value))
            link = next((name for name in _LINKS if name in die.attributes), None)
            if "DW_AT_name" in die.attributes:
                named = die
            if link is None:
                return self._qualified(named) if named is not None else "[unknown]"
            die = die.get_DIE_from_attribute(link)

    def _qualified(self, die: DIE) -> str:
        names = [_text(die.attributes["DW_AT_name"].value)]
        language = die.cu.get_top_DIE().attributes.get("DW_AT_language")
        if language is None or language.value not in _LANGUAGES_WITHOUT_SCOPES:
            around = die.get_parent()
            while around is not None and around.tag in _SCOPES:
                name = around.attributes.get("DW_AT_name")
                names.append("(anonymous namespace)" if name is None else _text(name.value))
                around = around.get_parent()
        return "::".join(reversed(names))

    def _holds(self, die: DIE, address: int) -> bool:
        return any(low <= address < high for low, high in self._extents(die))

    def _extents(self, die: DIE) -> Iterator[tuple[int, int]]:
        attributes = die.attributes
        if "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            yield low, high.value if describe_form_class(high.form) == "address" else low + high.value
        elif "DW_AT_ranges" in attributes and self._ranges is not None:
            unit = die.cu
            base = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
            start = base.value if base is not None else 0
            for entry in self._ranges.get_range_list_at_offset(attributes["DW_AT_ranges"].value, unit):
                if isinstance(entry, BaseAddressEntry):
                    start = entry.base_address
                elif entry.is_absolute:
                    yield entry.begin_offset, entry.end_offset
                else:
                    yield start + entry.begin_offset, start + entry.end_offset

    def _unit_ranges(self) -> Iterator[tuple[int, int, CompileUnit]]:
        for unit in self._dwarf.iter_CUs():
            top = unit.get_top_DIE()
            for low, high in self._extents(top):
                if low < high:
                    yield low, high, unit


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def open_inlines(source: MappedFile, link: str) -> InlineReader | None:
    """From the library itself, otherwise from its debug file; None if neither has debug information. ``link`` is the
    debug file's name according to the library."""
    with contextlib.suppress(NotElf):
        return InlineReader(source.stream)
    try:
        named = debug_link(ELFFile(source.stream))
    except DAMAGE:
        return None
    for place in debug_candidates(source, link):
        debug = open_debug_file(place, source.image.build_id, named)
        if debug is not None:
            with debug, contextlib.suppress(NotElf):
                return InlineReader(debug)
    return None
