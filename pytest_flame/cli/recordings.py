"""Profiles as the recordings that the gate compares: each file is one process, one replicate.

Nothing is invented: a file's sum is its process's cost, its stacks are that process's samples. What a file does not
contain (rounds, clocks, the machine) stays empty, and the rules that need it do not apply.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_flame.model import (
    SAMPLE_COUNT,
    Process,
    Profile,
    Recording,
    SampleCounts,
    SamplerInfo,
    StackSample,
    Timing,
    earliest_lines,
)
from pytest_flame.render.words import FILES


def recording(title: str, profiles: Sequence[Profile]) -> Recording:
    """One side."""
    metric = profiles[0].metric
    return Recording(
        test_id=title,
        processes=tuple(map(_process, profiles)),
        sampler=SamplerInfo(rung=FILES, event=metric.unit_name, kernel=True, frequency_hz=0),
        fingerprint={},
        lines=earliest_lines(profiles),
        metric=metric,
    )


def _process(profile: Profile) -> Process:
    samples = profile.columns[SAMPLE_COUNT]
    return Process(
        rounds=(),
        told=Timing(1, 1, 1, cpu_ns=0, wall_ns=0, sampled_cpu_ns=0, plain_cost=None, sampled_cost=profile.total),
        stacks={stack: StackSample(samples[stack], cost) for stack, cost in profile.costs.items()},
        counts=SampleCounts(taken=sum(samples.values())),
    )
