"""One test item in its worker: sets up its fixtures and calls its body repeatedly under the sampler."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from _pytest.runner import call_and_report

from pytest_flame.errors import FlameError
from pytest_flame.fixture import BENCHMARK, FLAME_KEY, PassThrough, part_fixture
from pytest_flame.measure.body import STOPS, repeated, run_body, timed, written_in_python
from pytest_flame.measure.capture import Captured
from pytest_flame.measure.deadline import Pulse
from pytest_flame.measure.job import ONCE, Job, Plan, WorkerResult
from pytest_flame.measure.metrics import instrument
from pytest_flame.measure.outcome import Failures, recorded, unmeasured
from pytest_flame.measure.part import MeasuredPart
from pytest_flame.measure.room import MEASURED_ROOM, roomy
from pytest_flame.measure.rounds import RoundsDone, Step, StepKind, announced, empty_region_ns, rounds
from pytest_flame.measure.started import Started
from pytest_flame.measure.turns import Turns
from pytest_flame.sampling.descendants import Descendants
from pytest_flame.sampling.meter import Meter
from pytest_flame.sampling.profile_source import RawFrame


@roomy(MEASURED_ROOM)
def measure(item: pytest.Item, job: Job, pulse: Pulse, started: Started, failures: Failures) -> WorkerResult:
    """``failures`` are filled in by the worker's hooks.

    Raises ``FlameError`` if the item cannot be measured.
    """
    if not isinstance(item, pytest.Function):
        raise FlameError(f"{item.nodeid} is not a test function; only those can be measured")
    _refuse_tracers("is active in the measured process")
    code = written_in_python(item)
    body = RawFrame(code.co_qualname, code.co_filename, code.co_firstlineno)
    source = instrument(job.metric).open(job)
    if job.note_started:
        started.watch()
    children = Descendants(os.getpid(), keeper=os.getppid())
    turns = Turns(job.turns, pulse)
    try:
        source.set_stops(STOPS)
        turns.arrive()
        rng = random.Random(job.seed)
        meter = Meter(source, rng, Captured(item, job.output).thin, children)
        called = MeasuredItem(item, job, meter, pulse, rng, turns)
        report = called.fresh() if job.fresh else called.repeat()
        pulse.ending()
        result = unmeasured(report, failures, called.progress, item.config, job.conditions)
        if result is None:
            samples = source.samples()
            source.close()  # it may be a tracer itself
            _refuse_tracers("was left behind by the test")
            result = recorded(job, body, called.progress, meter, samples, source.info)
        return result
    finally:
        turns.leave()
        children.close()
        source.close()


def settle_heap() -> None:
    """Freezes the objects that are alive before the body runs: the collector ignores them from here on.

    Otherwise whichever function allocates when a full collection is due pays for pytest's whole heap.
    """
    gc.collect()
    gc.freeze()


class MeasuredItem:
    """One item; ``progress`` says how often it was called."""

    def __init__(
        self, item: pytest.Function, job: Job, meter: Meter, pulse: Pulse, rng: random.Random, turns: Turns
    ) -> None:
        self.item = item
        self.job = job
        self.meter = meter
        self.pulse = pulse
        self.rng = rng
        self.turns = turns
        self.progress = RoundsDone()
        # A different phase of the garbage collector and of the allocator in every process.
        self._ballast: list[list[None]] = [[] for _ in range(rng.randrange(700))]
        self._more_ballast = [bytes(rng.randrange(1, 512)) for _ in range(rng.randrange(200))]

    @property
    def _plan(self) -> Plan | None:
        """A process whose first call is judged makes only that call."""
        return ONCE if instrument(self.job.metric).once else self.job.plan

    def _steps(self, *, regions: bool) -> Iterator[Step]:
        time_s, limit_s = self.job.time_s, self.job.patience.calls_s
        steps = rounds(
            self.meter, self.progress, self._plan, time_s, self.rng, self.turns, regions=regions, limit_s=limit_s
        )
        return announced(steps, self.pulse)

    def repeat(self) -> pytest.TestReport:
        """Sets up fixtures once and calls the body many times."""
        item = self.item
        fixture = part_fixture(item)
        part = MeasuredPart(self.meter, self._steps, settle_heap, fixture or "flame")
        item.stash[FLAME_KEY] = part
        report = call_and_report(item, "setup", log=False)
        if report.passed:
            body = item.obj
            if fixture is not None:
                obj: Callable[..., Any] = self._discovering(body, part, fixture)
            else:
                obj = repeated(body, self._steps(regions=False), settle_heap)
            report = self._call(obj)
        self.pulse.ending()
        teardown = call_and_report(item, "teardown", log=False, nextitem=None)
        if report.passed and part.raised is not None:
            raise FlameError(
                f"the function given to {fixture}(...) raised {type(part.raised).__name__}, so nothing was measured",
                fix="measure a function that catches it",
            )
        return report if not report.passed else teardown

    def _discovering(self, body: Callable[..., Any], part: MeasuredPart, fixture: str) -> Callable[..., Any]:
        """The first call shows whether the body uses ``flame(...)``, which measures immediately, or ``with flame:``,
        for which it is called repeatedly."""
        meter = self.meter

        def steps() -> Iterator[Step]:
            meter.region_cost_ns = empty_region_ns(meter)
            meter.begin(sampled=self._plan == ONCE)
            yield from announced(iter([Step(StepKind.BODY, 1)]), self.pulse)
            if part.called:
                return
            if not part.entered:
                raise FlameError(
                    f"the test requests the fixture `{fixture}` but does not use it",
                    fix=_HOW_TO_USE[fixture],
                )
            first = meter.end(1)
            self.progress.calls += 1
            self.progress.first_call_ns = first.cpu_ns
            if self._plan == ONCE:
                self.progress.plan, self.progress.finished = ONCE, True
                self.progress.rounds.append(first)
                self.progress.unseen = meter.unseen(first.cpu_ns)
            else:
                yield from self._steps(regions=True)

        return repeated(body, steps(), settle_heap)

    def fresh(self) -> pytest.TestReport:
        """Sets up fixtures for each iteration, outside the measured time."""
        item = self.item
        if "flame" in item.fixturenames:
            raise FlameError(
                "fresh=True cannot be combined with the fixture `flame`",
                fix="drop fresh=True and measure the block with `with flame:`",
            )
        item.stash[FLAME_KEY] = PassThrough()
        settle_heap()
        report: pytest.TestReport | None = None
        for step in self._steps(regions=True):
            for _ in step.turns:
                report = self._one_cycle()
                if not report.passed:
                    self.meter.abandon()
                    item.session._setupstate.teardown_exact(None)
                    return report
        assert report is not None
        item.session._setupstate.teardown_exact(None)
        return report

    def _one_cycle(self) -> pytest.TestReport:
        item = self.item
        item._initrequest()
        report = call_and_report(item, "setup", log=False)
        if report.passed:
            report = self._call(timed(item.obj, self.meter))
        # With the parent as the next node only this item's own fixtures are torn down.
        teardown = call_and_report(item, "teardown", log=False, nextitem=item.parent)
        if getattr(item, "_instance", None) is not None:
            item.__dict__.pop("_instance", None)
            item.__dict__.pop("_obj", None)
        return report if not report.passed else teardown

    def _call(self, obj: Callable[..., Any]) -> pytest.TestReport:
        report = run_body(self.item, obj)
        if not report.passed:
            self.meter.abandon()
        return report


_HOW_TO_USE: Final = {
    "flame": "call flame(func, ...), write `with flame:`, or drop the argument to measure the whole body",
    **dict.fromkeys(
        BENCHMARK,
        "call benchmark(func, ...), and await what it returns for a coroutine function; or drop the argument to "
        "measure the whole body",
    ),
}


def _refuse_tracers(where: str) -> None:
    tracer = sys.gettrace() or sys.getprofile()
    shown = None if tracer is None else repr(tracer)
    monitoring = getattr(sys, "monitoring", None)  # since 3.12
    if shown is None and monitoring is not None:
        shown = next((name for tool in range(6) if (name := monitoring.get_tool(tool))), None)
    if shown is not None:
        raise FlameError(
            f"a tracer {where}: {shown}",
            why="coverage, debuggers and profilers slow Python code down many times over",
            fix="switch it off for runs with --flame",
        )
