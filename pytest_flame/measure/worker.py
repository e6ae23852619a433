"""The pytest plugin inside a worker: one test, one process, measured and written to a file.

Loaded with ``-p pytest_flame.measure.worker --flame-job=FILE``; never by hand. With ``--flame-prepared`` the process is
a prepared one, and the workers are its forks (``serving.py``).
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import ConftestImportFailure

from pytest_flame.atomic import write_bytes
from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.fingerprint import machine_fingerprint
from pytest_flame.baseline.source_hashes import module_files, source_hashes
from pytest_flame.errors import FlameError, SamplerUnavailable
from pytest_flame.exact.exact_recorder import ExactRecorder
from pytest_flame.measure import seeds
from pytest_flame.measure.absence import absence
from pytest_flame.measure.agreement import said
from pytest_flame.measure.channel import Channel
from pytest_flame.measure.counted_item import count
from pytest_flame.measure.deadline import Pulse, show_stacks_when_asked
from pytest_flame.measure.item import measure
from pytest_flame.measure.job import Job, Status, WorkerResult, shared_footprint
from pytest_flame.measure.outcome import Failures, import_roots
from pytest_flame.measure.room import enlarge_threads
from pytest_flame.measure.seeing import differences, see
from pytest_flame.measure.serving import Server
from pytest_flame.measure.started import Started
from pytest_flame.model import Footprint
from pytest_flame.sampling.descendants import had_children
from pytest_flame.trees import proof
from pytest_flame.trees.identity import Identity, top_of

PLUGIN_NAME = "flame-worker"
_PLUGIN = "--flame-plugin"
RECORDER = pytest.StashKey[ExactRecorder]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    parser.addoption("--flame-job", help="internal: the process to measure")
    parser.addoption("--flame-prepared", type=int, help="internal: the descriptor that jobs come from")
    parser.addoption(_PLUGIN, action="append", help="internal: MODULE:NAME of an object to register")
    # Before the command line is parsed: they may define options.
    for argument in sys.argv:
        if argument.startswith(f"{_PLUGIN}="):
            module, _, name = argument.removeprefix(f"{_PLUGIN}=").partition(":")
            pluginmanager.register(getattr(importlib.import_module(module), name))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    job = Job.read(Path(config.getoption("--flame-job")))
    seeds.seed_plugins(config.option, job.hash_seed)
    config.args[:] = [job.place]
    if job.cpus:
        os.sched_setaffinity(0, job.cpus)
    if job.watch:
        show_stacks_when_asked(job.watch)
    worker = Worker(job, config.stash.get(RECORDER, None))
    config.pluginmanager.register(worker, PLUGIN_NAME)
    channel = config.getoption("--flame-prepared")
    if channel is not None:
        server = Server(Channel.inherited(channel), config, job.watched)
        config.pluginmanager.register(Preparation(worker, server), f"{PLUGIN_NAME}-prepared")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A conftest file that needs something from base that only head has ends pytest before there is a session."""
    job = Job.read(Path(early_config.known_args_namespace.flame_job))
    seeds.seed_generators(job.hash_seed)
    enlarge_threads()
    if job.counts:
        recorder = ExactRecorder(
            job.provenance.tree if job.provenance else job.root,
            roots={"environment": sys.prefix, "python": sys.base_prefix},
            scratch=[job.watch],
            import_roots=import_roots(job),
        )
        early_config.stash[RECORDER] = recorder
        recorder.begin()
    try:
        yield
    except ConftestImportFailure as e:
        _failed_import(job, e, str(e)).write(Path(job.result))
        raise


def _failed_import(job: Job, error: BaseException, text: str) -> WorkerResult:
    missing = _absence(job, error)
    if missing is not None:
        return WorkerResult(Status.ABSENT, missing, text)
    return WorkerResult(Status.FAILED, f"a conftest file could not be imported: {error.__cause__ or error}", text)


def _absence(job: Job, error: BaseException) -> str | None:
    """Only base can lack what head's tests need."""
    if job.provenance is None or job.provenance.side != "base":
        return None
    return absence(error, job.provenance)


class Preparation:
    """Hooks at which a prepared process forks: before it collects, and before it runs what it has collected."""

    def __init__(self, worker: Worker, server: Server) -> None:
        self._worker = worker
        self._server = server
        worker.narrows, worker.reports = False, False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        self._prepare()
        job = self._server.next_file()
        if job is None:
            return True
        session.config.args[:] = [job.place]
        self._worker.take(job)
        self._worker.reports = True  # collecting may fail
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        shared = self._prepare()
        if shared is not None:
            path = shared_footprint(self._worker.job.watch, shared.digest)
            write_bytes(path, exact_wire.encode_footprint(shared).encode("utf-8"), durable=False)
        job = self._server.next_test() if self._worker.reports else None
        if job is None:
            self._worker.reports = False
            return True
        self._worker.take(job)
        session.items[:] = self._worker.selected()
        session.testscollected = len(session.items)
        return None

    def _prepare(self) -> Footprint | None:
        """Does what would have to be done in each fork; returns what is shared, for an exact pass."""
        self._worker.check_imports()
        if self._worker.recorder is not None:
            return self._worker.recorder.prepare()
        root = Path(self._worker.job.root)
        source_hashes(root, module_files())
        machine_fingerprint(root)
        return None

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._server.exit_status = exitstatus


class Worker:
    """Hooks for the one measured item."""

    def __init__(self, job: Job, recorder: ExactRecorder | None) -> None:
        self.job = job
        self.recorder = recorder
        """Of an exact pass, from before the project is imported."""
        self.identity = _identity(job)
        self.started = Started()
        self.pulse = Pulse(job.watch, job.patience)
        self.failures = Failures()
        self.result: WorkerResult | None = None
        self.errors: list[str] = []
        self.found = False
        self.items: list[pytest.Item] = []
        """All that were collected, those that plugins kept first."""
        self.skipped: str | None = None
        """Why the whole file is skipped."""
        self.narrows = True
        """Only the job's test is left of what was collected."""
        self._imports: proof.Known = {}
        self.reports = True
        """The job's result is this process's to write."""

    def take(self, job: Job) -> None:
        """The job of a fork."""
        self.job = job
        self.pulse = Pulse(job.watch, job.patience)
        if job.watch:
            show_stacks_when_asked(job.watch)

    def check_imports(self) -> list[proof.Stray]:
        """What was imported from the wrong side; in a fork, only what it imported itself is looked at."""
        return [] if self.job.provenance is None else proof.strays(self.job.provenance, known=self._imports)

    @property
    def collected(self) -> list[str]:
        return [self.identity.test_id(item.nodeid) for item in self.items]

    def selected(self) -> list[pytest.Item]:
        """The job's one test, or none."""
        wanted = self.job.node_id
        item = next((i for i in self.items if wanted in (i.nodeid, self.identity.test_id(i.nodeid))), None)
        self.found = item is not None
        return [] if item is None else [item]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Subtests report their failures here and let the body continue."""
        if report.failed and self.failures.aside is None:
            self.failures.aside = report

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, settings: Any) -> bool:
        """pytest-timeout's limits are for one call, but this process makes many: they are enforced from outside."""
        self.pulse.own_timeout(float(settings.timeout))
        return True

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and isinstance(call.excinfo.value, FlameError):
            self.failures.misuse = call.excinfo.value
        elif call.excinfo is not None and self.failures.absent is None:
            self.failures.absent = _absence(self.job, call.excinfo.value)

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
        """Collecting failed."""
        if isinstance(node, pytest.Collector) and call.excinfo is not None and self.failures.absent is None:
            self.failures.absent = _absence(self.job, call.excinfo.value)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Of a collected folder, only what leads to the test's file."""
        file = Path(self.job.file)
        narrowed = self.job.place != self.job.file and collection_path != file and collection_path not in file.parents
        return True if narrowed else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """The run has selected the tests: what plugins deselect here is kept, with their changes to it."""
        collected = [*items]
        yield
        kept = {*map(id, items)}
        self.items = [*items, *(item for item in collected if id(item) not in kept)]
        if self.narrows:
            items[:] = self.selected()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(report.longreprtext)
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            self.skipped = str(reason).removeprefix("Skipped: ")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        try:
            self.result = self._disagreement(item)
            if self.result is None:
                self.result = self._run(item)
        except SamplerUnavailable as e:
            self.result = WorkerResult(Status.NO_SAMPLER, e.what, str(e))
        except FlameError as e:
            self.result = WorkerResult(Status.UNUSABLE, e.what, str(e))
        return True

    def _run(self, item: pytest.Item) -> WorkerResult:
        if self.recorder is not None:
            return count(item, self.job, self.pulse, self.failures, self.recorder)
        return measure(item, self.job, self.pulse, self.started, self.failures)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.reports:
            return
        if self.result is None and self.errors and self.failures.absent is not None:
            self.result = WorkerResult(Status.ABSENT, self.failures.absent, "\n".join(self.errors))
        elif self.result is None and self.errors:
            self.result = WorkerResult(Status.FAILED, "the test file could not be collected", "\n".join(self.errors))
        elif self.result is None and not self.found:
            self.result = self._missing(session.config)
        if self.result is not None:
            proven = self._proven(self.result)
            done = dataclasses.replace(proven, started_others=had_children(), started=self.started.commands)
            done.write(Path(self.job.result))

    # --- the run and this process -------------------------------------------------------------------------------

    def _missing(self, config: pytest.Config) -> WorkerResult:
        name = self.job.node_id.partition("[")[0]
        if self.skipped is not None:
            why = f"its file is skipped there: {self.skipped}"
        elif like := [i for i in self.collected if i.partition("[")[0] == name]:
            why = f"it has different parameters there: {', '.join(i.removeprefix(name) for i in like[:3])}"
        else:
            why = f"{len(self.collected)} other tests were found in its file there"
        differing = differences(config, self.job.conditions)
        message = f"the test was not found in its worker process: {why}"
        return WorkerResult(Status.MISSING, _with(message, differing), "\n".join(differing))

    def _disagreement(self, item: pytest.Item) -> WorkerResult | None:
        """Base's code may turn it into a different test; head's code has to give the same test as in the run."""
        provenance, seen = self.job.provenance, self.job.seen
        if seen is None or (provenance is not None and provenance.side == "base"):
            return None
        found = list(seen.differences(see(item, self.identity)))
        if not found:
            return None
        differing = differences(item.config, self.job.conditions)
        message = f"the test is different in its worker process: {said(found)}"
        return WorkerResult(Status.DIFFERENT, _with(message, differing), "\n".join([*found, *differing]))

    def _proven(self, result: WorkerResult) -> WorkerResult:
        """A measurement or failure counts only if it was this side's code."""
        provenance = self.job.provenance
        if provenance is None or result.status in (Status.SKIPPED, Status.XFAILED, Status.NO_SAMPLER):
            return result
        found = self.check_imports()
        if not found:
            return result
        return WorkerResult(Status.WRONG_SIDE, proof.message(found[0], provenance), proof.details(found, provenance))


def _identity(job: Job) -> Identity:
    """Ids may contain this side's tree and, through the environment, the checkout itself."""
    provenance, root = job.provenance, Path(job.root)
    if provenance is None:
        return Identity.at((root, top_of(root)))
    tree, checkout = Path(provenance.tree), Path(provenance.checkout)
    own = checkout / root.relative_to(tree) if root.is_relative_to(tree) else root
    return Identity.at((root, tree), (own, checkout))


def _with(message: str, differing: list[str]) -> str:
    return f"{message} (what differs: {said(differing)})" if differing else message
