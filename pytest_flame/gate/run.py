"""The whole flow: measure the targets, compare each with its base, judge, update baselines, write the reports."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_flame import atomic, clocks, fold
from pytest_flame.baseline.store import Store
from pytest_flame.config import Settings
from pytest_flame.errors import FlameError
from pytest_flame.gate.accepting import accept
from pytest_flame.gate.confirming import Confirmed, Suspect, confirm, is_suspicion
from pytest_flame.gate.in_diff import coverage
from pytest_flame.gate.interleaving import measure_against
from pytest_flame.gate.one_rate import at_one_rate, remarks
from pytest_flame.gate.request import Judged, Request, Selected
from pytest_flame.gate.screening import Bases, load_bases, screen
from pytest_flame.gate.source_texts import SourceTexts
from pytest_flame.judge import error, outcome
from pytest_flame.links import Links, relative_root
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.model import ChangedCode, EntryUse, Judgement, RunResult, Verdict
from pytest_flame.render.documents import DOCUMENTS, Place
from pytest_flame.render.report import write_report


@dataclass(frozen=True, slots=True)
class GateOutcome:
    result: RunResult
    unmeasured: Mapping[str, WorkerResult]
    """Tests that skip themselves or are expected to fail: they have no verdict."""
    updated: frozenset[str]
    wall_s: Mapping[str, float]
    report: Path | None
    unwritten: tuple[FlameError, ...] = ()
    """Why a report could not be written."""
    prefix: str = ""
    """Makes the recordings' paths relative to the repository."""

    def outcome_of(self, judgement: Judgement, *, strict: bool) -> str:
        """``passed``, ``skipped`` or ``failed``; a test whose baseline was just written has been accepted."""
        return "passed" if judgement.test_id in self.updated else outcome(judgement.verdict, strict=strict)


def run_gate(selected: Sequence[Selected], request: Request) -> GateOutcome:
    """Measures everything that is selected. Ctrl-C ends the measuring; finished tests are still judged and reported.

    Raises ``FlameError`` if nothing can be measured at all, such as against a missing commit.
    """
    began = clocks.monotonic()
    settings = request.settings
    store = request.store or Store(settings.baselines)
    bases = Bases({}, {})
    commit: str | None = None
    if settings.against is None:
        bases = load_bases(store, selected, request.frames)
    done = _Measured({}, interrupted=False)
    if selected:
        request = at_one_rate(request, bases)
    if not selected:
        pass  # the gate lost all of its tests: only that is reported
    elif settings.against is not None:
        against = measure_against(settings.against, selected, request)
        done = _Measured(against.tests, against.interrupted, against.notes, (against.changed,))
        commit = against.commit
    else:
        done = _stored(selected, bases, store, request, began)

    tests = dict(done.tests)
    if not done.interrupted:
        tests = {test.test_id: _agreed(test, tests[test.test_id], request) for test in selected}
    in_order = [tests[test.test_id] for test in selected]
    judgements = [replace(one.judgement, wall_s=one.wall_s) for one in in_order if one.judgement is not None]
    updated: set[str] = set()
    for index, j in enumerate(judgements):
        if settings.update is not None and _wants_update(j, settings.update, bases):
            judgements[index], saved = _saved(store, j, settings)
            updated |= {j.test_id} if saved else set()
    shown = {test.test_id: test.shown for test in selected}
    judgements = [_with_id(j, shown[j.test_id]) for j in judgements]
    entries: tuple[EntryUse, ...] = ()
    if settings.update is None:  # a baseline that is written accepts for good
        today = datetime.date.today()
        judgements, entries = accept(judgements, request.accepted, today, complete=request.complete)
    ran = {frame for one in in_order for frame in one.ran}
    # Samples have the names that the project has chosen.
    ran |= {f.frame for code in done.changed for f in code.functions if request.frames.of(f.frame) in ran}
    result = RunResult(
        judgements=tuple(judgements),
        mode="stored" if settings.against is None else "interleaved",
        seed=settings.seed,
        limits=settings.limits,
        sampler=next((j.head.sampler for j in judgements if j.head), None),
        overhead=fold.overhead(tuple(p for j in judgements if j.head for p in j.head.processes)),
        base_commit=commit,
        base_source=settings.against or store.shown(settings.root),
        head_ref=settings.head,
        processes=settings.processes,
        duration_s=clocks.monotonic() - began,
        interrupted=done.interrupted,
        notes=(*request.said, *done.notes, *remarks(request), *filter(None, [request.frames.remark])),
        gate=request.gate,
        coverage=tuple(coverage(code, ran, exact=all(one.counted for one in in_order)) for code in done.changed),
        shard=request.shard,
        accepted=entries,
    )
    texts = SourceTexts.of(settings.root, settings.head)
    report, unwritten = _write_reports(result, settings, texts)
    unmeasured = {shown[i]: one.unmeasured for i, one in tests.items() if one.unmeasured is not None}
    wall_s = {shown[i]: one.wall_s for i, one in tests.items()}
    return GateOutcome(
        result, unmeasured, frozenset(shown[i] for i in updated), wall_s, report, unwritten, texts.prefix
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    tests: Mapping[str, Judged]
    interrupted: bool
    notes: tuple[str, ...] = ()
    changed: tuple[ChangedCode, ...] = ()
    """For each commit that was measured as base."""


def _with_id(j: Judgement, shown: str) -> Judgement:
    """With the test id that users know."""
    if j.test_id == shown:
        return j
    reason, details, *notes = (text.replace(j.test_id, shown) for text in (j.reason, j.details, *j.notes))
    comparison = j.comparison and replace(j.comparison, test_id=shown)
    return replace(j, test_id=shown, reason=reason, details=details, notes=tuple(notes), comparison=comparison)


def _agreed(test: Selected, one: Judged, request: Request) -> Judged:
    """A test that skips itself in its worker has to skip itself in the run, too."""
    result = one.unmeasured
    if result is None or result.status is not Status.SKIPPED or request.skips_here(test.shown):
        return one
    reason = f"skipped in its worker process but not in the run: {result.message}"
    return replace(one, judgement=error(test.test_id, reason, details=result.details), unmeasured=None)


def _stored(selected: Sequence[Selected], bases: Bases, store: Store, request: Request, began: float) -> _Measured:
    """Screens with the baselines, and measures the base of suspects again."""
    how = request.settings.remeasure if request.settings.update is None else "never"
    unscreened = [t for t in selected if how == "always" and bases.found.get(t.test_id) is not None]
    screened = screen([t for t in selected if t not in unscreened], bases, request)
    tests, interrupted = screened.tests, screened.interrupted
    suspects = [Suspect(t, base, None) for t in unscreened if (base := bases.found[t.test_id]) is not None]
    if how == "suspects" and not interrupted:
        for test in selected:
            judged, base = tests[test.test_id], bases.found.get(test.test_id)
            if base is not None and judged.judgement is not None and is_suspicion(judged.judgement):
                suspects.append(Suspect(test, base, judged))
    if suspects:
        found: Confirmed = confirm(suspects, store, request, began)
        return _Measured({**tests, **found.tests}, interrupted or found.interrupted, found.notes, found.changed)
    return _Measured(tests, interrupted)


def move_baselines(settings: Settings, store: Store) -> None:
    """``--flame-move OLD=NEW``. Raises ``BaselineError``."""
    for old, new_id in settings.move:
        store.move(old, new_id)


def _wants_update(j: Judgement, which: str, bases: Bases) -> bool:
    if j.head is None or (j.verdict is Verdict.ERROR and j.test_id not in bases.broken):
        return False
    if which == "all":
        return True
    if j.test_id in bases.broken:
        return False
    if bases.found.get(j.test_id) is None or which == "add":
        return True
    return which == "changed" and j.verdict in (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.INCOMPATIBLE)


def _saved(store: Store, judgement: Judgement, settings: Settings) -> tuple[Judgement, bool]:
    """A recording that cannot be stored is an error of that test only: the others keep their verdicts."""
    assert judgement.head is not None
    try:
        write = store.add if settings.update == "add" else store.save
        path = write(judgement.head)
    except FlameError as e:
        failed = error(judgement.test_id, e.what, details=str(e))
        return replace(failed, head=judgement.head, notes=judgement.notes), False
    done = "recording added to the baseline" if settings.update == "add" else "baseline written"
    where = store.where(path, settings.root)
    return replace(judgement, reason=f"{judgement.reason}; {done}", baseline_written=where), True


def _write_reports(
    result: RunResult, settings: Settings, texts: SourceTexts
) -> tuple[Path | None, tuple[FlameError, ...]]:
    """The page, and why something could not be written: the verdicts are valid anyway."""
    report: Path | None = None
    unwritten: list[FlameError] = []
    links = Links(
        source=settings.source_url,
        editor=settings.editor,
        commit=texts.head_commit or "",
        prefix=texts.prefix,
        root=relative_root(settings.report, settings.root),
    )
    for name, path in settings.documents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            place = Place(texts.prefix, os.path.relpath(settings.report, path.parent))
            atomic.write_text(path, DOCUMENTS[name](result, place))
        except OSError as e:
            unwritten.append(FlameError(f"{path} cannot be written", why=str(e)))
    try:
        report = write_report(result, settings.report, texts=texts, links=links)
    except FlameError as e:
        unwritten.append(e)
    except OSError as e:
        unwritten.append(FlameError(f"the report cannot be written to {settings.report}", why=str(e)))
    return report, tuple(unwritten)
