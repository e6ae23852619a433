"""The functions of a mapped file: from the cache, or built and cached."""

from __future__ import annotations

from pytest_flame.sampling.symbols.cache import SymbolCache, key_of
from pytest_flame.sampling.symbols.mapped_files import MappedFile, describe
from pytest_flame.sampling.symbols.symbol_table import SymbolTable


def read_table(source: MappedFile, cache: SymbolCache) -> SymbolTable:
    """The functions of ``source``: from the cache, or built and cached. Raises ``NotElf``."""
    if source.status is None or source.path is None:
        return _built(source)
    key = key_of(source.image.build_id, source.status)
    table = cache.read(key)
    if table is None or not (table.complete or table.looked_at == describe(source, table.link)):
        table = _built(source)
        cache.write(key, table)
    return table


def _built(source: MappedFile) -> SymbolTable:
    # Imported here: importing pyelftools takes longer than everything done with cached tables. No numpy: this may be
    # the measured process, and OpenBLAS starts threads.
    from pytest_flame.sampling.symbols.build import build_table

    return build_table(source)
