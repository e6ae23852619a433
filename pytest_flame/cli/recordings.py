"""Profiles as the recordings that the gate compares: each file is one process, one replicate.

Nothing is invented: a file's sum is its process's cost, its stacks are that process's samples. What a file does not
contain (rounds, clocks, the machine) stays empty, and the rules that need it do not apply.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_flame.cli.inputs import Source, earliest_lines
from pytest_flame.model import Process, Recording, SampleCounts, SamplerInfo, StackSample, Timing
from pytest_flame.render.words import FILES


def recording(title: str, sources: Sequence[Source]) -> Recording:
    """One side."""
    return Recording(
        test_id=title,
        processes=tuple(map(_process, sources)),
        sampler=SamplerInfo(rung=FILES, event=sources[0].unit.name, kernel=True, frequency_hz=0),
        fingerprint={},
        lines=earliest_lines(sources),
    )


def _process(source: Source) -> Process:
    total = sum(source.costs.values())
    return Process(
        rounds=(),
        told=Timing(1, 1, 1, cpu_ns=0, wall_ns=0, sampled_cpu_ns=0, plain_cost=None, sampled_cost=total),
        stacks={stack: StackSample(source.samples[stack], cost) for stack, cost in source.costs.items()},
        counts=SampleCounts(taken=sum(source.samples.values())),
    )
