"""A slowdown put into a process that was recorded without it: exact in the clock, and where the samples say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pytest_flame.model import Frame, Process, Stack, StackSample


def slowed(process: Process, effect: float, frame: Frame | None, draw: np.random.Generator) -> Process:
    """``process`` with rounds that cost ``1 + effect`` times as much.

    The new cost is that of stacks which end in ``frame``, shared out as their samples are; with None it is everybody's.
    How many samples arrive there is drawn (Poisson), as it would be by a sampler.
    """
    rounds = tuple(replace(r, cpu_ns=round(r.cpu_ns * (1 + effect))) for r in process.rounds)
    whole = sum(sample.count for sample in process.stacks.values())
    if whole == 0 or effect == 0:
        return replace(process, rounds=rounds)
    places = {s: x for s, x in process.stacks.items() if frame is None or s[-1] == frame}
    if not places:
        raise ValueError(f"{frame} was not sampled in this process")
    arrived = int(draw.poisson(effect * whole))
    shares = np.array([sample.count for sample in places.values()], dtype=np.float64)
    more = draw.multinomial(arrived, shares / shares.sum())
    period = sum(sample.weight_ns for sample in process.stacks.values()) / whole
    stacks = dict(process.stacks)
    for (stack, sample), count in zip(places.items(), more, strict=True):
        stacks[stack] = StackSample(sample.count + int(count), sample.weight_ns + round(int(count) * period))
    return replace(process, rounds=rounds, stacks=stacks)


def hottest(processes: Iterable[Process]) -> Frame:
    """The frame with the greatest cost of its own, over all processes that sampled it."""
    counts: Counter[Frame] = Counter()
    seen: Counter[Frame] = Counter()
    number = 0
    for process in processes:
        number += 1
        seen.update({_leaf(stack) for stack in process.stacks})
        for stack, sample in process.stacks.items():
            counts[_leaf(stack)] += sample.count
    everywhere = [frame for frame in counts if seen[frame] == number]
    return max(everywhere, key=lambda frame: counts[frame])


def _leaf(stack: Stack) -> Frame:
    return stack[-1]
