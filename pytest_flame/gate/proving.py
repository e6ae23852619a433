"""Which tests need not be timed: those whose whole execution rests on the same inputs on both sides."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_flame.baseline import stored_counts
from pytest_flame.gate.remarks import exact_remarks
from pytest_flame.gate.request import Judged, Request, Selected
from pytest_flame.judge import by_calls, inconclusive, proved, without_calls
from pytest_flame.measure.counting import Countable, Passes, count
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.schedule import BASE, HEAD, Measured
from pytest_flame.model import Calls, ChangedCode, Counted, ExactComparison, Footprint, Frame, Recording, differences
from pytest_flame.quantities import shown_seconds


@dataclass(frozen=True, slots=True)
class Proofs:
    """``exact``: the tests that were counted on both sides. ``audited``: proved, and timed nevertheless."""

    exact: Mapping[str, ExactComparison]
    ran: Mapping[str, frozenset[Frame]]
    """The changed functions that a test runs on head, its imports included; of the tests that were counted there."""
    wall_s: Mapping[str, float]
    body_ns: Mapping[str, int] = field(default_factory=dict)
    """CPU of the body on the more expensive side, at most."""
    priority: Mapping[str, float] = field(default_factory=dict)
    """How much a test is suspected before it is measured."""
    audited: frozenset[str] = frozenset()
    calls_threshold: float | None = None
    failures: Mapping[str, tuple[str, WorkerResult]] = field(default_factory=dict)
    """Why tests could not be counted, and on which side, base before head; without those there was no time for."""
    interrupted: bool = False
    """Ctrl-C ended the exact passes early."""

    @classmethod
    def nothing(cls) -> Proofs:
        return cls({}, {}, {})

    @classmethod
    def from_stored(
        cls, bases: Mapping[str, Recording | None], head: Mapping[str, Counted], request: Request
    ) -> Proofs:
        """Head against what the baselines keep of base's exact passes, wherever they were recorded."""
        exact: dict[str, ExactComparison] = {}
        for test_id, base in bases.items():
            now = head.get(test_id)
            if base is None or base.counted is None or now is None:
                continue
            exact[test_id] = ExactComparison(base.counted, stored_counts.storable(now, base.source_hashes))
        return cls(
            exact, {}, dict.fromkeys(exact, 0.0), {}, {}, _audited(exact, request), request.settings.calls_threshold
        )

    def with_exact(self, judged: Judged, test_id: str) -> Judged:
        """A test that was timed, with what its exact passes say."""
        exact = self.exact.get(test_id)
        if judged.judgement is None:
            return judged
        if exact is None:
            return replace(judged, judgement=without_calls(judged.judgement, self.calls_threshold))
        notes = (*judged.judgement.notes, *exact_remarks(exact))
        judgement = replace(judged.judgement, notes=notes, exact=exact)
        return replace(judged, judgement=by_calls(judgement, self.calls_threshold))

    def with_counted(self, judged: Judged, test_id: str) -> Judged:
        """With the changed functions that the test's exact pass executed."""
        ran = self.ran.get(test_id)
        return judged if ran is None else replace(judged, ran=judged.ran | ran, counted=True)

    def settled(self, selected: Sequence[Selected]) -> dict[str, Judged]:
        """The verdicts of the tests that need not be timed, by test id."""
        found = {test.test_id: self._settled(test.test_id, test.settings.floor_s) for test in selected}
        return {test_id: judged for test_id, judged in found.items() if judged is not None}

    def _settled(self, test_id: str, floor_s: float) -> Judged | None:
        exact = self.exact.get(test_id)
        if exact is None or test_id in self.audited:
            return None
        if exact.same_code:
            return Judged(proved(test_id, exact), None, self.wall_s[test_id])
        body_ns = self.body_ns.get(test_id)
        if body_ns is None or body_ns >= floor_s * 1e9:
            return None
        reason = f"affected, but too cheap to be measured: below {shown_seconds(floor_s)} of CPU (--flame-floor)"
        judged = Judged(replace(inconclusive(test_id, reason), measured=False), None, self.wall_s[test_id])
        return self.with_exact(judged, test_id)


def prove(
    selected: Sequence[Selected],
    sides: Mapping[str, Launcher],
    changed: ChangedCode,
    request: Request,
    max_time_s: float | None,
) -> Proofs:
    """Executes each test once on both sides; if that does not prove that the code is the same, once more with another
    hash seed, which shows what is not the same in every process."""
    if request.settings.measure == "all":
        return Proofs.nothing()
    passes, interrupted = _count(selected, sides, request, max_time_s, _is_proved)
    exact: dict[str, ExactComparison] = {}
    ran: dict[str, frozenset[Frame]] = {}
    priority: dict[str, float] = {}
    own = {f"function {function.frame.name}" for function in changed.functions}
    for test in selected:
        base, head = (passes[side].footprints(test.test_id) for side in (BASE, HEAD))
        if head is not None:
            ran[test.test_id] = frozenset(
                function.frame for function in changed.functions for one, _ in head if function.frame.name in one.code
            )
        if base is None or head is None:
            continue
        priority[test.test_id] = _suspicion(base[0], head[0])
        differing = [what for (one, _), (two, _) in zip(base, head, strict=True) for what in differences(one, two)]
        # What else runs because of a change is said after the change.
        differing.sort(key=lambda what: what not in own)
        exact[test.test_id] = ExactComparison(Counted.of(base), Counted.of(head), tuple(dict.fromkeys(differing)))
    wall_s = {t.test_id: sum(one.wall_s[t.test_id] for one in passes.values()) for t in selected}
    body_ns = {test: max(one.body_ns(test) or 0 for one in passes.values()) for test in exact}
    failures = {t.test_id: found for t in selected if (found := _failure(passes, t.test_id)) is not None}
    audited, calls_threshold = _audited(exact, request), request.settings.calls_threshold
    return Proofs(exact, ran, wall_s, body_ns, priority, audited, calls_threshold, failures, interrupted)


def _is_proved(test_id: str, passes: Mapping[str, Passes]) -> bool:
    base, head = (passes[side].footprints(test_id) for side in (BASE, HEAD))
    return base is not None and head is not None and ExactComparison(Counted.of(base), Counted.of(head)).same_code


def _suspicion(base: tuple[Footprint, Calls], head: tuple[Footprint, Calls]) -> float:
    """The share of the body's calls that are calls of changed functions, and how many more calls there are."""
    (base_code, base_calls), (head_code, head_calls) = base, head
    names = base_code.code.keys() | head_code.code.keys()
    changed = {name for name in names if base_code.code.get(name) != head_code.code.get(name)}
    called = sum(head_calls.functions.values())
    of_changed = sum(n for frame, n in head_calls.functions.items() if frame.name in changed)
    more = called / max(1, sum(base_calls.functions.values()))
    return of_changed / max(1, called) + max(0.0, math.log(max(more, 1e-9)))


def _audited(exact: Mapping[str, ExactComparison], request: Request) -> frozenset[str]:
    """Drawn from the tests that are proved, to be timed nevertheless."""
    same = sorted(test for test, found in exact.items() if found.same_code)
    audited = 0 if request.settings.measure == "none" else min(len(same), request.settings.audit)
    return frozenset(random.Random(f"{request.settings.seed}/audit").sample(same, audited))


def _failure(passes: Mapping[str, Passes], test_id: str) -> tuple[str, WorkerResult] | None:
    found = ((side, one) for side in (BASE, HEAD) for one in passes[side].results[test_id])
    return next(((side, one) for side, one in found if one.status is not Status.COUNTED), None)


def count_head(selected: Sequence[Selected], head: Launcher, request: Request) -> tuple[dict[str, Counted], bool]:
    """The exact passes of head alone, without the tests that could not be counted; and whether Ctrl-C ended it."""
    if request.settings.measure == "all":
        return {}, False
    passes, interrupted = _count(selected, {HEAD: head}, request, request.settings.max_time_s)
    found = {test.test_id: passes[HEAD].footprints(test.test_id) for test in selected}
    counted = {test: Counted.of(footprints) for test, footprints in found.items() if footprints is not None}
    return counted, interrupted


def not_measured(timed: Sequence[Selected]) -> list[Measured]:
    """What there is of tests whose run was interrupted before."""
    return [Measured(t.test_id, None, None, None, HEAD, t.target.processes, 0.0, complete=False) for t in timed]


def _never(test_id: str, passes: Mapping[str, Passes]) -> bool:
    return False


def _count(
    selected: Sequence[Selected],
    sides: Mapping[str, Launcher],
    request: Request,
    max_time_s: float | None,
    enough: Callable[[str, Mapping[str, Passes]], bool] = _never,
) -> tuple[dict[str, Passes], bool]:
    countable = [Countable(t.test_id, t.file, t.place, t.seen, twice=not t.settings.fresh) for t in selected]
    forks = request.settings.isolation == "fork"
    return count(countable, sides, request.progress, forks=forks, max_time_s=max_time_s, enough=enough)
