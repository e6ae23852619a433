"""Where an interpreter keeps its frames: from its version's row and its own table, refused whenever anything does not
fit."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest
from sampled import TIMER

from pytest_flame.errors import SamplerUnavailable
from pytest_flame.sampling.native import PYTHONS, NativeSampler, c_module

FREE_THREADED_WORD, VERSION_WORD, WORDS = 2, 1, 128
own_table = pytest.mark.skipif(sys.version_info < (3, 13), reason="CPython has a table of offsets from 3.13 on")


def read_layout(table: Any = None, version: int = 0) -> Any:
    """The layout, or the message that refuses it; without a version, that of this interpreter."""
    module = c_module()
    layout, error = module.ffi.new("flame_layout *"), module.ffi.new("char[512]")
    if module.lib.flame_read_layout(version, module.ffi.NULL if table is None else table, layout, error, 512):
        return module.ffi.string(error).decode()
    return layout


def of_minor(minor: int) -> int:
    return 3 << 24 | minor << 16 | 0xF0


def copied_table() -> Any:
    ffi = c_module().ffi
    runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    return ffi.new("uint64_t[]", list(ffi.cast("uint64_t *", runtime)[0:WORDS]))


def test_the_layout_is_that_of_the_running_version() -> None:
    assert read_layout().version == sys.hexversion >> 16


def test_there_is_a_row_for_each_supported_version_and_for_no_other() -> None:
    refusals = {minor: str(read_layout(version=of_minor(minor))) for minor in range(8, 20)}
    assert tuple(f"3.{minor}" for minor, refused in refusals.items() if "is not known" not in refused) == PYTHONS
    assert refusals[19] == "where CPython 3.19 keeps its frames is not known"


def test_a_version_that_has_a_table_is_refused_without_one() -> None:
    for minor in (11, 12):
        assert read_layout(version=of_minor(minor)).version == of_minor(minor) >> 16
    for minor in (13, 14, 15):
        assert read_layout(version=of_minor(minor)) == "the interpreter has no table of debugging offsets"


SHIFTED = (
    "tstate_cframe" if sys.version_info < (3, 13) else "tstate_current_frame",
    "frame_code",
    "frame_previous",
    "code_qualname",
    "code_filename",
    "code_firstlineno",
    "str_length",
    "str_ascii_data",
)


@pytest.mark.parametrize("field", SHIFTED)
def test_a_layout_that_is_wrong_is_noticed_before_the_first_sample(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = read_layout()
    setattr(layout, field, getattr(layout, field) + 8)
    monkeypatch.setattr(NativeSampler, "_layout", lambda self: layout)
    with pytest.raises(SamplerUnavailable, match="keeps its frames where pytest-flame does not expect them"):
        NativeSampler(TIMER)


@own_table
def test_the_table_is_decoded() -> None:
    assert read_layout(copied_table()).frame_code == read_layout().frame_code


@own_table
def test_a_free_threaded_interpreter_is_refused() -> None:
    table = copied_table()
    table[FREE_THREADED_WORD] = 1
    assert "free-threaded" in read_layout(table)


@own_table
@pytest.mark.parametrize("minor", [12, 13, 14, 15, 16])
def test_a_table_of_another_minor_version_is_refused(minor: int) -> None:
    table = copied_table()
    table[VERSION_WORD] = of_minor(minor)
    refused = read_layout(table)
    assert minor == sys.version_info.minor or "is that of another version" in refused


@own_table
def test_what_is_no_table_is_refused() -> None:
    table = copied_table()
    table[0] += 1
    assert "no table" in read_layout(table)


@own_table
def test_every_word_that_is_used_matters() -> None:
    """An absurd value in any word that is used is refused, and none is passed on; the words between belong to other
    readers."""
    refused = 0
    for word in range(FREE_THREADED_WORD + 1, WORDS):
        table = copied_table()
        table[word] = 1 << 40
        refused += isinstance(read_layout(table), str)
    used = {(3, 13): 15, (3, 14): 15, (3, 15): 17}[sys.version_info[:2]]
    assert refused == used
