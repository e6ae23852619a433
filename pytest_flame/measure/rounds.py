"""The order of rounds in one process: calibrate or warm up, the empty loop, then the rounds that count.

``rounds`` is a generator, so that plain functions, coroutines and whole set-up/call/tear-down cycles are driven by
the same code: it yields what to run next and is resumed when that has run.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from operator import length_hint
from typing import Final

from pytest_flame import clocks
from pytest_flame.measure.deadline import Pulse
from pytest_flame.measure.job import Plan
from pytest_flame.measure.turns import Turns
from pytest_flame.model import PS_PER_NS, Outside, Round
from pytest_flame.sampling import outside
from pytest_flame.sampling.meter import NS_PER_S, Meter

MIN_ROUND_CPU_NS: Final = 20_000_000
MIN_ROUND_WALL_NS: Final = 60_000_000
"""Enough for a body that mostly waits: its rounds end by wall time."""
MAX_ROUNDS: Final = 400
MAX_ITERATIONS: Final = 50_000_000
SLOWDOWN_LIMIT: Final = 6
"""A process that takes this many times its planned time stops early (after three rounds)."""
SHORTEST_STEP_S: Final = 0.001
"""What a call costs is not known from steps that are shorter."""
LIMIT_PART: Final = 0.8
"""Share of the time for all calls; a round that would end later is not begun."""


class StepKind(enum.Enum):
    BODY = "body"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Step:
    """Run the body (or an empty one) ``iterations`` times."""

    kind: StepKind
    iterations: int
    turns: repeat[None] = field(init=False, compare=False)
    """One for each iteration; the remaining ones show where a body raised."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", repeat(None, self.iterations))


@dataclass
class RoundsDone:
    """What a process has done so far; read after the generator ended, or when the body raised."""

    calls: int = 0
    """Iterations of the body in finished steps."""
    step: Step | None = None
    """The current step of the body."""
    finished: bool = False
    plan: Plan | None = None
    round_wall_ns: int = 0
    loop_cost: int = 0
    first_call_ns: int | None = None
    """CPU of the body's first call; it may be a separate round, or come before the rounds."""
    rounds: list[Round] = field(default_factory=list)
    outside: Outside | None = None
    """Over the rounds that count."""
    unseen: str | None = None
    """Why the cost of these rounds is unknown: processes that work for the body could not be read."""

    def passed(self) -> int:
        """Iterations of the body that returned, when one just raised."""
        under_way = self.step.iterations - length_hint(self.step.turns) - 1 if self.step is not None else 0
        return self.calls + max(0, under_way)

    def body(self, iterations: int) -> Iterator[Step]:
        """One step of the body, counted."""
        self.step = Step(StepKind.BODY, iterations)
        yield self.step
        self.step = None
        self.calls += iterations


def announced(steps: Iterator[Step], pulse: Pulse) -> Iterator[Step]:
    """The same steps; those of the body are announced to detect a hang."""
    for step in steps:
        if step.kind is StepKind.BODY:
            pulse.before(step.iterations)
        yield step
        if step.kind is StepKind.BODY:
            pulse.after(step.iterations)


def rounds(
    meter: Meter,
    progress: RoundsDone,
    plan: Plan | None,
    time_s: float,
    rng: random.Random,
    turns: Turns,
    *,
    regions: bool,
    limit_s: float = math.inf,
) -> Iterator[Step]:
    """Yields steps. Each round that counts is in a turn of its own. With ``regions`` the body itself enters and leaves
    the meter (``with flame:``, ``fresh=True``); otherwise each round is one region. ``time_s`` is this process's share
    of the budget, ``limit_s`` what all its calls may take: a body far slower than planned gets shorter and fewer
    rounds, and is still measured."""
    if plan is None:
        yield from _calibrate(meter, progress, time_s, regions=regions)
        progress.finished = True
        return
    began, waited_ns = clocks.monotonic_ns(), turns.waited_ns
    progress.plan = plan
    meter.region_cost_ns = empty_region_ns(meter, 200) if regions else empty_region_ns(meter)
    if progress.first_call_ns is None and plan.iterations > 1:
        yield from _round(meter, progress, 1, sampled=False, regions=regions)
    if not regions:
        if plan.iterations > 1:
            meter.region_cost_ns = 0.0  # negligible compared with a round
        yield from _empty_loop(meter, progress, plan.iterations)
    iterations = plan.iterations
    if plan.warm_up or iterations > 2:
        calls = iterations if plan.warm_up else max(2, iterations // 8)
        iterations = yield from _warm_up(meter, progress, calls, iterations, time_s, limit_s, regions=regions)
    turns.give()  # the other side warms up, too
    turns.take()
    before = outside.read()
    for index, sampled in enumerate(which_sampled(plan.rounds, rng)):
        done = yield from _round(meter, progress, iterations, sampled=sampled, regions=regions)
        progress.rounds.append(done)
        turns.give()
        turns.take()
        passed = clocks.monotonic_ns() - began - (turns.waited_ns - waited_ns)
        if passed > SLOWDOWN_LIMIT * time_s * NS_PER_S and index >= 2:
            break
        if passed + done.wall_ns > LIMIT_PART * limit_s * NS_PER_S:
            break
    progress.outside = outside.read().since(before)
    progress.unseen = meter.unseen(sum(r.cpu_ns for r in progress.rounds))
    progress.finished = True


def _warm_up(
    meter: Meter, progress: RoundsDone, calls: int, iterations: int, time_s: float, limit_s: float, *, regions: bool
) -> Generator[Step, None, int]:
    """Warm-up calls that do not count, in growing steps. Returns the iterations of a round: fewer than planned if it
    would last far longer than all rounds should, as on a much slower side."""
    meter.begin(sampled=False)
    if not regions:
        meter.enter()
    done, chunk, most = 0, 1, iterations
    while done < calls and most == iterations:
        began = clocks.monotonic_ns()
        yield from progress.body(chunk)
        took = (clocks.monotonic_ns() - began) / NS_PER_S
        each = took / chunk
        done += chunk
        # The first call is often cold: trusted only if another one like it would take too long. What takes no time at
        # all is mostly the beginning of a step.
        warm = progress.calls > 1 and took > SHORTEST_STEP_S
        if (warm or each > limit_s / 4) and each * iterations > 2 * time_s:
            most = max(1, min(iterations, int(time_s / 2 / each)))
        chunk = min(done, calls - done)
    if not regions:
        meter.leave()
    _note_first(progress, meter.end(done))
    return most


def _note_first(progress: RoundsDone, done: Round) -> None:
    """The body's first call, if it was a separate round."""
    if progress.first_call_ns is None and done.iterations == 1:
        progress.first_call_ns = done.cpu_ns


def which_sampled(count: int, rng: random.Random) -> list[bool]:
    """One of every two rounds, randomly the first or the second; if a process has only one round, it is sampled."""
    if count == 1:
        return [True]
    flags = [flag for _ in range((count + 1) // 2) for flag in rng.sample((True, False), 2)]
    return flags[:count]


def _round(
    meter: Meter, progress: RoundsDone, iterations: int, *, sampled: bool, regions: bool
) -> Generator[Step, None, Round]:
    meter.begin(sampled=sampled)
    if regions:
        yield from progress.body(iterations)
    else:
        meter.enter()
        yield from progress.body(iterations)
        meter.leave()
    done = meter.end(iterations)
    _note_first(progress, done)
    return done


def _calibrate(meter: Meter, progress: RoundsDone, time_s: float, *, regions: bool) -> Iterator[Step]:
    """Grow the round until it is long enough, then compute how many fit into the process's time."""
    iterations = 1
    while True:
        meter.begin(sampled=False)
        if regions:
            yield from progress.body(iterations)
        else:
            meter.enter()
            yield from progress.body(iterations)
            meter.leave()
        elapsed = meter.elapsed_ns
        done = meter.end(iterations)
        # The first call is often cold: trust a single iteration only if it is long by far.
        cold = progress.calls == 1 and elapsed < 10 * MIN_ROUND_WALL_NS
        long_enough = done.cpu_ns >= MIN_ROUND_CPU_NS or elapsed >= MIN_ROUND_WALL_NS
        if not cold and (long_enough or iterations >= MAX_ITERATIONS):
            break
        if not cold:
            missing = max(MIN_ROUND_CPU_NS * 1.2 / max(done.cpu_ns, 1), 1.1)
            waiting = max(MIN_ROUND_WALL_NS * 1.05 / max(elapsed, 1), 1.1)
            iterations = min(MAX_ITERATIONS, max(iterations + 1, int(iterations * min(missing, waiting, 20))))
    fitting = int(time_s * NS_PER_S / max(elapsed, 1))
    progress.plan = Plan(iterations, max(1, min(MAX_ROUNDS, fitting)))
    progress.round_wall_ns = elapsed


def _empty_loop(meter: Meter, progress: RoundsDone, iterations: int) -> Iterator[Step]:
    """Cost of an empty iteration: the smallest of a few, at most a few milliseconds each."""
    if meter.counts:
        return
    count = min(iterations, 20_000)
    costs = []
    for _ in range(5):
        meter.begin(sampled=False)
        meter.enter()
        yield Step(StepKind.EMPTY, count)
        meter.leave()
        meter.end(count)
        costs.append(meter.own_cpu_ns * PS_PER_NS // count)
    progress.loop_cost = min(costs) if count >= 100 else 0


def empty_region_ns(meter: Meter, regions: int = 8) -> float:
    """The measured cost of reading the clocks around nothing: the smallest of a few means."""
    costs = []
    for _ in range(5):
        meter.begin(sampled=False)
        for _ in range(regions):
            meter.enter()
            meter.leave()
        meter.end(1)
        costs.append(meter.own_cpu_ns / regions)
    return min(costs)
