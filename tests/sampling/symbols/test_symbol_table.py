"""The table's search compared with a linear one, and its bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.sampling.symbols.build import _table
from pytest_flame.sampling.symbols.symbol_table import SymbolTable

extents = st.dictionaries(st.integers(0, 300), st.integers(1, 80), max_size=25)


def table_from(symbols: dict[int, int], functions: dict[int, int]) -> SymbolTable:
    starts = sorted(functions)
    named = [(start, start + size, f"at{start}".encode()) for start, size in symbols.items()]
    ends = [start + functions[start] for start in starts]
    return _table(named, (starts, ends))


@given(extents)
def test_the_innermost_symbol_is_found(symbols: dict[int, int]) -> None:
    table = table_from(symbols, {})
    for address in range(400):
        holding = [start for start, size in symbols.items() if start <= address < start + size]
        found = table.find(address)
        assert (None if found is None else found.name) == (f"at{max(holding)}" if holding else None)


@given(extents, extents)
def test_bytes_give_the_same_table_back(symbols: dict[int, int], functions: dict[int, int]) -> None:
    table = table_from(symbols, functions)
    again = SymbolTable.from_bytes(table.to_bytes())

    def columns(t: SymbolTable) -> list[Sequence[int]]:
        return [list(c) for c in (t.starts, t.ends, t.parents, t.name_offsets, t.function_starts, t.function_ends)]

    assert columns(again) == columns(table)
    assert bytes(again.names) == bytes(table.names)
    assert again.to_bytes() == table.to_bytes()


@given(st.data())
def test_other_bytes_are_refused_or_read_never_crash(data: st.DataObject) -> None:
    whole = table_from({1: 5, 20: 10}, {1: 5}).to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError):
        SymbolTable.from_bytes(whole[:cut])
    with pytest.raises(ValueError):
        SymbolTable.from_bytes(data.draw(st.binary(max_size=200)))
