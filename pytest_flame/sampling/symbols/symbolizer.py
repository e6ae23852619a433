"""Names for native addresses: ``library:symbol``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pytest_flame.model import Frame
from pytest_flame.sampling.symbols.cache import SymbolCache
from pytest_flame.sampling.symbols.demangle import demangle
from pytest_flame.sampling.symbols.image import Image, NotElf
from pytest_flame.sampling.symbols.mappings import Mapping
from pytest_flame.sampling.symbols.sources import mapped_image, open_mapped, read_table
from pytest_flame.sampling.symbols.table import SymbolTable

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


@dataclass(frozen=True, slots=True)
class _Module:
    library: str
    image: Image | None
    table: SymbolTable | None


class Symbolizer:
    """Names addresses of the process ``pid``. Libraries are opened when their first address is asked for."""

    def __init__(self, pid: int | str = "self", cache: SymbolCache | None = None) -> None:
        self._pid = pid
        self._cache = SymbolCache.of_user() if cache is None else cache
        self._modules: dict[tuple[object, ...], _Module] = {}
        self._names: dict[tuple[int, int], NativeName] = {}

    def name(self, mapping: Mapping, address: int) -> NativeName:
        """The function that ``address`` lies in, an address inside ``mapping``. For a return address give one less:
        the call may be its function's last instruction. What has no name is called by where it starts in its library,
        ``[0x1f2e0]``: the same in every process that loads the same build."""
        key = mapping.start, address
        found = self._names.get(key)
        if found is None:
            found = self._names[key] = self._name(mapping, address)
        return found

    def linked_address(self, mapping: Mapping, address: int) -> int | None:
        """``address`` as the library's file counts it: what readelf, addr2line and a debugger show for the file. None
        for memory that belongs to no library."""
        image = self._module(mapping).image
        return None if image is None else image.address(mapping.file_offset + address - mapping.start)

    def _name(self, mapping: Mapping, address: int) -> NativeName:
        module, linked = self._module(mapping), self.linked_address(mapping, address)
        if linked is None or module.table is None:
            return NativeName(module.library, UNKNOWN, 0)
        symbol = module.table.find(linked)
        if symbol is not None:
            return NativeName(module.library, demangle(symbol.name), linked - symbol.start)
        start = module.table.function_start(linked)
        return NativeName(module.library, f"[{start:#x}]", linked - start)

    def _module(self, mapping: Mapping) -> _Module:
        key = mapping.path, mapping.device, mapping.inode, mapping.base
        found = self._modules.get(key)
        if found is None:
            found = self._modules[key] = self._open(mapping)
        return found

    def _open(self, mapping: Mapping) -> _Module:
        library = library_name(mapping.path)
        try:
            source = open_mapped(mapping, self._pid)
        except (OSError, NotElf):
            return _Module(library, mapped_image(mapping, self._pid), None)
        with source.stream:
            try:
                return _Module(library, source.image, read_table(source, self._cache))
            except NotElf:
                return _Module(library, source.image, None)


def library_name(path: str) -> str:
    """The file's name, as it stands before the colon. What is no shared library (the interpreter itself) is put in
    brackets, so that nobody takes it for a Python module."""
    if not path:
        return "[anonymous]"
    name = PurePosixPath(path).name.replace(":", ".")
    return name if _LIBRARY.search(name) or name.startswith("[") else f"[{name}]"
