"""Slower, or called more often? From exact counts of calls.

From a function that grew, climb to its callers for as long as they are called more often themselves, and call it as
often as before each time. Where the number of its calls is unknown, ``calls`` decides by proportion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_flame.model import Change, ExactComparison, Frame, Under
from pytest_flame.stats.calls import Blamed
from pytest_flame.stats.growth import Gauge
from pytest_flame.stats.stack_table import Mask, StackTable

EXPLAINS = 0.5
"""Share of a growth, on a log scale, from which on more calls explain it."""
MORE_PER_CALL = 1.02
"""A caller that calls a function by no more than this factor more often, each time it runs, passes on the blame."""


@dataclass(frozen=True, slots=True)
class ExactCalls:
    """Calls per execution of the body, on base and head, by the table's frames."""

    frames: Mapping[int, tuple[int, int]]
    """Without those whose number varies."""
    callers: Mapping[int, Mapping[int, tuple[int, int]]]
    """Callee → caller; −1 for all callers of which there is no stack."""

    @classmethod
    def of(cls, exact: ExactComparison, table: StackTable) -> ExactCalls:
        index = {frame: i for i, frame in enumerate(table.frames)}
        renamed = {old: i for i, old in table.before.items()}
        frames = {
            i: calls
            for frame, i in index.items()
            if (calls := exact.calls_of(frame, table.before.get(i))) is not None and any(calls)
        }
        callers: dict[int, dict[int, tuple[int, int]]] = {}
        for side, counted in enumerate((exact.base, exact.head)):
            known: Mapping[Frame, int] = index if side else {**index, **renamed}
            for (caller, callee), count in counted.calls.edges.items():
                if callee in known:
                    of_callee = callers.setdefault(known[callee], {})
                    base, head = of_callee.get(known.get(caller, -1), (0, 0))
                    added = (base, head + count) if side else (base + count, head)
                    of_callee[known.get(caller, -1)] = added
        return cls(frames, callers)

    def of_frame(self, frame: int) -> tuple[int, int] | None:
        return self.frames.get(frame)

    def more_from(self, frame: int) -> int | None:
        """The caller that accounts for most of a function's additional calls; not the function itself."""
        more = {c: h - b for c, (b, h) in self.callers.get(frame, {}).items() if c not in (-1, frame)}
        found = max(more, key=lambda caller: (more[caller], -caller), default=None)
        return found if found is not None and more[found] > 0 else None

    def calls_as_before(self, caller: int, callee: int) -> bool:
        """Whether the caller runs more often, and not with more calls each time; a caller that calls differently for
        different callers of its own is compared with those from which it gets most of its additional calls."""
        before, now = self.callers[callee][caller]
        source = self.more_from(caller)
        runs = [self.of_frame(caller), None if source is None else self.callers[caller][source]]
        return any(
            run is not None and before and run[1] > run[0] > 0 and now / run[1] <= MORE_PER_CALL * before / run[0]
            for run in runs
        )


def blame_exactly(gauge: Gauge, frame: int, stake: Mask, counts: ExactCalls) -> Blamed | None:
    """The frame to blame for the growth of ``frame`` in ``stake``. None if its calls are not known, or the function is
    new."""
    calls = counts.of_frame(frame)
    growth = gauge.of(stake)
    base, head = float(growth.base[0]), float(growth.head[0])
    if calls is not None:
        calls, base, head = _where_it_grew(gauge, frame, stake, counts) or (calls, base, head)
    if calls is None or not calls[0] or base <= 0 or head <= base:
        return None
    if calls[1] <= calls[0] or math.log(calls[1] / calls[0]) < EXPLAINS * math.log(head / base):
        return Blamed(frame, Change.SLOWER, None)
    seen = {frame}
    caller = counts.more_from(frame)
    while caller is not None and caller not in seen and counts.calls_as_before(caller, frame):
        seen.add(caller)
        frame, caller = caller, counts.more_from(caller)
    return Blamed(frame, Change.MORE_CALLS, caller, Under.UNKNOWN)


def _where_it_grew(
    gauge: Gauge, frame: int, stake: Mask, counts: ExactCalls
) -> tuple[tuple[int, int], float, float] | None:
    """Calls and cost under the caller with most of the growth; its calls may cost more than those of other callers."""
    names, growth = gauge.by(gauge.table.callers(frame), stake)
    if not names:
        return None
    largest = int(growth.delta.argmax())
    calls = counts.callers.get(frame, {}).get(names[largest])
    if calls is None or not calls[0] or names[largest] == frame:
        return None
    return calls, float(growth.base[largest]), float(growth.head[largest])
