"""No sampled stack is one that the program never had; and a broken walk is noticed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest
from sampled import MS, collect, spin

from benchmarks.sampler import stack_truth
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame

PERIOD_NS = MS // 10


@pytest.fixture(scope="module")
def possible() -> set[tuple[RawFrame, ...]]:
    stack_truth.workload()  # imports and caches
    seen: set[tuple[RawFrame, ...]] = stack_truth.possible_stacks()
    return seen


def test_every_sampled_stack_is_one_the_profiler_saw(rung: SamplerInfo, possible: set[tuple[RawFrame, ...]]) -> None:
    with NativeSampler(replace(rung, frequency_hz=10_000)) as sampler:
        raw = stack_truth.sampled_stacks(sampler, PERIOD_NS, 6000)
    with NativeSampler(replace(rung, frequency_hz=10_000), with_fault=True) as broken:
        misread = stack_truth.sampled_stacks(broken, PERIOD_NS, 300)
    assert stack_truth.impossible_stacks(raw, possible) == []
    assert sum(s.count for s in stack_truth.impossible_stacks(misread, possible)) > 100
    assert raw.counts.unwindable + raw.counts.lost <= 0.02 * raw.counts.taken
    assert raw.counts.overflowed == raw.counts.truncated == 0


def test_code_that_an_exception_reaches_through_a_delegating_generator_is_read(rung: SamplerInfo) -> None:
    def inner() -> Generator[None]:
        try:
            yield
        except ValueError:
            spin(80 * MS)

    def outer() -> Generator[None]:
        yield from inner()

    def throwing() -> None:
        generator = outer()
        next(generator)
        with pytest.raises(StopIteration):
            generator.throw(ValueError)

    with NativeSampler(rung) as sampler:
        sampler.set_stops((throwing.__code__,))
        raw = collect(sampler, throwing)
    assert raw.counts.unwindable <= 0.1 * raw.counts.taken
    names = [tuple(f.qualname.rpartition(".")[2] for f in s.frames) for s in raw.stacks if s.cut]
    assert ("outer", "inner", "spin") in names
