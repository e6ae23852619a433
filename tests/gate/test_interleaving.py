"""What becomes of a pair's failures and successes; measuring itself is replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from simulated import SHOP, Noise, record, times

from pytest_flame.gate import interleaving
from pytest_flame.gate.interleaving import measure_against
from pytest_flame.gate.request import Judged, Selected
from pytest_flame.gate.trial import OneLook, Trial
from pytest_flame.marker import TestSettings
from pytest_flame.measure.chosen_frames import ChosenFrames
from pytest_flame.measure.job import Plan, Status, WorkerResult
from pytest_flame.measure.schedule import Launchers, Measured, RunSettings, Target
from pytest_flame.model import (
    CPU,
    ChangedCode,
    ChangedFunction,
    CodeChange,
    Frame,
    Judgement,
    Limits,
    Recording,
    SourceLine,
    Verdict,
)

GONE = "the test does not exist at base 1a2b3c4, and does not pass on its code"
COMMIT = "1a2b3c4" + "0" * 33
LIMITS = Limits(0.05, 0.05, 0.01)
TEST = Selected("tests/test_app.py::test", Path("tests/test_app.py"), TestSettings(LIMITS, 5, True, 5.0, False, CPU))
NOTHING_CHANGED = ChangedCode(COMMIT, {}, ())
CALM = Noise(processes=5, samples=4000, between=0.004, per_stack=0.005)


def recordings(head: dict[str, float], processes: int = 5) -> tuple[Recording, Recording]:
    rng, noise = np.random.default_rng(0), replace(CALM, processes=processes)
    return record(SHOP, rng, noise), record(head, rng, noise)


def measured(
    base: Recording | None = None,
    head: Recording | None = None,
    *,
    failure: WorkerResult | None = None,
    side: str = "head",
    complete: bool = True,
    trial: Trial | None = None,
) -> Measured:
    return Measured(TEST.test_id, base, head, failure, side, 5, 1.5, complete, trial or Trial(LIMITS, 5, 1, 5.0))


def against(
    monkeypatch: pytest.MonkeyPatch,
    one: Measured,
    *,
    existed: bool = True,
    interrupted: bool = False,
    changed: ChangedCode = NOTHING_CHANGED,
    alone: Measured | None = None,
) -> Judged:
    """The result of ``measure_against``; ``alone`` is that of measuring head alone."""

    @contextlib.contextmanager
    def sides(ref: str, *_: object, **__: object) -> Iterator[SimpleNamespace]:
        assert ref == "main"
        yield SimpleNamespace(
            head="head", base="base", commit=COMMIT, notes=("noted",), test_existed=lambda file, test_id: existed
        )

    def measure(targets: list[Target], how: object, places: Launchers, *_: object) -> tuple[list[Measured], bool]:
        assert [target.test_id for target in targets] == [TEST.test_id]
        assert targets[0].referee is not None
        referee = targets[0].referee(7, Plan(5, 25))
        if places.base is None:
            assert isinstance(referee, OneLook)
            assert alone is not None
            return [alone], False
        assert isinstance(referee, Trial)
        assert (referee.most, referee.tests, referee.limits, referee.full_rounds) == (7, 1, LIMITS, 25)
        return [one], interrupted

    monkeypatch.setattr(interleaving, "open_sides", sides)
    monkeypatch.setattr(interleaving, "measure", measure)
    monkeypatch.setattr(interleaving, "code_between", lambda sides, search_path: changed)
    settings = SimpleNamespace(
        root=Path(),
        base_python=None,
        base_install=None,
        base_install_from=None,
        copy_ignored=(),
        head=None,
        measure="all",
        seed=1,
        cpus=(),
        max_time_s=None,
    )
    request = SimpleNamespace(
        frames=ChosenFrames(),
        rules=None,
        settings=settings,
        directory=Path(),
        test_patterns=(),
        how=RunSettings(997, "auto", (), 1, None),
        progress=None,
        launcher=lambda scratch: SimpleNamespace(on=lambda side: side),
        family=lambda tests: tests,
    )
    found = measure_against("main", [TEST], request)  # type: ignore[arg-type]
    assert (found.commit, found.notes, found.interrupted) == (COMMIT, ("noted",), interrupted)
    return found.tests[TEST.test_id]


def verdict(judged: Judged) -> Judgement:
    assert judged.judgement is not None
    assert judged.judgement.base_commit == COMMIT
    assert judged.judgement.interleaved
    assert judged.wall_s == 1.5
    return judged.judgement


@pytest.mark.parametrize(
    ("status", "side", "existed", "expected", "reason"),
    [
        (Status.FAILED, "head", True, Verdict.ERROR, "it"),
        (Status.ABSENT, "head", True, Verdict.ERROR, "it"),
        (Status.FAILED, "head", False, Verdict.ERROR, "it"),
        (Status.FAILED, "base", True, Verdict.ERROR, "at base 1a2b3c4: it"),
        (Status.DIED, "base", False, Verdict.ERROR, "at base 1a2b3c4: it"),
        (Status.ABSENT, "base", True, Verdict.NEW, "it (at base 1a2b3c4)"),
        (Status.FAILED, "base", False, Verdict.NEW, GONE),
        (Status.SKIPPED, "base", True, Verdict.ERROR, "at base 1a2b3c4: it"),
        (Status.SKIPPED, "base", False, Verdict.NEW, GONE),
    ],
)
def test_failure_is_new_where_base_lacks_what_is_tested_and_an_error_otherwise(
    monkeypatch: pytest.MonkeyPatch, status: Status, side: str, existed: bool, expected: Verdict, reason: str
) -> None:
    failure = WorkerResult(status, "it", "Traceback")
    judgement = verdict(against(monkeypatch, measured(failure=failure, side=side, complete=False), existed=existed))
    assert (judgement.verdict, judgement.reason) == (expected, reason)
    if expected is Verdict.ERROR:
        assert judgement.details == "Traceback"


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.XFAILED])
def test_head_that_skips_itself_has_no_verdict(monkeypatch: pytest.MonkeyPatch, status: Status) -> None:
    failure = WorkerResult(status, "not today")
    judged = against(monkeypatch, measured(failure=failure, complete=False))
    assert judged.judgement is None
    assert judged.unmeasured is failure


@pytest.mark.parametrize(("interrupted", "why"), [(True, "interrupted"), (False, "the run's time limit was reached")])
def test_too_few_pairs_are_inconclusive(monkeypatch: pytest.MonkeyPatch, interrupted: bool, why: str) -> None:
    failure = None if interrupted else WorkerResult(Status.OUT_OF_TIME, "spent")
    one = measured(*recordings(SHOP, 2), failure=failure, complete=False)
    judgement = verdict(against(monkeypatch, one, interrupted=interrupted))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.startswith(why)
    assert judgement.reason.endswith("after 2 of 5 pairs")


def test_trials_own_verdict_stands_where_it_was_satisfied(monkeypatch: pytest.MonkeyPatch) -> None:
    base, head = recordings(SHOP)
    trial = Trial(LIMITS, 5, 1, 5.0)
    assert not trial.wants_more(base, head)
    judgement = verdict(against(monkeypatch, measured(base, head, trial=trial)))
    assert trial.judgement is not None
    assert judgement.verdict is trial.judgement.verdict is Verdict.PASS
    assert judgement.comparison is trial.judgement.comparison


def test_slowdown_in_a_run_that_was_ended_is_not_called_regressed(monkeypatch: pytest.MonkeyPatch) -> None:
    base, head = recordings(times(2.0, "fmt"))
    judgement = verdict(against(monkeypatch, measured(base, head, complete=False), interrupted=True))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.startswith("not confirmed in time")
    assert "only 5 pairs were measured: interrupted" in judgement.notes


def changed(*names: str) -> ChangedCode:
    frames = [Frame.parse(name) for name in names]
    functions = tuple(ChangedFunction(frame, CodeChange.CHANGED, SourceLine("app.py", 1)) for frame in frames)
    return ChangedCode(COMMIT, dict.fromkeys(frames, CodeChange.CHANGED), functions)


def test_culprits_say_whether_they_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    one = measured(*recordings(times(2.0, "fmt")))
    judgement = verdict(against(monkeypatch, one, changed=changed("app:fmt")))
    assert judgement.comparison is not None
    assert [(c.frame.name, c.code_change) for c in judgement.comparison.culprits] == [("app:fmt", CodeChange.CHANGED)]


def test_every_function_in_a_sample_of_either_side_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    head = {f"{names} > only_head": cost for names, cost in SHOP.items()}
    judged = against(monkeypatch, measured(*recordings(head)))
    assert {Frame("app", "fmt"), Frame("app", "only_head")} <= judged.ran
    assert Frame("app", "other") not in judged.ran


@pytest.mark.parametrize("names", [(), ("app:fmt",)])
def test_a_new_test_is_measured_on_head_where_a_changed_function_was_not_seen(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """It may run that function: base has nothing to compare it with, and head alone was never sampled."""
    failure = WorkerResult(Status.ABSENT, "it")
    head, _ = recordings(SHOP)
    one = measured(failure=failure, side="base", complete=False)
    alone = replace(measured(None, head), wall_s=0.5)
    judged = against(monkeypatch, one, changed=changed(*names), alone=alone if names else None)
    assert judged.judgement is not None
    assert judged.judgement.verdict is Verdict.NEW
    assert judged.judgement.head is (head if names else None)
    assert (Frame("app", "fmt") in judged.ran) is bool(names)
    assert judged.wall_s == (2.0 if names else 1.5)
