"""Names for native addresses: ``library:symbol``."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from pytest_flame.model import Frame
from pytest_flame.sampling.symbols.demangle import demangle
from pytest_flame.sampling.symbols.image import Image, NotElf, read_image
from pytest_flame.sampling.symbols.mappings import Mapping
from pytest_flame.sampling.symbols.memory import Memory
from pytest_flame.sampling.symbols.table import SymbolTable

UNKNOWN: Final = "[unknown]"
_LIBRARY: Final = re.compile(r"\.so(\.\d+)*$")
_PAGES: Final = 1 << 20


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

    def __init__(self, pid: int | str = "self") -> None:
        self._pid = pid
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

    def _name(self, mapping: Mapping, address: int) -> NativeName:
        module = self._module(mapping)
        linked = None if module.image is None else module.image.address(mapping.file_offset + address - mapping.start)
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
        from pytest_flame.sampling.symbols.build import build_table

        library = library_name(mapping.path)
        try:
            if mapping.path == "[vdso]":
                with Memory(self._pid) as memory:
                    content = memory.read(mapping.start, min(mapping.end - mapping.start, _PAGES))
                stream: io.BytesIO | io.BufferedReader = io.BytesIO(content)
            elif mapping.path.startswith("/"):
                stream = open(mapping.path, "rb")  # noqa: SIM115, PTH123 (closed below)
            else:
                return _Module(library, None, None)
            with stream:
                image = read_image(lambda offset, size: _pread(stream, offset, size))
                return _Module(library, image, build_table(stream))
        except (OSError, NotElf):
            return _Module(library, None, None)


def library_name(path: str) -> str:
    """The file's name, as it stands before the colon. What is no shared library (the interpreter itself) is put in
    brackets, so that nobody takes it for a Python module."""
    if not path:
        return "[anonymous]"
    name = PurePosixPath(path).name.replace(":", ".")
    return name if _LIBRARY.search(name) or name.startswith("[") else f"[{name}]"


def _pread(stream: io.BytesIO | io.BufferedReader, offset: int, size: int) -> bytes:
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()[offset : offset + size]
    return os.pread(stream.fileno(), size, offset)
