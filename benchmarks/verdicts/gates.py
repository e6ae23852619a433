"""The gate's own judges, with processes from a bank as in a run: pair by pair, or head alone against a stored
baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from benchmarks.verdicts.inject import shortened
from pytest_flame import fold
from pytest_flame.baseline.stored import FLOORS, storable
from pytest_flame.compare import compare_interleaved
from pytest_flame.gate.trial import Screen, Trial
from pytest_flame.judge import judge
from pytest_flame.model import Judgement, Limits, Process, Recording, Verdict
from pytest_flame.stats import noise

TIME_S = 10.0
"""Only named in the advice."""
Pair: TypeAlias = tuple[Recording, Recording]
"""One process of base and one of head, each a separate recording."""


class Source(Protocol):
    """Where a judge takes processes from. Every method raises ``StopIteration`` if there are no more."""

    def __iter__(self) -> Iterator[Pair]: ...

    def __next__(self) -> Pair:
        """Both sides, measured one after the other."""

    def head(self) -> Recording:
        """One process of head, whatever base does."""

    def stored(self, processes: int) -> Recording:
        """This many processes of base, recorded earlier."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a judge said. ``low`` and ``high`` bound head over base, if the judge gives bounds."""

    verdict: Verdict
    low: float = 0.0
    high: float = float("inf")
    named: str = ""
    """The first culprit."""
    reason: str = ""
    length: float = 0.0
    """Of all pairs together, in full ones."""


Judge: TypeAlias = Callable[[Source], Decision]
"""Takes as many processes as it needs."""


def interleaved(limits: Limits, most: int, *, shortens: bool = True) -> Judge:
    """A complete trial: search, without pairs that the machine disturbed, and confirmation. Without ``shortens`` all
    pairs are full ones."""

    def decide(source: Source) -> Decision:
        trial, draw = Trial(limits, most, 1, TIME_S), np.random.default_rng(0)
        base, head, length = [], [], 0.0
        while True:
            b, h = next(source)
            if shortens:
                trial.full_rounds = max(trial.full_rounds or 0, len(b.processes[0].rounds), len(h.processes[0].rounds))
            length += trial.next_share
            b, h = (_shortened(side, trial.next_share, draw) for side in (b, h))
            base.append(b)
            head.append(h)
            if not trial.wants_more(pooled(base), pooled(head)):
                return replace(_decision(trial.judgement), length=length)

    return decide


def _shortened(recording: Recording, share: float, draw: np.random.Generator) -> Recording:
    if share == 1:
        return recording
    return replace(recording, processes=tuple(shortened(p, share, draw) for p in recording.processes))


def stored(limits: Limits, most: int, kept: Callable[[Recording], Recording] = storable) -> Judge:
    """The screen alone. Its REGRESSED and INCONCLUSIVE are suspicions, which a run measures again.

    ``kept`` is what a baseline keeps of its recording.
    """

    def decide(source: Source) -> Decision:
        screen = Screen(kept(source.stored(most)), limits, most, TIME_S)
        head = [source.head()]
        while screen.wants_more(None, pooled(head)):
            head.append(source.head())
        return _decision(screen.judgement)

    return decide


def fixed(limits: Limits, pairs: int) -> Judge:
    """The same statistics with one look, after a fixed number of pairs, at the full level."""

    def decide(source: Source) -> Decision:
        base, head = (pooled(side) for side in zip(*(next(source) for _ in range(pairs)), strict=True))
        keep = noise.discards(base.processes, head.processes).keep(pairs)
        base, head = (replace(side, processes=tuple(side.processes[i] for i in keep)) for side in (base, head))
        comparison = compare_interleaved(base, head, limits, alpha=limits.alpha, most=pairs)
        return _decision(judge(comparison, base, head, time_s=TIME_S))

    return decide


def gates(limits: Limits, pairs: int) -> Mapping[str, Judge]:
    """Of ``stored`` also what it would decide by the recording as measured, and by one pruned as far as any is."""
    return {
        "gate": interleaved(limits, pairs),
        "full": interleaved(limits, pairs, shortens=False),
        "stored": stored(limits, pairs),
        "unreduced": stored(limits, pairs, lambda recording: recording),
        "pruned": stored(limits, pairs, lambda recording: fold.pruned(storable(recording), FLOORS[-1])),
        "fixed": fixed(limits, pairs),
    }


def pooled(recordings: Sequence[Recording]) -> Recording:
    processes: Iterable[Process] = (p for r in recordings for p in r.processes)
    return replace(recordings[0], processes=tuple(processes))


def _decision(judgement: Judgement | None) -> Decision:
    assert judgement is not None and judgement.comparison is not None
    c = judgement.comparison
    named = c.culprits[0].frame.name if c.culprits else ""
    return Decision(judgement.verdict, c.low, c.high, named, judgement.reason)
