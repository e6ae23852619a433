"""The outcome of an item's calls: the recording of its process, or why there is none."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_flame.baseline.fingerprint import machine_fingerprint
from pytest_flame.baseline.source_hashes import module_files, source_hashes
from pytest_flame.errors import FlameError
from pytest_flame.measure.capture import shown
from pytest_flame.measure.job import Job, Status, WorkerResult
from pytest_flame.measure.rounds import RoundsDone
from pytest_flame.measure.seeing import differences
from pytest_flame.model import PS_PER_NS, Process, Recording, SamplerInfo, gated
from pytest_flame.sampling.meter import Meter
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawFrame, RawSamples
from pytest_flame.sampling.stacks import Clocks, fold_samples


@dataclass(slots=True)
class Failures:
    """What pytest's hooks report about failures, apart from the report of the failed phase."""

    aside: pytest.TestReport | None = None
    """From a subtest, which lets the body continue."""
    misuse: FlameError | None = None
    """From the fixture ``flame``."""
    absent: str | None = None
    """What the test needs and base does not have."""


def unmeasured(
    report: pytest.TestReport, failures: Failures, progress: RoundsDone, config: pytest.Config, run: str
) -> WorkerResult | None:
    """None if the body ran to the end. ``run`` as for ``differences``."""
    if report.passed and failures.aside is None:
        return None
    if failures.misuse is not None:
        return WorkerResult(Status.UNUSABLE, failures.misuse.what, str(failures.misuse))
    if report.passed and failures.aside is not None:
        report = failures.aside
    text = shown(report)
    if hasattr(report, "wasxfail"):
        return WorkerResult(Status.XFAILED, str(report.wasxfail), text)
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else text
        details = "\n".join([text, *differences(config, run)])
        return WorkerResult(Status.SKIPPED, str(reason).removeprefix("Skipped: "), details)
    if failures.absent is not None:
        return WorkerResult(Status.ABSENT, failures.absent, text)
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", text).strip().split("\n")[0]
    passed = progress.passed()
    if report.when == "call" and passed and not progress.finished:
        times = "once" if passed == 1 else f"{passed} times"
        message = f"the body passed {times} and failed when it was called again: {crash}"
        return WorkerResult(Status.UNREPEATABLE, message, text)
    return WorkerResult(Status.FAILED, f"{report.when} failed: {crash}", text)


def recorded(
    job: Job, body: RawFrame, progress: RoundsDone, meter: Meter, raw: RawSamples, info: SamplerInfo
) -> WorkerResult:
    if job.plan is None:
        once = progress.rounds[0].wall_ns if progress.rounds else 0
        return WorkerResult(Status.CALIBRATED, plan=progress.plan, round_wall_ns=progress.round_wall_ns or once)
    if progress.unseen is not None:
        return WorkerResult(Status.UNSEEN, progress.unseen)
    loop_ns = progress.loop_cost * sum(r.iterations for r in progress.rounds if r.sampled) // PS_PER_NS
    clocks = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, meter.sampled_child_ns, meter.ticks_due, loop_ns)
    folded = fold_samples(raw, FrameNamer(job.root, [*sys.path, *import_roots(job)]), body, clocks, info)
    process = Process(
        tuple(progress.rounds),
        folded.stacks,
        folded.counts,
        progress.loop_cost,
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
        metric=gated(job.metric),
        seed=job.seed,
        line_weights=folded.line_weights,
    )
    return WorkerResult(Status.MEASURED, recording=recording)


def import_roots(job: Job) -> tuple[str, ...]:
    """The folders that module names are derived from beside ``sys.path``. Editable installs by import hook have none
    there: without the roots of the tree, code outside pytest's root would be named by its path, which differs between
    the sides."""
    provenance = job.provenance
    return () if provenance is None else tuple(str(Path(provenance.tree, root)) for root in provenance.roots)
