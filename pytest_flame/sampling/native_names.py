"""From a native function's address, as the handler kept it, to the library and symbol it is shown as."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_flame.sampling.sampler import RawFrame
from pytest_flame.sampling.symbols import Mappings, Symbolizer, read_mappings
from pytest_flame.sampling.symbols.symbolizer import library_name

GUESSED = "_[g]"
"""Behind the name of a function that has no unwind information: its caller was guessed, and proved possible."""


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

    def __init__(self) -> None:
        self._symbolizer = Symbolizer()
        self._mappings: Mappings | None = None
        self._frames: dict[tuple[int, NativeModule | None, bool], RawFrame] = {}

    def refresh(self) -> None:
        """The mappings are read anew: libraries come and go."""
        self._mappings = None

    def frame(self, address: int, module: NativeModule | None, guessed: bool) -> RawFrame:
        """``module`` is None for code in no library; what was unloaded is known by its place in its file."""
        key = (address, module, guessed)
        found = self._frames.get(key)
        if found is None:
            library, symbol = self._name(address, module)
            found = self._frames[key] = RawFrame(symbol + GUESSED * guessed, "", 0, library=library)
        return found

    def _name(self, address: int, module: NativeModule | None) -> tuple[str, str]:
        if self._mappings is None:
            self._mappings = read_mappings()
        mapping = self._mappings.find(address)
        if module is not None and (not module.loaded or mapping is None):
            return library_name(module.path), f"[{address - module.bias:#x}]"
        if mapping is None:
            return library_name(""), "[unknown]"
        name = self._symbolizer.name(mapping, address)
        return name.library, name.symbol
