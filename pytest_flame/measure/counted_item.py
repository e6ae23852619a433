"""One test item in its worker: executed under the exact pass instead of being timed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from _pytest.runner import call_and_report

from pytest_flame import clocks
from pytest_flame.errors import FlameError
from pytest_flame.exact.exact_recorder import ExactRecorder, Phase
from pytest_flame.fixture import FLAME_KEY, PassThrough
from pytest_flame.measure.body import repeated, run_body, written_in_python
from pytest_flame.measure.deadline import Pulse
from pytest_flame.measure.job import Job, Status, WorkerResult
from pytest_flame.measure.outcome import Failures, unmeasured
from pytest_flame.measure.room import MEASURED_ROOM, roomy
from pytest_flame.measure.rounds import RoundsDone, Step, announced


@roomy(MEASURED_ROOM)
def count(item: pytest.Item, job: Job, pulse: Pulse, failures: Failures, recorder: ExactRecorder) -> WorkerResult:
    """Sets up fixtures once and executes the body: twice if a measurement would call it again with the same fixtures,
    since what the first call fills caches with is not what later ones cost.

    Raises ``FlameError`` if the item cannot be executed in this way.
    """
    if not isinstance(item, pytest.Function):
        raise FlameError(f"{item.nodeid} is not a test function; only those can be counted")
    code = written_in_python(item)
    progress, body_ns = RoundsDone(), 0

    def steps() -> Iterator[Step]:
        for phase in (Phase.FIRST, Phase.AGAIN) if job.twice else (Phase.FIRST,):
            nonlocal body_ns
            recorder.phase(phase, body=code)
            began = clocks.process_time_ns()
            yield from progress.body(1)
            body_ns = clocks.process_time_ns() - began
        recorder.phase(Phase.TEARDOWN)

    recorder.phase(Phase.SETUP)
    item.stash[FLAME_KEY] = PassThrough()
    report = call_and_report(item, "setup", log=False)
    if report.passed:
        report = run_body(item, repeated(item.obj, announced(steps(), pulse), lambda: None))
    pulse.ending()
    teardown = call_and_report(item, "teardown", log=False, nextitem=None)
    failed = unmeasured(report if not report.passed else teardown, failures, progress, item.config, job.conditions)
    if failed is not None:
        return failed
    return WorkerResult(Status.COUNTED, exact=recorder.finish(), body_ns=body_ns)
