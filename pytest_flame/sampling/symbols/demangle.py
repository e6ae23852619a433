"""Demangles C++ and Rust names with LLVM's demanglers."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 1000
_RUST_HASH: Final = re.compile(r"17h[0-9a-f]{16}E$")
_SHOWN_RUST_HASH: Final = re.compile(r"::h[0-9a-f]{16}$")
STUB: Final = "@plt"
_CLONE: Final = re.compile(
    r"(?:\.(?:cold|part|isra|constprop|lto_priv|localalias|llvm|__uniq|clone|hot|split)(?:\.\d+)*)+$"
)
"""Suffixes of the copies and pieces that compilers make of a function."""


def without_clone(symbol: str) -> str:
    """The function that ``symbol`` is a copy or a piece of: ``f`` for ``f.constprop.0``, ``f.part.0`` and ``f.cold``.
    The compiler chooses which of them exist, from build to build."""
    return _CLONE.sub("", symbol)


@lru_cache(maxsize=16384)
def demangle(symbol: str) -> str:
    """``symbol`` as in the source: with the types of its parameters (C++), without the hash of its crate (Rust). Names
    that are not mangled are returned unchanged."""
    if symbol.endswith(STUB):
        return demangle(symbol.removesuffix(STUB)) + STUB
    symbol = without_clone(symbol)
    if not symbol.startswith(("_Z", "_R", "__Z", "___Z")):
        return symbol
    from pydemumble import demangle as llvm_demangle  # only if a library has such names

    name: str = llvm_demangle(symbol)
    if _RUST_HASH.search(symbol):  # some versions keep it
        name = _SHOWN_RUST_HASH.sub("", name)
    return _of_bearable_length(name or symbol)


def _of_bearable_length(name: str) -> str:
    """Nested templates have names of a hundred thousand characters. Gives the same result in every process."""
    if len(name) <= MAX_LENGTH:
        return name
    return f"{name[:MAX_LENGTH]}…{zlib.crc32(name.encode()):08x}"
