"""Adds a slowdown to a recorded process: exactly to its clock, and where it belongs in its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_flame.measure.job import Plan
from pytest_flame.model import Frame, Process, Stack, StackSample


@dataclass(frozen=True, slots=True)
class Change:
    """The slowdown of head. The default is none.

    The test costs ``1 + effect`` times as much, and the new cost goes to stacks that end in ``frame``, in proportion to
    their samples; with None, to all stacks. With ``instead``, this frame loses what the other gains, and the test costs
    the same: ``effect`` is still a share of the test.
    """

    effect: float = 0.0
    frame: Frame | None = None
    instead: Frame | None = None

    @property
    def total(self) -> float:
        """True cost of head over that of base."""
        return 1.0 if self.instead else 1 + self.effect


def shortened(process: Process, share: float, draw: np.random.Generator) -> Process:
    """``process`` as if it had been planned with this share of its rounds. Which samples it keeps is random: a process
    has one profile for all of its rounds."""
    plan = Plan(1, len(process.rounds)).shortened(share)
    rounds = process.rounds[: plan.rounds]
    sampled = sum(r.sampled for r in rounds) / max(1, sum(r.sampled for r in process.rounds))
    kept = {stack: int(draw.binomial(sample.count, sampled)) for stack, sample in process.stacks.items()}
    stacks = {
        stack: StackSample(kept[stack], sample.weight_ns * kept[stack] // sample.count)
        for stack, sample in process.stacks.items()
        if kept[stack]
    }
    return replace(process, rounds=rounds, stacks=stacks)


def slowed(process: Process, change: Change, draw: np.random.Generator) -> Process:
    """``process`` with ``change`` in it. The numbers of added (Poisson) and removed (binomial) samples are random."""
    rounds = tuple(replace(r, cpu_ns=round(r.cpu_ns * change.total)) for r in process.rounds)
    whole = sum(sample.count for sample in process.stacks.values())
    if whole == 0 or change.effect == 0:
        return replace(process, rounds=rounds)
    stacks = dict(process.stacks)
    period = sum(sample.weight_ns for sample in process.stacks.values()) / whole
    places = {s: x for s, x in process.stacks.items() if change.frame is None or s[-1] == change.frame}
    if not places:
        raise ValueError(f"{change.frame} was not sampled in this process")
    arrived = int(draw.poisson(change.effect * whole))
    shares = np.array([sample.count for sample in places.values()], dtype=np.float64)
    more = draw.multinomial(arrived, shares / shares.sum())
    for (stack, sample), count in zip(places.items(), more, strict=True):
        stacks[stack] = _changed(sample, int(count), period)
    losing = {s: x for s, x in process.stacks.items() if change.instead is not None and s[-1] == change.instead}
    its = sum(sample.count for sample in losing.values())
    for stack, sample in losing.items():
        gone = int(draw.binomial(sample.count, min(1.0, change.effect * whole / its)))
        stacks[stack] = _changed(sample, -gone, period)
    return replace(process, rounds=rounds, stacks={s: x for s, x in stacks.items() if x.count > 0})


def _changed(sample: StackSample, count: int, period: float) -> StackSample:
    return StackSample(sample.count + count, max(0, sample.weight_ns + round(count * period)))


# --- where it goes -----------------------------------------------------------------------------------------


def own_shares(processes: Sequence[Process]) -> dict[Frame, float]:
    """Mean self share of the samples, for frames that every process sampled; largest first."""
    counts: Counter[Frame] = Counter()
    seen: Counter[Frame] = Counter()
    for process in processes:
        seen.update({_leaf(stack) for stack in process.stacks})
        for stack, sample in process.stacks.items():
            counts[_leaf(stack)] += sample.count
    whole = counts.total()
    return {frame: n / whole for frame, n in counts.most_common() if seen[frame] == len(processes)}


def hottest(processes: Iterable[Process]) -> Frame:
    """The frame with the largest self cost, over all processes that sampled it."""
    return next(iter(own_shares(list(processes))))


def masked(processes: Iterable[Process], growth: float, about: float = 0.1) -> Change | None:
    """The frame whose share is nearest to ``about`` of the test grows by ``growth`` of itself, and the most expensive
    other one pays for it.

    Only functions: frames that represent threads without Python or the kernel are not code that changes. None if no
    frame has between half and twice that share, or no other one can pay.
    """
    shares = own_shares(list(processes))
    near = [f for f, share in shares.items() if about / 2 <= share <= 2 * about and not f.module.startswith("[")]
    if not near:
        return None
    frame = min(near, key=lambda f: abs(np.log(shares[f] / about)))
    effect = growth * shares[frame]
    payer = next((f for f, share in shares.items() if f != frame and share > effect), None)
    return Change(effect, frame, payer) if payer else None


def _leaf(stack: Stack) -> Frame:
    return stack[-1]
