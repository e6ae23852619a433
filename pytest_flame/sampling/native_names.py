"""From a native function's address, as recorded by the handler, to its library and symbol."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_flame.sampling.profile_source import RawFrame
from pytest_flame.sampling.symbols import Mapping, Mappings, NativeName, Symbolizer, read_mappings
from pytest_flame.sampling.symbols.symbolizer import UNKNOWN, library_name

GUESSED = "_[g]"
"""Suffix of a function without unwind information: its caller was guessed, and verified as possible."""


@dataclass(frozen=True, slots=True)
class NativeModule:
    """A library or program that is or was loaded; its file's addresses are shifted by ``bias``."""

    path: str
    bias: int
    start: int
    end: int
    loaded: bool


class NativeNamer:
    """Names native functions of this process."""

    def __init__(self, *, inlined: bool = False) -> None:
        self._symbolizer = Symbolizer()
        self._inlined = inlined
        self._mappings = Mappings(())
        self._frames: dict[tuple[int, NativeModule | None, bool], tuple[RawFrame, ...]] = {}

    def refresh(self) -> None:
        """Reads the mappings again: libraries come and go, and addresses are reused."""
        self._mappings = read_mappings()
        self._frames = {key: found for key, found in self._frames.items() if key[1] is not None}

    def frames(self, address: int, module: NativeModule | None, guessed: bool) -> tuple[RawFrame, ...]:
        """The function at ``address`` and, if requested, those inlined there, outermost first. ``module`` is None for
        code in no library; unloaded code is identified by its place in its file."""
        key = (address, module, guessed)
        found = self._frames.get(key)
        if found is None:
            names = self._names(address, module)
            found = tuple(RawFrame(name.symbol + GUESSED * guessed, "", 0, library=name.library) for name in names)
            self._frames[key] = found
        return found

    def _names(self, address: int, module: NativeModule | None) -> tuple[NativeName, ...]:
        mapping = self._mapping(address, module)
        if mapping is not None and self._inlined:
            return self._symbolizer.frames(mapping, address)
        if mapping is not None:
            return (self._symbolizer.name(mapping, address),)
        if module is not None:
            return (self._symbolizer.name_in_file(module.path, address - module.bias),)
        return (NativeName(library_name(""), UNKNOWN, 0),)

    def _mapping(self, address: int, module: NativeModule | None) -> Mapping | None:
        """None for code that is no longer loaded, and for a library whose code was moved to memory without a file."""
        if module is not None and not module.loaded:
            return None
        mapping = self._mappings.find(address)
        return None if mapping is not None and not mapping.path and module is not None else mapping
