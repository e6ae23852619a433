"""Cost per source line: the copied line tables, and samples on the lines where the CPU went."""

from __future__ import annotations

import ast
import asyncio.base_events
import inspect
import json.decoder
import os
import random
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from sampled import MS, TIMER, beyond_chance, collect, sanitized, spin

from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame, RawSamples
from pytest_flame.sampling.source_lines import LineTable, line_weights

NUMBERS = [range(random.Random(n).randrange(5_000, 35_000)) for n in range(60)]
"""Of irregular lengths: a loop that takes as long as the sampling period would be seen in the same place each time."""


def functions(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from functions(constant)


@pytest.mark.parametrize("module", [ast, asyncio.base_events, json.decoder, re, typing], ids=lambda m: m.__name__)
def test_every_instruction_has_the_line_the_interpreter_gives_it(module: ModuleType) -> None:
    source = Path(inspect.getfile(module))
    for code in functions(compile(source.read_text(encoding="utf-8"), str(source), "exec")):
        table, before = LineTable(code.co_linetable, code.co_firstlineno), code.co_firstlineno
        for i, position in enumerate(code.co_positions()):
            before = position[0] if position[0] is not None else before
            assert table.line(2 * i) == before, code


def by_line(raw: RawSamples, function: CodeType) -> dict[int, int]:
    """Weights by line below the function's first."""
    frame = RawFrame(function.co_qualname, function.co_filename, function.co_firstlineno)
    return {at.line - function.co_firstlineno: at.weight_ns for at in raw.lines if at.frame == frame}


def calling_c() -> None:
    for numbers in NUMBERS:
        sum(numbers)
        sum(numbers), sum(numbers), sum(numbers)


def test_c_code_counts_for_the_line_that_calls_it(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler:
        raw = collect(sampler, lambda: [calling_c() for _ in range(5)], MS // 2, seed=1)
    lines = by_line(raw, calling_c.__code__)
    assert lines[2] + lines[3] > 0.95 * sum(lines.values())
    assert not beyond_chance(lines[2] / (lines[2] + lines[3]), 0.25, raw.counts.taken)


def adding(a: int, b: int) -> int:
    for _ in range(100_000):
        c = a + b - a + b - a + b - a + b
        d = a + b - a + b - a + b - a + b - a + b - a + b - a + b - a + b
        e = a + b - a + b - a + b - a + b
    return c + d + e


@pytest.mark.skipif(sanitized(), reason="with a sanitizer allocating costs more than all bytecode")
def test_bytecode_counts_for_its_own_line(perf_required: SamplerInfo) -> None:
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, lambda: [adding(3, 4) for _ in range(16)], MS // 5, seed=1)
    lines = by_line(raw, adding.__code__)
    body = lines[2] + lines[3] + lines[4]
    assert body > 0.7 * sum(lines.values())
    assert lines[3] / body == pytest.approx(1 / 2, abs=0.1)


@pytest.mark.skipif(sanitized(), reason="with a sanitizer allocating costs more than all bytecode")
def test_the_simplest_instructions_count_for_their_own_line(perf_required: SamplerInfo) -> None:
    """Instructions that can neither call nor fail: an interpreter could omit storing their place."""
    names: dict[str, typing.Any] = {}
    moves = "; ".join(["c = b"] * 60)
    source = f"def moving(b):\n  for i in range(60_000):\n    i + 1\n    {moves}\n    i + 2\n    {moves}"
    exec(compile(source, "/tmp/moving.py", "exec"), names)
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, lambda: [names["moving"](1) for _ in range(6)], MS // 5, seed=1)
    lines = by_line(raw, names["moving"].__code__)
    assert lines[3] + lines[5] > 0.6 * sum(lines.values())
    # Without its place, one of them would have nothing; a busy machine interrupts one of them more often.
    assert lines[3] / (lines[3] + lines[5]) == pytest.approx(1 / 2, abs=0.25)


def test_lines_have_the_cost_of_the_samples_they_come_from(perf_required: SamplerInfo) -> None:
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, lambda: spin(50 * MS))
    assert sum(at.weight_ns for at in raw.lines) == sum(s.weight_ns for s in raw.stacks) == raw.weight_ns
    assert sum(at.count for at in raw.lines) == raw.counts.taken


def test_system_calls_count_for_their_line(perf_required: SamplerInfo) -> None:
    def reading() -> None:
        for _ in range(400):
            os.readv(zeros, [buffer])

    buffer = bytearray(b"." * (1 << 23))  # its pages are there
    zeros = os.open("/dev/zero", os.O_RDONLY)
    with NativeSampler(perf_required) as sampler:
        raw = collect(sampler, reading)
    os.close(zeros)
    lines = by_line(raw, reading.__code__)
    assert sum(lines.values()) > 10 * MS
    assert lines[2] > 0.9 * sum(lines.values())


def test_clearing_forgets_lines(rung: SamplerInfo) -> None:
    with NativeSampler(rung) as sampler:
        collect(sampler, lambda: spin(10 * MS))
        sampler.clear()
        assert sampler.samples().lines == ()
        again = collect(sampler, lambda: spin(10 * MS))
    assert sum(at.weight_ns for at in again.lines) == again.weight_ns


def test_a_line_table_without_room_costs_no_sample(perf_required: SamplerInfo) -> None:
    names: dict[str, typing.Any] = {"spin": spin}
    body = "\n".join(f"    x = {i}" for i in range(6000))
    exec(compile(f"def wide(ns):\n    spin(ns)\n{body}\n    sum(range(200_000))", "/tmp/wide.py", "exec"), names)
    with NativeSampler(perf_required, text_bytes=16_000) as sampler:
        sampler.set_stops((sys._getframe().f_code,))
        raw = collect(sampler, lambda: [names["wide"](2 * MS) for _ in range(10)])
    assert any(s.frames[-1].qualname == "wide" for s in raw.stacks)
    assert "wide" not in {at.frame.qualname for at in raw.lines}
    assert "spin" in {at.frame.qualname for at in raw.lines}
    assert raw.counts.overflowed == 0


def test_lines_are_kept_beside_a_functions_identity() -> None:
    with NativeSampler(TIMER) as sampler:
        raw = collect(sampler, calling_c)
    namer = FrameNamer(str(Path(__file__).parent), [])
    weights = {frame.qualname: lines for frame, lines in line_weights(raw, namer).items()}
    first = calling_c.__code__.co_firstlineno
    assert set(weights["calling_c"]) <= {first + 1, first + 2, first + 3}
    assert sum(weights["calling_c"].values()) == sum(by_line(raw, calling_c.__code__).values())
