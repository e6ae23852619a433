"""The pytest plugin inside a worker: one test, one process, measured and written to a file.

Loaded with ``-p pytest_flame.measure.worker --flame-job=FILE``; never by hand.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import importlib
import inspect
import os
import random
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from _pytest.config import ConftestImportFailure
from _pytest.runner import call_and_report

from pytest_flame.baseline.fingerprint import machine_fingerprint
from pytest_flame.baseline.sources import module_files, source_hashes
from pytest_flame.errors import FlameError, SamplerUnavailable
from pytest_flame.fixture import PassThrough
from pytest_flame.measure import proof, seeds
from pytest_flame.measure.absence import absence
from pytest_flame.measure.agreement import Conditions, said
from pytest_flame.measure.body import STOPS, repeated, run_item, timed
from pytest_flame.measure.capture import Captured, shown
from pytest_flame.measure.deadline import Pulse, show_stacks_when_asked
from pytest_flame.measure.descendants import Descendants, had_children
from pytest_flame.measure.identity import Identity, top_of
from pytest_flame.measure.job import ONCE, Job, Plan, Status, WorkerResult
from pytest_flame.measure.meter import Meter
from pytest_flame.measure.part import MeasuredPart
from pytest_flame.measure.room import MEASURED_ROOM, enlarge_threads, roomy
from pytest_flame.measure.rounds import Kind, Progress, Step, empty_region_ns, rounds, watched
from pytest_flame.measure.seeing import conditions, see
from pytest_flame.measure.stacks import Clocks, fold_samples
from pytest_flame.measure.started import Started
from pytest_flame.model import Process, Recording
from pytest_flame.plugin import FLAME_KEY
from pytest_flame.quantities import FIRST_CALL
from pytest_flame.sampling.ladder import open_sampler
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.sampler import RawFrame

PLUGIN_NAME = "flame-worker"
_PLUGIN = "--flame-plugin"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    parser.addoption("--flame-job", help="internal: the process to measure")
    parser.addoption(_PLUGIN, action="append", help="internal: MODULE:NAME of an object to register")
    # Before the command line is parsed: they may have options of their own.
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
    config.pluginmanager.register(Worker(job, config), PLUGIN_NAME)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A conftest file that asks the base for what only head has ends pytest before there is a session."""
    job = Job.read(Path(early_config.known_args_namespace.flame_job))
    seeds.seed_generators(job.hash_seed)
    enlarge_threads()
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
    """Only a base can lack what head's tests need."""
    if job.provenance is None or job.provenance.side != "base":
        return None
    return absence(error, job.provenance)


def settle_heap() -> None:
    """What is alive before the body runs is not the body's: the collector leaves it alone from here on.

    Otherwise whichever function happens to allocate when a full collection is due pays for pytest's whole heap.
    """
    gc.collect()
    gc.freeze()


class Worker:
    """Hooks for the one measured item."""

    def __init__(self, job: Job, config: pytest.Config) -> None:
        self.job = job
        self.config = config
        self.identity = _identity(job)
        self.rng = random.Random(job.seed)
        self.progress = Progress()
        self.started = Started()
        self.pulse = Pulse(job.watch, job.patience)
        self.result: WorkerResult | None = None
        self.errors: list[str] = []
        self.absent: str | None = None
        self.body: RawFrame | None = None
        self.found = False
        self.collected: list[str] = []
        self.skipped: str | None = None
        """Why the whole file is."""
        self.misuse: FlameError | None = None
        self.aside: pytest.TestReport | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Subtests report their failures here and let the body go on."""
        if report.failed and self.aside is None:
            self.aside = report

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, settings: Any) -> bool:
        """pytest-timeout's limits are for one call, this process makes many: they are watched from outside."""
        self.pulse.own_timeout(float(settings.timeout))
        return True

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and isinstance(call.excinfo.value, FlameError):
            self.misuse = call.excinfo.value
        elif call.excinfo is not None and self.absent is None:
            self.absent = _absence(self.job, call.excinfo.value)

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
        """Collecting failed."""
        if isinstance(node, pytest.Collector) and call.excinfo is not None and self.absent is None:
            self.absent = _absence(self.job, call.excinfo.value)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Of a folder that is collected only what leads to the test's file."""
        file = Path(self.job.file)
        narrowed = self.job.place != self.job.file and collection_path != file and collection_path not in file.parents
        return True if narrowed else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Which tests run is decided: what plugins deselect here is kept, with what they did to it."""
        collected = [*items]
        yield
        wanted = {self.job.node_id}
        found = next((i for i in (*items, *collected) if {i.nodeid, self.identity.test_id(i.nodeid)} & wanted), None)
        self.collected = [self.identity.test_id(item.nodeid) for item in collected]
        items[:] = [found] if found is not None else []
        self.found = bool(items)

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
                self._measure(item)
        except SamplerUnavailable as e:
            self.result = WorkerResult(Status.NO_SAMPLER, e.what, str(e))
        except FlameError as e:
            self.result = WorkerResult(Status.UNUSABLE, e.what, str(e))
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.result is None and self.errors and self.absent is not None:
            self.result = WorkerResult(Status.ABSENT, self.absent, "\n".join(self.errors))
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
            why = f"it has other parameters there: {', '.join(i.removeprefix(name) for i in like[:3])}"
        else:
            why = f"{len(self.collected)} other tests are in its file there"
        differences = self._differences(config)
        message = f"the test is not there in its worker process: {why}"
        return WorkerResult(Status.MISSING, _with(message, differences), "\n".join(differences))

    def _disagreement(self, item: pytest.Item) -> WorkerResult | None:
        """The base's code may make another test of it; what the run's own code made of it, it has to make again."""
        provenance, seen = self.job.provenance, self.job.seen
        if seen is None or (provenance is not None and provenance.side == "base"):
            return None
        found = list(seen.differences(see(item, self.identity)))
        if not found:
            return None
        differences = self._differences(item.config)
        message = f"the test is another one in its worker process: {said(found)}"
        return WorkerResult(Status.DIFFERENT, _with(message, differences), "\n".join([*found, *differences]))

    def _differences(self, config: pytest.Config) -> list[str]:
        if not self.job.conditions:
            return []
        return list(Conditions.read(Path(self.job.conditions)).differences(conditions(config)))

    # --- one item ----------------------------------------------------------------------------------------------

    @roomy(MEASURED_ROOM)
    def _measure(self, item: pytest.Item) -> None:
        if not isinstance(item, pytest.Function):
            raise FlameError(f"{item.nodeid} is not a test function; only those can be measured")
        _refuse_tracers("is active in the measured process")
        code = _code(item.function)
        if code is None:
            raise FlameError(f"{item.nodeid} is not written in Python: its body has no frame to measure")
        self.body = RawFrame(code.co_qualname, code.co_filename, code.co_firstlineno)
        sampler = open_sampler(
            self.job.sampler,
            self.job.frequency_hz,
            kernel_frames=self.job.kernel_frames,
            native_frames=self.job.native_frames,
        )
        if self.job.note_started:
            self.started.watch()
        children = Descendants(os.getpid(), keeper=os.getppid())
        try:
            sampler.set_stops(STOPS)
            meter = Meter(sampler, self.rng, Captured(item, self.job.output).thin, children)
            self._shuffle_heap()
            report = self._fresh(item, meter) if self.job.fresh else self._repeat(item, meter)
            self.pulse.ending()
            self.result = self._judge_report(report)
            if self.result is None:
                _refuse_tracers("was left behind by the test")
                self.result = self._recorded(meter, sampler.samples(), sampler.info)
        finally:
            children.close()
            sampler.close()

    @property
    def _plan(self) -> Plan | None:
        """A process whose first call is judged makes no other."""
        return ONCE if self.job.metric == FIRST_CALL else self.job.plan

    def _steps(self, meter: Meter, *, regions: bool) -> Iterator[Step]:
        time_s, limit_s = self.job.time_s, self.job.patience.calls_s
        steps = rounds(meter, self.progress, self._plan, time_s, self.rng, regions=regions, limit_s=limit_s)
        return watched(steps, self.pulse)

    def _repeat(self, item: pytest.Function, meter: Meter) -> pytest.TestReport:
        """Fixtures once, the body many times."""
        part = MeasuredPart(meter, functools.partial(self._steps, meter, regions=False))
        wants_part = "flame" in item.fixturenames
        item.stash[FLAME_KEY] = part
        report = call_and_report(item, "setup", log=False)
        if report.passed:
            body = item.obj
            if wants_part:
                obj: Callable[..., Any] = self._discovering(body, part, meter)
            else:
                obj = repeated(body, self._steps(meter, regions=False), settle_heap)
            report = self._call(item, obj, meter)
        self.pulse.ending()
        teardown = call_and_report(item, "teardown", log=False, nextitem=None)
        if report.passed and part.raised is not None:
            raise FlameError(
                f"the function given to flame(...) raised {type(part.raised).__name__}, so nothing was measured",
                fix="measure a function that catches it",
            )
        return report if not report.passed else teardown

    def _discovering(self, body: Callable[..., Any], part: MeasuredPart, meter: Meter) -> Callable[..., Any]:
        """The first call shows whether the body uses ``flame(...)``, which measures there and then, or ``with
        flame:``, for which it is called again and again."""

        def steps() -> Iterator[Step]:
            meter.region_cost_ns = empty_region_ns(meter)
            meter.begin(sampled=self._plan == ONCE)
            yield from watched(iter([Step(Kind.BODY, 1)]), self.pulse)
            if part.called:
                return
            if not part.entered:
                raise FlameError(
                    "the test asks for the fixture `flame` and does not use it",
                    fix="call flame(func, ...), write `with flame:`, or drop the argument to measure the whole body",
                )
            first = meter.end(1)
            self.progress.calls += 1
            self.progress.first_call_ns = first.cpu_ns
            if self._plan == ONCE:
                self.progress.plan, self.progress.finished = ONCE, True
                self.progress.rounds.append(first)
                self.progress.unseen = meter.unseen(first.cpu_ns)
            else:
                yield from self._steps(meter, regions=True)

        return repeated(body, steps(), settle_heap)

    def _fresh(self, item: pytest.Function, meter: Meter) -> pytest.TestReport:
        """Fixtures anew for each iteration, outside the measured time."""
        if "flame" in item.fixturenames:
            raise FlameError(
                "fresh=True cannot be combined with the fixture `flame`",
                fix="drop fresh=True and measure the block with `with flame:`",
            )
        item.stash[FLAME_KEY] = PassThrough()
        settle_heap()
        report: pytest.TestReport | None = None
        for step in self._steps(meter, regions=True):
            for _ in step.turns:
                report = self._one_cycle(item, meter)
                if not report.passed:
                    meter.abandon()
                    item.session._setupstate.teardown_exact(None)
                    return report
        assert report is not None
        item.session._setupstate.teardown_exact(None)
        return report

    def _one_cycle(self, item: pytest.Function, meter: Meter) -> pytest.TestReport:
        item._initrequest()
        report = call_and_report(item, "setup", log=False)
        if report.passed:
            report = self._call(item, timed(item.obj, meter), meter)
        # With the parent as the next node only this item's own fixtures are torn down.
        teardown = call_and_report(item, "teardown", log=False, nextitem=item.parent)
        if getattr(item, "_instance", None) is not None:
            item.__dict__.pop("_instance", None)
            item.__dict__.pop("_obj", None)
        return report if not report.passed else teardown

    def _call(self, item: pytest.Function, obj: Callable[..., Any], meter: Meter) -> pytest.TestReport:
        original_obj, original_runtest = item.obj, item.runtest
        item.obj = obj
        instance = getattr(item, "instance", None)
        is_unittest = instance is not None and hasattr(item, "startTest")
        if is_unittest:
            setattr(instance, item.name, obj)  # pytest leaves coroutine methods to unittest, which looks here
        item.runtest = functools.partial(run_item, original_runtest)  # type: ignore[method-assign]
        try:
            report = call_and_report(item, "call", log=False)
            if not report.passed:
                meter.abandon()
            return report
        finally:
            item.__dict__.pop("runtest", None)
            item.obj = original_obj

    def _shuffle_heap(self) -> None:
        """A different phase of the garbage collector and of the allocator in every process."""
        self._ballast = [[] for _ in range(self.rng.randrange(700))]  # type: list[list[None]]
        self._more_ballast = [bytes(self.rng.randrange(1, 512)) for _ in range(self.rng.randrange(200))]

    # --- what came of it ----------------------------------------------------------------------------------------

    def _judge_report(self, report: pytest.TestReport) -> WorkerResult | None:
        """None where the body ran to the end."""
        if report.passed and self.aside is None:
            return None
        if self.misuse is not None:
            return WorkerResult(Status.UNUSABLE, self.misuse.what, str(self.misuse))
        if report.passed and self.aside is not None:
            report = self.aside
        text = shown(report)
        if hasattr(report, "wasxfail"):
            return WorkerResult(Status.XFAILED, str(report.wasxfail), text)
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else text
            details = "\n".join([text, *self._differences(self.config)])
            return WorkerResult(Status.SKIPPED, str(reason).removeprefix("Skipped: "), details)
        if self.absent is not None:
            return WorkerResult(Status.ABSENT, self.absent, text)
        crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", text).strip().split("\n")[0]
        passed = self.progress.passed()
        if report.when == "call" and passed and not self.progress.finished:
            times = "once" if passed == 1 else f"{passed} times"
            message = f"the body passed {times} and failed when it was called again: {crash}"
            return WorkerResult(Status.UNREPEATABLE, message, text)
        return WorkerResult(Status.FAILED, f"{report.when} failed: {crash}", text)

    def _proven(self, result: WorkerResult) -> WorkerResult:
        """What was measured, or failed, counts only where it was this side's code."""
        provenance = self.job.provenance
        if provenance is None or result.status in (Status.SKIPPED, Status.XFAILED, Status.NO_SAMPLER):
            return result
        found = proof.strays(provenance)
        if not found:
            return result
        return WorkerResult(Status.WRONG_SIDE, proof.message(found[0], provenance), proof.details(found, provenance))

    def _recorded(self, meter: Meter, raw: Any, info: Any) -> WorkerResult:
        progress, job = self.progress, self.job
        if job.plan is None:
            once = progress.rounds[0].wall_ns if progress.rounds else 0
            return WorkerResult(Status.CALIBRATED, plan=progress.plan, round_wall_ns=progress.round_wall_ns or once)
        if progress.unseen is not None:
            return WorkerResult(Status.UNSEEN, progress.unseen)
        assert self.body is not None
        clocks = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, meter.sampled_child_ns, meter.ticks_due)
        folded = fold_samples(raw, FrameNamer(job.root, _search_path(job)), self.body, clocks, info)
        process = Process(
            tuple(progress.rounds),
            folded.stacks,
            folded.counts,
            progress.loop_ps,
            job.hash_seed,
            progress.outside,
            progress.first_call_ns,
        )
        recording = Recording(
            test_id=job.node_id,
            processes=(process,),
            sampler=info,
            fingerprint=machine_fingerprint(Path(job.root)),
            source_hashes=source_hashes(Path(job.root), module_files()),
            lines=folded.lines,
            fresh=job.fresh,
            metric=job.metric,
            seed=job.seed,
            line_weights=folded.line_weights,
        )
        return WorkerResult(Status.MEASURED, recording=recording)


def _identity(job: Job) -> Identity:
    """Ids may hold this side's tree, and by way of the environment the checkout itself."""
    provenance, root = job.provenance, Path(job.root)
    if provenance is None:
        return Identity.at((root, top_of(root)))
    tree, checkout = Path(provenance.tree), Path(provenance.checkout)
    own = checkout / root.relative_to(tree) if root.is_relative_to(tree) else root
    return Identity.at((root, tree), (own, checkout))


def _with(message: str, differences: list[str]) -> str:
    return f"{message} (what differs: {said(differences)})" if differences else message


def _search_path(job: Job) -> list[str]:
    """Where frames get their modules from. Editable installs by import hook have no entry in ``sys.path``: without
    the roots of the tree, code outside of pytest's root would be named by its path, another one on each side."""
    provenance = job.provenance
    roots = () if provenance is None else tuple(str(Path(provenance.tree, root)) for root in provenance.roots)
    return [*sys.path, *roots]


def _code(function: Any) -> CodeType | None:
    """The code a test runs behind its decorators."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


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
