"""Libraries whose functions are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from compiled import SOURCE, Compile, run

from pytest_flame.sampling.symbols import Symbolizer
from pytest_flame.sampling.symbols.cache import SymbolCache


@pytest.fixture
def compile_library(tmp_path: Path) -> Compile:
    """``compile_library("-g", source=…, name=…)`` gives a shared library."""

    def compiled(*options: str, source: str = SOURCE, name: str = "libtried.so", language: str = "c") -> Path:
        suffix, compiler = {"c": (".c", "cc"), "c++": (".cpp", "c++")}[language]
        text = (tmp_path / name).with_suffix(suffix)
        text.write_text(source, encoding="utf-8")
        library = tmp_path / name
        run(compiler, "-O2", "-fPIC", "-shared", *options, text, "-o", library)
        return library

    return compiled


@pytest.fixture
def library(compile_library: Compile) -> Path:
    return compile_library()


@pytest.fixture
def symbolizer() -> Symbolizer:
    """Of this process, without a cache."""
    return Symbolizer(cache=SymbolCache(None))
