"""Names for native addresses: ``library:symbol``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_flame.model import Frame
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.demangle import demangle
from pytest_flame.sampling.symbols.image import Image, NotElf
from pytest_flame.sampling.symbols.mapped_files import mapped_image, open_file, open_mapped
from pytest_flame.sampling.symbols.mappings import Mapping
from pytest_flame.sampling.symbols.perfmap import PerfMap
from pytest_flame.sampling.symbols.symbol_table import SymbolTable
from pytest_flame.sampling.symbols.tables import read_table

if TYPE_CHECKING:
    from pytest_flame.sampling.symbols.inlines import InlineReader

UNKNOWN: Final = "[unknown]"
_LIBRARY: Final = re.compile(r"\.so(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class NativeName:
    """``offset`` is how many bytes into the function the address lies."""

    library: str
    symbol: str
    offset: int

    @property
    def frame(self) -> Frame:
        return Frame(self.library, self.symbol)


_Loading = tuple[str, str, int, int | None]
"""One loading of one file: mappings that share it belong together."""


@dataclass(frozen=True, slots=True)
class _Module:
    library: str
    image: Image | None
    table: SymbolTable | None


class Symbolizer:
    """Names addresses of the process ``pid``. Libraries are opened when their first address is named."""

    def __init__(self, pid: int | str = "self", cache: SymbolCache | None = None) -> None:
        self._pid = pid
        self._cache = SymbolCache.of_user() if cache is None else cache
        self._modules: dict[_Loading, _Module] = {}
        self._names: dict[tuple[Mapping, int], NativeName] = {}
        self._inline_readers: dict[_Loading, InlineReader | None] = {}
        self._perf_map = PerfMap(pid)

    def name(self, mapping: Mapping, address: int) -> NativeName:
        """The function that contains ``address``, an address inside ``mapping``. For a return address pass one less:
        the call may be its function's last instruction. A function without a name is named by its start in its library,
        ``[0x1f2e0]``: the same in every process that loads the same build."""
        key = mapping, address
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._name(mapping, address)
        return found

    def name_in_file(self, path: str, linked: int) -> NativeName:
        """As ``name``, for a library that is no longer mapped, by its file's address: the file is not verified."""
        library, key = library_name(path), (path, "", 0, None)
        if key not in self._modules:
            try:
                source = open_file(Path(path))
                with source.stream:
                    self._modules[key] = _Module(library, source.image, read_table(source, self._cache))
            except (OSError, NotElf):
                self._modules[key] = _Module(library, None, None)
        table = self._modules[key].table
        return _in_table(library, table, linked) if table is not None else NativeName(library, f"[{linked:#x}]", 0)

    def frames(self, mapping: Mapping, address: int) -> tuple[NativeName, ...]:
        """As ``name``, followed by the functions inlined at that place, outermost first, if the library or its debug
        file has that information. Takes seconds for the first address in a large library."""
        outer, linked = self.name(mapping, address), self.linked_address(mapping, address)
        reader = None if linked is None else self._inline_reader(mapping)
        if reader is None or linked is None:
            return (outer,)
        return (outer, *(NativeName(outer.library, found.function, outer.offset) for found in reader.at(linked)))

    def table(self, mapping: Mapping) -> SymbolTable | None:
        """All symbols of the library that is mapped there; None if there are none."""
        return self._module(mapping).table

    def linked_address(self, mapping: Mapping, address: int) -> int | None:
        """The address in the library's file: what readelf, addr2line and a debugger show for the file. None for memory
        that belongs to no library."""
        image = self._module(mapping).image
        return None if image is None else image.address(mapping.file_offset + address - mapping.start)

    def _name(self, mapping: Mapping, address: int) -> NativeName:
        module, linked = self._module(mapping), self.linked_address(mapping, address)
        if module.image is None:
            compiled = self._perf_map.find(address)
            if compiled is not None:
                return NativeName("[jit]", compiled.name, address - compiled.start)
        if linked is None or module.table is None:
            return NativeName(module.library, UNKNOWN, 0)
        return _in_table(module.library, module.table, linked)

    def _module(self, mapping: Mapping) -> _Module:
        key = _loading(mapping)
        found = self._modules.get(key)
        if found is None:
            found = self._modules[key] = self._open(mapping)
        return found

    def _inline_reader(self, mapping: Mapping) -> InlineReader | None:
        from pytest_flame.sampling.symbols.inlines import open_inlines

        key, table = _loading(mapping), self._module(mapping).table
        if key not in self._inline_readers:
            try:
                source = open_mapped(mapping, self._pid)
            except (OSError, NotElf):
                self._inline_readers[key] = None
            else:
                with source.stream:
                    self._inline_readers[key] = open_inlines(source, table.link if table is not None else "")
        return self._inline_readers[key]

    def _open(self, mapping: Mapping) -> _Module:
        library = library_name(mapping.path)
        try:
            source = open_mapped(mapping, self._pid)
        except (OSError, NotElf):
            return _Module(library, mapped_image(mapping, self._pid), None)
        with source.stream:
            try:
                return _Module(library, source.image, read_table(source, self._cache))
            except (OSError, NotElf):
                return _Module(library, source.image, None)


def _in_table(library: str, table: SymbolTable, linked: int) -> NativeName:
    symbol, start = table.find(linked), table.function_start(linked)
    if symbol is None and linked == start:
        # Unwinders look up the byte before a return address; a signal handler's return address has no call before it,
        # so its call frame information starts one byte early.
        symbol = table.find(linked + 1)
    if symbol is not None:
        return NativeName(library, demangle(symbol.name), max(0, linked - symbol.start))
    return NativeName(library, f"[{start:#x}]", linked - start)


def _loading(mapping: Mapping) -> _Loading:
    return mapping.path, mapping.device, mapping.inode, mapping.base


def library_name(path: str) -> str:
    """The file's name, as before the colon. Anything but a shared library (the interpreter itself) is put in brackets,
    so that it cannot be mistaken for a Python module."""
    if not path:
        return "[anonymous]"
    name = PurePosixPath(path).name.replace(":", ".")
    return name if _LIBRARY.search(name) or name.startswith("[") else f"[{name}]"
