"""The whole way: measure the targets, compare each with its baseline, judge, update baselines, write the reports."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pytest_flame import atomic, fold
from pytest_flame.baseline.fingerprint import differences, sampler_differences
from pytest_flame.baseline.store import Store
from pytest_flame.compare import compare
from pytest_flame.config import Settings, TestSettings
from pytest_flame.errors import BaselineError, FlameError
from pytest_flame.judge import error, incompatible, inconclusive, judge, new, outcome
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.measure.session import MIN_PROCESSES, How, Measured, Progress, Target, measure
from pytest_flame.model import PS_PER_NS, Judgement, Recording, RunResult, SampleCounts, Verdict
from pytest_flame.render import units
from pytest_flame.render.json import result_json
from pytest_flame.render.markdown import result_markdown
from pytest_flame.render.report import write_report
from pytest_flame.stats.drift import find_drift

_FRESH: Final = "; @pytest.mark.flame(fresh=True) sets fixtures up anew for each call"


@dataclass(frozen=True, slots=True)
class Selected:
    """A marked test as the plugin hands it over."""

    test_id: str
    file: Path
    settings: TestSettings


@dataclass(frozen=True, slots=True)
class GateOutcome:
    result: RunResult
    unmeasured: Mapping[str, WorkerResult]
    """Tests that skip themselves or are expected to fail: they have no verdict."""
    updated: frozenset[str]
    wall_s: Mapping[str, float]
    report: Path | None
    unwritten: tuple[FlameError, ...] = ()
    """Why a report is not there."""

    def outcome_of(self, judgement: Judgement, *, strict: bool) -> str:
        """``passed``, ``skipped`` or ``failed``; a test whose baseline was just written has been accepted."""
        return "passed" if judgement.test_id in self.updated else outcome(judgement.verdict, strict=strict)


def run_gate(
    selected: Sequence[Selected], settings: Settings, pytest_args: tuple[str, ...], directory: Path, progress: Progress
) -> GateOutcome:
    """Measures everything that is selected. Ctrl-C ends the measuring; what is done is still judged and reported."""
    began = time.monotonic()
    store = Store(settings.baselines)
    bases: dict[str, Recording | None] = {}
    broken: dict[str, BaselineError] = {}
    for test in selected:
        try:
            bases[test.test_id] = store.load(test.test_id)
        except BaselineError as e:
            broken[test.test_id] = e
    targets = [_target(test, bases.get(test.test_id)) for test in selected]
    how = How(settings.frequency_hz, settings.sampler, settings.cpus, settings.seed, settings.max_time_s)
    with tempfile.TemporaryDirectory(prefix="pytest-flame-") as scratch:
        safe_path = not {"", str(directory)} & set(sys.path)
        launcher = Launcher(settings.root, directory, Path(scratch), pytest_args, safe_path=safe_path)
        measured, interrupted = measure(targets, how, launcher, progress)

    judgements: list[Judgement] = []
    unmeasured: dict[str, WorkerResult] = {}
    for test, one in zip(selected, measured, strict=True):
        if one.failure is not None and one.failure.status in (Status.SKIPPED, Status.XFAILED):
            unmeasured[test.test_id] = one.failure
            continue
        judgements.append(_judge(test, one, bases.get(test.test_id), broken.get(test.test_id), interrupted))

    updated: set[str] = set()
    for index, j in enumerate(judgements):
        if settings.update is not None and _wants_update(j, settings.update, bases, broken):
            judgements[index], saved = _saved(store, j)
            updated |= {j.test_id} if saved else set()
    result = RunResult(
        judgements=tuple(judgements),
        mode="stored",
        seed=settings.seed,
        limits=settings.limits,
        sampler=next((j.head.sampler for j in judgements if j.head), None),
        overhead=fold.overhead(tuple(p for j in judgements if j.head for p in j.head.processes)),
        base_source=_shown(settings.baselines, settings.root),
        processes=settings.processes,
        duration_s=time.monotonic() - began,
        interrupted=interrupted,
    )
    report, unwritten = _write_reports(result, settings)
    wall_s = {m.test_id: m.wall_s for m in measured}
    return GateOutcome(result, unmeasured, frozenset(updated), wall_s, report, unwritten)


def move_baselines(settings: Settings) -> None:
    """``--flame-move OLD=NEW``. Raises ``BaselineError``."""
    store = Store(settings.baselines)
    for old, new_id in settings.move:
        store.move(old, new_id)


def stale_baselines(settings: Settings, collected: Sequence[str]) -> list[str]:
    return Store(settings.baselines).stale(collected)


def _target(test: Selected, base: Recording | None) -> Target:
    s = test.settings
    return Target(test.test_id, test.file, s.processes, s.processes_given, s.time_s, s.fresh, base)


def _judge(
    test: Selected, one: Measured, base: Recording | None, broken: BaselineError | None, interrupted: bool
) -> Judgement:
    head, failure = one.recording, one.failure
    if failure is not None and failure.status is not Status.OUT_OF_TIME:
        reason = failure.message + (_FRESH if failure.status is Status.UNREPEATABLE and not test.settings.fresh else "")
        return error(test.test_id, reason, details=failure.details)
    if broken is not None:
        return replace(error(test.test_id, broken.what, details=str(broken)), head=head)
    done = len(head.processes) if head else 0
    if head is None or done < min(MIN_PROCESSES, one.asked):
        why = "interrupted" if interrupted else "the time of the run was spent (--flame-max-time)"
        return inconclusive(test.test_id, f"{why} after {done} of {one.asked} processes")
    judgement = _compare(test, base, head)
    notes = [*judgement.notes, *_warnings(head)]
    if done < one.asked:
        notes.append(f"only {done} of {one.asked} processes were measured")
    return replace(judgement, notes=tuple(notes))


def _compare(test: Selected, base: Recording | None, head: Recording) -> Judgement:
    if base is None:
        return replace(new(test.test_id), head=head)
    unlike = [
        *sampler_differences(base.sampler, head.sampler),
        *differences(base.fingerprint, head.fingerprint),
    ]
    if base.fresh != head.fresh:
        unlike.append(f"fresh=True was {'set' if base.fresh else 'not set'} when the baseline was recorded")
    if unlike:
        return replace(incompatible(test.test_id, unlike), base=base, head=head)
    comparison = compare(base, head, test.settings.limits)
    return judge(comparison, base, head, time_s=test.settings.time_s)


def _warnings(head: Recording) -> list[str]:
    """What is odd about a recording, in words."""
    notes = []
    drift = find_drift(head.processes)
    if drift is not None:
        notes.append(
            f"the cost drifts by {drift.change:+.0%} from the first rounds to the last: the body is not repeatable as "
            f"written{'' if head.fresh else _FRESH}"
        )
    counts = sum((p.counts for p in head.processes), SampleCounts())
    total = max(counts.taken, 1)
    for name, number in (("lost", counts.lost), ("overflowed", counts.overflowed), ("throttled", counts.throttled)):
        if number:
            notes.append(f"{number} samples {name} ({number / total:.1%} of those taken)")
    if counts.unwindable > 0.002 * total:
        notes.append(f"{counts.unwindable} samples with an unreadable stack ({counts.unwindable / total:.1%})")
    if counts.truncated:
        notes.append(f"{counts.truncated} stacks deeper than the sampler records are rooted at [truncated]")
    rounds = [r for p in head.processes for r in p.rounds]
    if len(rounds) == len(head.processes):
        iterations = sum(r.iterations for r in rounds)
        cost = units.duration(sum(r.cpu_ns for r in rounds) * PS_PER_NS // iterations)
        notes.append(
            f"one iteration takes {cost} of CPU: {units.count(iterations, 'iteration')} in all, no warm-up, and the "
            "observer effect was not measured"
        )
    return notes


def _wants_update(
    j: Judgement, which: str, bases: Mapping[str, Recording | None], broken: Mapping[str, BaselineError]
) -> bool:
    if j.head is None or (j.verdict is Verdict.ERROR and j.test_id not in broken):
        return False
    if which == "all":
        return True
    if j.test_id in broken:
        return False
    if bases.get(j.test_id) is None:
        return True
    return which == "changed" and j.verdict in (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.INCOMPATIBLE)


def _saved(store: Store, judgement: Judgement) -> tuple[Judgement, bool]:
    """What cannot be stored is that test's own error: the others keep their verdicts."""
    assert judgement.head is not None
    try:
        store.save(judgement.head)
    except FlameError as e:
        failed = error(judgement.test_id, e.what, details=str(e))
        return replace(failed, head=judgement.head, notes=judgement.notes), False
    return replace(judgement, reason=f"{judgement.reason}; baseline written"), True


def _write_reports(result: RunResult, settings: Settings) -> tuple[Path | None, tuple[FlameError, ...]]:
    """The page, and why something could not be written: the verdicts stand all the same."""
    report: Path | None = None
    unwritten: list[FlameError] = []
    try:
        report = write_report(result, settings.report)
    except FlameError as e:
        unwritten.append(e)
    except OSError as e:
        unwritten.append(FlameError(f"the report cannot be written to {settings.report}", why=str(e)))
    document = json.dumps(result_json(result), indent=1, ensure_ascii=False) + "\n"
    for path, text in ((settings.json, document), (settings.markdown, result_markdown(result))):
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, text)
        except OSError as e:
            unwritten.append(FlameError(f"{path} cannot be written", why=str(e)))
    return report, tuple(unwritten)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
