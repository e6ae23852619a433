"""The gate's pytest side: marked tests are measured before the test loop; each then reports its verdict."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.runner import runtestprotocol

from pytest_flame.baseline.slug import slug
from pytest_flame.baseline.store import Store
from pytest_flame.ci import actions
from pytest_flame.config import Settings
from pytest_flame.coverage_limit import lift_coverage_limit
from pytest_flame.elsewhere import measure_elsewhere
from pytest_flame.errors import BaselineError, FlameError, UsageError
from pytest_flame.extensions import chosen_frames, opened_store, policy
from pytest_flame.gate.accepted_file import read_accepted
from pytest_flame.gate.changes import Accepted, find_changes
from pytest_flame.gate.request import Request, Selected
from pytest_flame.gate.run import GateOutcome, move_baselines, run_gate
from pytest_flame.gate.shards import measured_seconds, part
from pytest_flame.gated import collection, gate_state
from pytest_flame.invocation import worker_arguments
from pytest_flame.marker import is_gated, is_marked, test_settings
from pytest_flame.measure.job import Status, WorkerResult
from pytest_flame.measure.seeing import conditions, see, skipped
from pytest_flame.model import GateChanges, Judgement, Shard
from pytest_flame.progress import TerminalProgress
from pytest_flame.render.annotations import annotation_lines
from pytest_flame.render.lines import Line
from pytest_flame.render.terminal import failure_lines, summary_lines
from pytest_flame.render.text import printable, printable_lines, printable_text
from pytest_flame.render.words import is_remote
from pytest_flame.trees.identity import Identity, top_of

VERDICT_PROPERTY: Final = "flame_verdict"


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE)


class FlameFailure(TerminalRepr):
    """What a failed test shows instead of a traceback, in the terminal and in JUnit files."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    def toterminal(self, tw: TerminalWriter) -> None:
        for line in self.lines:
            tw.line(line.text, **line.markup)

    def __str__(self) -> str:
        return "\n".join(line.text for line in self.lines)


class Gate:
    """Registered if the run measures. One instance per session."""

    def __init__(self, config: pytest.Config, settings: Settings, *, waits: bool = False) -> None:
        self.config = config
        self.settings = settings
        self.waits = waits
        """Other processes run the plain tests first (``distributed.py``)."""
        self.accepted = read_accepted(settings.accepted, required=settings.accepted_given)
        self.identity = Identity.at((config.rootpath, top_of(config.rootpath)))
        self.marked: dict[str, pytest.Item] = {}
        self.collected: list[str] = []
        self.outcome: GateOutcome | None = None
        self.stale: dict[str, str] = {}
        """Baselines whose test is gone: test id → where it is."""
        self.ran_here: dict[str, list[pytest.TestReport]] = {}
        """Reports of tests that skipped themselves in their worker and were run plainly."""
        self.unlisted: BaselineError | None = None
        """Why it was not possible to look for stale baselines."""
        self.items: list[pytest.Item] = []
        """All collected items, including deselected ones."""
        self.unknown: dict[str, str] = {}
        self.marked_deselected = 0
        self.marked_skipped = 0
        self.shard: Shard | None = None
        self.lifted: str | None = None
        """The message about a coverage limit."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leaves the tests of other shards to other runs."""
        if self.settings.shard is None:
            return
        gated = {item.nodeid for item in items if is_gated(item, self.settings)}
        try:
            seconds = measured_seconds(self.settings.durations) if self.settings.durations is not None else {}
        except FlameError as e:
            raise pytest.UsageError(printable_text(str(e))) from e
        own, self.shard = part(sorted(gated), Shard(*self.settings.shard), seconds)
        left = [item for item in items if item.nodeid in gated - own]
        if left:
            self.config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if item.nodeid not in gated - own]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.collected += [item.nodeid for item in items]
        self.items += items
        self.marked_deselected += sum(map(is_marked, items))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected += [item.nodeid for item in session.items]
        self.items += session.items
        # pytest itself reports tests that marks skip.
        marked = [item for item in session.items if is_gated(item, self.settings)]
        self.marked = {item.nodeid: item for item in marked if skipped(item) is None}
        self.marked_skipped = len(marked) - len(self.marked)
        if self.marked:
            self.lifted = lift_coverage_limit(self.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Measures; pytest's own loop then runs the other tests and reports these."""
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            return
        if not self.waits:
            self.measure(session)

    def measure(self, session: pytest.Session) -> None:
        """Judges the marked tests of the session. Raises ``UsageError``, or ``KeyboardInterrupt`` after reporting what
        there is."""
        try:
            with opened_store(self.config, self.settings) as store:
                self._measure(session, store)
        except FlameError as e:
            raise pytest.UsageError(printable_text(str(e))) from e
        except OSError as e:
            if e.errno not in _NO_ROOM:
                raise
            stopped = FlameError(
                "the run could not continue", why=str(e), fix="set TMPDIR=DIR to a folder with more space"
            )
            raise pytest.UsageError(printable_text(str(stopped))) from e
        if self.outcome is None:
            return
        for judgement in self.outcome.result.judgements:
            item = self.marked[judgement.test_id]
            item.ihook.pytest_flame_judged(item=item, judgement=judgement)
        self.config.hook.pytest_flame_finished(
            config=self.config, result=self.outcome.result, report=self.outcome.report
        )
        if self.outcome.result.interrupted:
            for item in self.marked.values():
                self.pytest_runtest_protocol(item)
            raise KeyboardInterrupt

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None = None) -> bool | None:
        if self.outcome is None or item.nodeid not in self.marked:
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item, nextitem, self.outcome):
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        verdict = dict(report.user_properties).get(VERDICT_PROPERTY) if hasattr(report, "user_properties") else None
        if report.when != "call" or verdict is None:
            return None
        letter = {"passed": ".", "failed": "F", "skipped": "s"}[report.outcome]
        return report.outcome, letter, str(verdict)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        tr = terminalreporter
        if self.outcome is not None:
            tr.section("flame", "=")
            for line in summary_lines(self.outcome.result, _relative(self.outcome.report, self.config)):
                tr.write_line(line.text, **line.markup)
            judgements = self.outcome.result.judgements
            stored = self.settings.against is None and not self.settings.update
            if stored and judgements and not any(j.comparison or j.exact for j in judgements):
                folder = _relative(self.settings.baselines, self.config)
                commit = f"   and commit {folder}" if self.settings.store is None else ""
                tr.write_line(f"record baselines with:  pytest --flame-update{commit}")
        elif not self.marked:
            tr.section("flame", "=")
            tr.write_line(self._nothing_marked(), yellow=True)
        if self.lifted is not None:
            tr.write_line(f"flame: {self.lifted}", yellow=True)
        for test_id, place in self.stale.items():
            removal = f"delete {place}" if is_remote(place) else f"git rm {place}"
            _write(
                tr,
                f"flame: stale baseline: there is no longer a test {test_id}. If renamed: pytest --flame-move "
                f"'{test_id}=NEW-ID'; if removed: {removal}",
                yellow=True,
            )
        if self.unlisted is not None:
            _write(tr, f"flame: could not look for stale baselines: {self.unlisted}", yellow=True)
        if self._uncovered():
            tr.write_line(
                "flame: the run fails (--flame-require-covered): not every changed function is known to be run by a "
                "selected test",
                red=True,
            )
        for error in self.outcome.unwritten if self.outcome is not None else ():
            _write(tr, f"flame: {error}", red=True)
        if self.outcome is not None and self.settings.github:
            self._report_to_github(tr, self.outcome)

    def _report_to_github(self, terminal: pytest.TerminalReporter, outcome: GateOutcome) -> None:
        """A summary that cannot be written fails no run."""
        for command in annotation_lines(outcome.result, outcome.prefix):
            terminal.write_line(command)
        for problem in actions.report(outcome.result, _relative(outcome.report, self.config), os.environ):
            _write(terminal, f"flame: {problem}", yellow=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        lost = self.outcome is not None and any(change.lost for change in self.outcome.result.gate.changes)
        doubtful = self.settings.strict and (self.stale or self.unlisted or lost or not self.marked)
        unwritten = self.outcome is not None and self.outcome.unwritten
        if (doubtful or unwritten or self._uncovered()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _say(self, text: str) -> None:
        """A line while the tests run."""
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and self.config.option.verbose >= 0:
            terminal.ensure_newline()
            _write(terminal, f"flame: {text}")

    def _measure(self, session: pytest.Session, store: Store) -> None:
        moved = tuple((self.identity.test_id(old), self.identity.test_id(new)) for old, new in self.settings.move)
        move_baselines(replace(self.settings, move=moved), store)
        ids = self.identity.test_ids(list(self.marked))
        self._refuse_twins(session)
        selected = [self._selected(i, item) for i, item in zip(ids, self.marked.values(), strict=True)]
        gate = self._changes(store)
        if selected and self.settings.on is not None:
            self.outcome = measure_elsewhere(self.config, self.settings, self.marked, gate, self._skips_here, self._say)
        elif selected or gate.changes:
            rules, remark = policy(self.config)
            progress = TerminalProgress(self.config, len(selected))
            request = Request(
                self.settings,
                worker_arguments(self.config, drop=self.settings.worker_drop, add=self.settings.worker_args),
                self.config.invocation_params.dir,
                progress,
                (
                    *self.config.getini("python_files"),
                    *(f"{folder.strip('/')}/" for folder in self.settings.test_folders),
                ),
                conditions(self.config),
                self._skips_here,
                gate=gate,
                accepted=self.accepted,
                frames=chosen_frames(self.config),
                rules=rules,
                store=store,
                complete=self._collected_everything(session) and not self.marked_deselected and self.shard is None,
                said=(*([] if selected else [self._nothing_marked()]), *([remark] if remark else [])),
                shard=self.shard,
            )
            self.outcome = run_gate(selected, request)
            progress.finished()
        if self._collected_everything(session):
            self._find_stale(store)

    def _uncovered(self) -> bool:
        """Whether a changed function that has to be run by a test is not known to be."""
        if not self.settings.require_covered:
            return False
        if self.outcome is None:
            return not self.marked
        coverage = self.outcome.result.coverage
        return not coverage or not all(one.complete for one in coverage)

    def _changes(self, store: Store) -> GateChanges:
        """Changes to the gate itself; not while baselines are written, which is itself such a change, and not between
        two commits, of which neither is the run's."""
        if self.settings.update is not None or self.settings.move or self.settings.head is not None:
            return GateChanges()
        state = gate_state(self.config, self.items, self.unknown)
        files = [Path(item.path) for item in self.marked.values()] or [Path(item.path) for item in self.items]
        return find_changes(
            self.settings.against,
            state,
            collection(self.config),
            store,
            files,
            Accepted(self.settings.accepted, self.accepted),
        )

    def _refuse_twins(self, session: pytest.Session) -> None:
        """Outside its root directory pytest may give tests in two files the same id."""
        for item in session.items:
            other = self.marked.get(item.nodeid)
            if other is not None and other.path != item.path:
                raise UsageError(
                    f"{other.path} and {item.path} both have a test {item.nodeid}",
                    why=f"outside pytest's root directory, {self.config.rootpath}, ids start at the given path",
                    fix=f"--rootdir={os.path.commonpath([other.path, item.path, self.config.rootpath])}, or two runs",
                )

    def _selected(self, test_id: str, item: pytest.Item) -> Selected:
        file = Path(item.path)
        place = file
        if not file.is_relative_to(self.config.rootpath):
            # The ids of tests there are relative to the folder given on the command line.
            place = next((p for p in (file, *file.parents) if item.session.isinitpath(p)), file)
        node_id = item.nodeid if item.nodeid != test_id else ""
        settings, seen = test_settings(item, self.settings), see(item, self.identity)
        return Selected(test_id, file, settings, place, seen, node_id)

    def _skips_here(self, test_id: str) -> bool:
        reports = self.ran_here[test_id] = runtestprotocol(self.marked[test_id], log=False, nextitem=None)
        return any(report.skipped for report in reports)

    def _nothing_marked(self) -> str:
        selected = len(self.collected)
        if self.waits and not selected:
            why = "the run ended with the plain tests"
        elif self.marked_skipped:
            why = f"all {self.marked_skipped} marked tests are skipped by other marks"
        elif self.marked_deselected and self.shard is not None:
            why = f"there are fewer marked tests than shards ({self.shard})"
        elif self.marked_deselected:
            why = f"all {self.marked_deselected} marked tests were deselected"
        else:
            why = f"none of {selected} collected tests is marked @pytest.mark.flame or uses the fixture flame"
        failing = "" if self.settings.strict else " (an error with --flame-strict)"
        return f"nothing was measured: {why}{failing}"

    def _find_stale(self, store: Store) -> None:
        try:
            own = [*self.collected, *map(self.identity.test_id, self.collected)]
            here = self.config.invocation_params.dir
            self.stale = {test_id: store.where(store.path(test_id), here) for test_id in store.stale(own)}
        except BaselineError as e:
            self.unlisted = e

    # --- reports ------------------------------------------------------------------------------------------------

    def _reports(
        self, item: pytest.Item, nextitem: pytest.Item | None, outcome: GateOutcome
    ) -> list[pytest.TestReport]:
        unmeasured = outcome.unmeasured.get(item.nodeid)
        if unmeasured is not None and item.nodeid in self.ran_here:
            return self.ran_here[item.nodeid]
        if unmeasured is not None:
            call = self._unmeasured(item, unmeasured)
        else:
            judgement = next(j for j in outcome.result.judgements if j.test_id == item.nodeid)
            call = self._judged(item, judgement, outcome)
        setup = self._report(item, "setup", "passed", None)
        # JUnit files take the properties from the last report.
        teardown = self._report(item, "teardown", "passed", None, properties=call.user_properties)
        # Fixtures that an earlier test left for this one to tear down.
        left = pytest.CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(nextitem), "teardown")
        if left.excinfo is not None:
            teardown = pytest.TestReport.from_item_and_call(item, left)
            teardown.user_properties = call.user_properties
        return [setup, call, teardown]

    def _judged(self, item: pytest.Item, judgement: Judgement, outcome: GateOutcome) -> pytest.TestReport:
        state = outcome.outcome_of(judgement, strict=self.settings.strict)
        longrepr: Any = None
        if state == "failed":
            picture = None
            if outcome.report is not None and judgement.comparison is not None:
                picture = _relative(outcome.report.parent / f"{slug(judgement.test_id)}.diff.svg", self.config)
            longrepr = FlameFailure(failure_lines(judgement, picture=picture, width=self._width()))
        elif state == "skipped":
            path, line, _ = item.location
            longrepr = (path, (line or 0) + 1, printable(f"{judgement.verdict.value}: {judgement.reason}"))
        properties: list[tuple[str, object]] = list(item.user_properties)
        properties += [(VERDICT_PROPERTY, judgement.verdict.value), ("flame_reason", judgement.reason)]
        if judgement.comparison is not None:
            c = judgement.comparison
            properties += [("flame_ratio", f"{c.ratio:.4f}"), ("flame_interval", f"{c.low:.4f}..{c.high:.4f}")]
            properties += [("flame_culprit", culprit.frame.name) for culprit in c.culprits[:1]]
        return self._report(item, "call", state, longrepr, outcome.wall_s.get(item.nodeid, 0.0), properties)

    def _width(self) -> int:
        """Columns of the terminal, as pytest knows them."""
        return int(self.config.get_terminal_writer().fullwidth)

    def _unmeasured(self, item: pytest.Item, result: WorkerResult) -> pytest.TestReport:
        path, line, _ = item.location
        report = self._report(item, "call", "skipped", (path, (line or 0) + 1, printable(f"Skipped: {result.message}")))
        if result.status is Status.XFAILED:
            report.wasxfail = printable(result.message)
            report.longrepr = result.details
        return report

    def _report(
        self,
        item: pytest.Item,
        when: Any,
        outcome: Any,
        longrepr: Any,
        duration: float = 0.0,
        properties: list[tuple[str, object]] | None = None,
    ) -> pytest.TestReport:
        now = time.time()
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={name: 1 for name in item.keywords},
            outcome=outcome,
            longrepr=longrepr,
            when=when,
            sections=[],
            duration=duration,
            start=now - duration,
            stop=now,
            user_properties=properties if properties is not None else list(item.user_properties),
        )

    def _collected_everything(self, session: pytest.Session) -> bool:
        """Only a run over all tests can show that a baseline's test is gone."""
        config, source = self.config, self.config.args_source
        whole = source is pytest.Config.ArgsSource.TESTPATHS or (
            source is pytest.Config.ArgsSource.INVOCATION_DIR and config.invocation_params.dir == config.rootpath
        )
        narrowed = any(config.getoption(name, None) for name in ("lf", "ignore", "ignore_glob"))
        return whole and not narrowed and not session.testsfailed


def _write(terminal: pytest.TerminalReporter, text: str, **markup: bool) -> None:
    for line in printable_lines(text):
        terminal.write_line(line, **markup)


def _relative(path: Path | None, config: pytest.Config) -> Path | None:
    if path is not None and path.is_relative_to(config.invocation_params.dir):
        return path.relative_to(config.invocation_params.dir)
    return path
