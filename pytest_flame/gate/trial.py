"""Deciding while measuring: after each process or pair, is another one needed?

A *screen* compares head's processes with a stored baseline. A *trial* compares pairs measured together, in two stages:
the search looks several times and stops as soon as everything is settled; what looks regressed is then measured again
and has to show again. The looks share the error between them (``stats.looks``). With the second stage, a test is
falsely called REGRESSED only if both err, and the error over the family of all tests × frames is controlled at the
stated level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from pytest_flame import fold
from pytest_flame.compare import compare, compare_interleaved
from pytest_flame.judge import Rule, judge
from pytest_flame.measure.schedule import MIN_PROCESSES
from pytest_flame.model import (
    Comparison,
    ExactComparison,
    Frame,
    FrameDelta,
    Judgement,
    Limits,
    Objection,
    Process,
    Recording,
    Verdict,
)
from pytest_flame.stats import noise
from pytest_flame.stats.looks import Looks, plan_looks

SHORT: Final = 0.4
"""Of a full process: enough for the whole test, since most of its noise is between processes."""
SPARE: Final = 1.3
"""The most pairs measured, relative to those that count: disturbed pairs are measured again, within limits."""


@dataclass
class Screen:
    """One stored baseline and the processes of head, as they arrive."""

    base: Recording
    limits: Limits
    most: int
    time_s: float
    rules: Sequence[Rule] | None = None
    judgement: Judgement | None = None
    next_share: ClassVar[float] = 1.0
    """The stored processes are full ones."""
    _seen: int = 0
    _looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        self._looks = plan_looks(self.most, self.limits.alpha)

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        """Whether the next process could change anything. The protocol's ``base`` is None: it is stored."""
        count = len(head.processes)
        before, self._seen = self._seen, count
        if not self._looks.due(before, count):
            return count < self._looks.last
        self.decide(head)
        assert self.judgement is not None
        return count < self._looks.last and not _settled(self.judgement)

    def decide(self, head: Recording) -> Judgement:
        """The verdict with the data so far, also between looks (if the run was ended)."""
        alpha = self._looks.alpha(len(head.processes))
        base, head = fold.alike(self.base, head)
        comparison = compare(base, head, self.limits, alpha=alpha, most=self._looks.last)
        self.judgement = judge(comparison, base, head, time_s=self.time_s, rules=self.rules)
        return self.judgement


@dataclass
class OneLook:
    """Nothing to compare with: that it can be measured is all there is to see."""

    next_share: ClassVar[float] = 1.0

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        return len(head.processes) < MIN_PROCESSES


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the search found and the confirmation has to find again."""

    objections: frozenset[Objection]
    after: int
    """The number of pairs in the search; the confirmation's follow."""

    @property
    def frames(self) -> frozenset[Frame] | None:
        """The frames that the confirmation may name; None, any frame, if there is an objection to the whole test."""
        subjects = {objection.subject for objection in self.objections}
        return None if None in subjects else frozenset(frame for frame in subjects if frame is not None)

    def shown(self, judgement: Judgement) -> bool:
        return not self.objections.isdisjoint(judgement.objections)


@dataclass
class Trial:
    """One test's pairs, as they arrive. The ``tests`` of the run share the error of the confirmations."""

    limits: Limits
    most: int
    tests: int
    time_s: float
    exact: ExactComparison | None = None
    """Exact counts of calls on both sides."""
    full_rounds: int | None = None
    """Of a full process; None: all processes have the same length."""
    rules: Sequence[Rule] | None = None
    suspicion: Suspicion | None = None
    judgement: Judgement | None = None
    confirmed: bool = False
    """The suspicion has shown again; further pairs only help to name the frame."""
    discarded: tuple[noise.Discarded, ...] = ()
    _seen: int = 0

    @property
    def next_share(self) -> float:
        """The first pairs are short. Which functions grew takes samples: once a look leaves some open, or something is
        suspected, pairs are full ones."""
        if self.full_rounds is None or self.suspicion is not None:
            return 1.0
        comparison = self.judgement.comparison if self.judgement is not None else None
        return 1.0 if comparison is not None and comparison.unresolved else SHORT

    @property
    def search(self) -> Looks:
        # One more look for both stages pooled, if the confirmation does not confirm.
        return plan_looks(self.most, self.limits.alpha, reserve=1)

    @property
    def confirmation(self) -> Looks:
        # M tests each err in the search with probability alpha: M·alpha·(1/M) = alpha for the whole family.
        return plan_looks(self.most, min(self.limits.alpha, 1 / self.tests))

    def wants_more(self, base: Recording | None, head: Recording) -> bool:
        """Whether more pairs are needed. ``base`` and ``head`` hold all pairs so far, in the order they ran."""
        assert base is not None
        start = self.suspicion.after if self.suspicion else 0
        looks = self.confirmation if self.suspicion else self.search
        stage = _from(base, start), _from(head, start)
        measured = len(head.processes) - start
        spent = measured >= round(SPARE * looks.last)
        pair = self._kept(*stage)
        count = len(pair[1].processes)
        # A pair may turn out to be disturbed only once there are more to compare it with: no look is taken twice.
        before, self._seen = self._seen, max(self._seen, count)
        if not (looks.due(before, count) or (spent and count > 0)):
            return not spent
        last = spent or count >= looks.last
        if self.suspicion is None:
            return self._search(*pair, looks.alpha(count), last, len(head.processes))
        return self._confirm(*pair, looks.alpha(count), last, base, head)

    def decide(self, base: Recording, head: Recording) -> Judgement:
        """The verdict with the data so far, if the run ended before the trial."""
        if self.confirmed and self.judgement is not None:
            return self.judgement
        kept = self._kept(base, head)
        comparison = self._compare(*kept, self.search.alphas[-1])
        found = self._judge(comparison, *kept)
        if found.verdict is Verdict.REGRESSED:
            found = replace(found, verdict=Verdict.INCONCLUSIVE, reason=f"not confirmed in time: {found.reason}")
        self.judgement = replace(found, interleaved=True)
        return self.judgement

    def _search(self, base: Recording, head: Recording, alpha: float, last: bool, measured: int) -> bool:
        comparison = self._compare(base, head, alpha)
        self.judgement = found = replace(self._judge(comparison, base, head), interleaved=True)
        if found.verdict is Verdict.REGRESSED:
            self.suspicion = Suspicion(frozenset(found.objections), measured)
            self._seen = 0
            return True
        return not last and not _settled(found)

    def _confirm(
        self, base: Recording, head: Recording, alpha: float, last: bool, all_base: Recording, all_head: Recording
    ) -> bool:
        assert self.suspicion is not None
        comparison = self._compare(base, head, alpha, self.suspicion.frames)
        found = self._judge(comparison, base, head)
        if self.suspicion.shown(found):
            self.judgement = replace(found, interleaved=True)
            self.confirmed = True
            return not last and not _named(comparison) and bool(comparison.unresolved)
        if self.confirmed:  # by an earlier look
            return not last and bool(comparison.unresolved)
        decided = comparison.high < 1 + self.limits.threshold and not comparison.unresolved
        if not (last or decided):
            return True
        self.judgement = self._unconfirmed(all_base, all_head)
        return False

    def _unconfirmed(self, base: Recording, head: Recording) -> Judgement:
        """Both stages pooled. What only one of them showed is not a regression, but not a pass either; if all pairs
        together show it at the remaining error, they have confirmed it."""
        kept = self._kept(base, head)
        pooled = self._judge(self._compare(*kept, self.search.alphas[-1]), *kept)
        if pooled.verdict is Verdict.REGRESSED:
            sure = self._pooled_alpha > 0 and self._judge(self._compare(*kept, self._pooled_alpha), *kept)
            if sure and any(objection.by_alpha for objection in sure.objections):
                return replace(sure, interleaved=True)
            pooled = replace(
                pooled,
                verdict=Verdict.INCONCLUSIVE,
                reason=f"seen once, and not when it was measured again: {pooled.reason}",
            )
        return replace(pooled, interleaved=True)

    @property
    def _pooled_alpha(self) -> float:
        """What both stages leave of a test's share of the family's error; at most that of the look the search reserved.

        The search may have ended at any of its looks, so the error is divided by their number.
        """
        alpha = self.limits.alpha
        left = alpha / self.tests - alpha * min(alpha, 1 / self.tests)
        return min(self.search.alphas[-1], max(left, 0.0)) / len(self.search.counts)

    def _judge(self, comparison: Comparison, base: Recording, head: Recording) -> Judgement:
        return judge(comparison, base, head, time_s=self.time_s, rules=self.rules)

    def _compare(
        self, base: Recording, head: Recording, alpha: float, suspects: frozenset[Frame] | None = None
    ) -> Comparison:
        return compare_interleaved(
            base,
            head,
            self.limits,
            alpha=alpha,
            most=self.most,
            done=self._done(head),
            suspects=suspects,
            exact=self.exact,
        )

    def _done(self, head: Recording) -> float:
        """The share of all rounds so far, if the pairs that are left are full ones."""
        processes = len(head.processes)
        if self.full_rounds is None:
            return processes / max(processes, self.most)
        rounds = sum(len(process.rounds) for process in head.processes)
        return rounds / (rounds + self.full_rounds * max(0, self.most - processes))

    def _kept(self, base: Recording, head: Recording) -> tuple[Recording, Recording]:
        """Without the pairs the machine disturbed."""
        found = noise.discards(base.processes, head.processes)
        self.discarded = found.pairs
        keep = found.keep(len(head.processes))
        return _only(base, keep), _only(head, keep)


def _settled(judgement: Judgement) -> bool:
    """The total is decided, and a frame is named or every frame is resolved."""
    comparison = judgement.comparison
    if judgement.verdict is Verdict.ERROR:
        return True
    decided = judgement.verdict in (Verdict.PASS, Verdict.IMPROVED, Verdict.REGRESSED)
    return decided and comparison is not None and (_named(comparison) or not comparison.unresolved)


def _named(comparison: Comparison) -> bool:
    """Whether a culprit is a part of the test: not its body, which contains all of the cost."""
    whole = comparison.base, comparison.head
    parts = (culprit for culprit in comparison.culprits if (culprit.base, culprit.head) != whole)
    return any(not _may_be_a_callees(comparison, culprit) for culprit in parts)


def _may_be_a_callees(comparison: Comparison, culprit: FrameDelta) -> bool:
    """Whether most of the culprit's growth shows in a smaller function that more pairs may yet name instead."""
    waiting = set(comparison.unresolved)
    return any(
        delta.frame in waiting
        and not delta.over_threshold
        and delta.head < culprit.head
        and delta.delta >= culprit.own_delta / 2
        for delta in comparison.frames
    )


def _from(recording: Recording, start: int) -> Recording:
    return replace(recording, processes=recording.processes[start:]) if start else recording


def _only(recording: Recording, indexes: list[int]) -> Recording:
    processes: tuple[Process, ...] = tuple(recording.processes[i] for i in indexes)
    return replace(recording, processes=processes) if len(indexes) < len(recording.processes) else recording
