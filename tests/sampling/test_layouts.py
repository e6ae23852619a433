"""Where the interpreter keeps its frames: read from its own table, and refused whenever anything does not fit."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest
from sampled import TIMER

from pytest_flame.errors import SamplerUnavailable
from pytest_flame.sampling.native import NativeSampler, c_module

FREE_THREADED_WORD, VERSION_WORD, WORDS = 2, 1, 128
own_table = pytest.mark.skipif(sys.version_info < (3, 13), reason="CPython has a table of offsets from 3.13 on")


def read_layout(table: Any = None) -> Any:
    """The layout, or the sentence that refuses it."""
    module = c_module()
    layout, error = module.ffi.new("flame_layout *"), module.ffi.new("char[512]")
    if module.lib.flame_read_layout(module.ffi.NULL if table is None else table, layout, error, 512):
        return module.ffi.string(error).decode()
    return layout


def copied_table() -> Any:
    ffi = c_module().ffi
    runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    return ffi.new("uint64_t[]", list(ffi.cast("uint64_t *", runtime)[0:WORDS]))


def test_the_layout_is_that_of_the_running_version() -> None:
    assert read_layout().version == sys.hexversion >> 16


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
@pytest.mark.parametrize("version", [0x030C00F0, 0x031000F0])
def test_a_version_without_a_decoder_is_refused(version: int) -> None:
    table = copied_table()
    table[VERSION_WORD] = version
    assert "no decoder" in read_layout(table)


@own_table
def test_a_table_of_another_minor_version_is_refused() -> None:
    table = copied_table()
    table[VERSION_WORD] = 0x030D00F0 if sys.version_info[:2] != (3, 13) else 0x030E00F0
    assert "built for another CPython" in read_layout(table)


@own_table
def test_what_is_no_table_is_refused() -> None:
    table = copied_table()
    table[0] += 1
    assert "no table" in read_layout(table)


@own_table
def test_every_word_that_is_used_matters() -> None:
    """Each used word, made absurd, is refused, and none is passed on; the words between belong to other readers."""
    refused = 0
    for word in range(FREE_THREADED_WORD + 1, WORDS):
        table = copied_table()
        table[word] = 1 << 40
        refused += isinstance(read_layout(table), str)
    used = {(3, 13): 15, (3, 14): 15, (3, 15): 17}[sys.version_info[:2]]
    assert refused == used
