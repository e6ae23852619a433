"""Runs one worker: ``python -m pytest`` for one test, without anything inherited that would also be measured. It is a
fresh interpreter, or a fork of one that was prepared."""

from __future__ import annotations

import dataclasses
import errno
import functools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_flame import clocks
from pytest_flame.measure.channel import Channel
from pytest_flame.measure.deadline import DeadlineWatch, readable_until
from pytest_flame.measure.job import Job, Status, WorkerResult
from pytest_flame.measure.workers import Command, ForkedWorker, FreshWorker, Prepared
from pytest_flame.trees.opened import source_of
from pytest_flame.trees.proof import Stray, misread, misread_details, misread_message
from pytest_flame.trees.scratch import Scratch
from pytest_flame.trees.sides import Side

_DROPPED: Final = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC")
_DROPPED_PREFIXES: Final = ("CODSPEED_", "COV_CORE_", "COVERAGE_", "FLAME_PROFILE", "PYTEST_XDIST_")
_LAST_OUTPUT_CHARACTERS: Final = 4000
_LITTLE_ROOM: Final = 1 << 20
"""Bytes, about the size of a result."""
_LOOK_NS: Final = 1_000_000_000
_POLL_NS: Final = 10_000_000
_USAGE_ERROR: Final = 4
"""``pytest.ExitCode.USAGE_ERROR``, without importing pytest here."""
_ROOM: Final = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        f"the folder for temporary files, {tempfile.gettempdir()}, is full: set TMPDIR=DIR to another one",
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "this process has reached its limit of open files: see `ulimit -n`"),
    errno.EAGAIN: "the limit of processes is reached: see `ulimit -u`",
}


@dataclass(frozen=True, slots=True)
class Launcher:
    """What all workers of a run share. ``pytest_args`` are the run's own, paths included; a worker still collects only
    the file of its test.

    All paths are the user's. With a ``side``, workers run in its tree and all paths are moved there.
    """

    root: Path
    directory: Path
    """Working directory of the run."""
    scratch: Path
    pytest_args: tuple[str, ...]
    python: str = sys.executable
    safe_path: bool = False
    """The working directory is not on the import path: ``pytest`` was run and not ``python -m pytest``."""
    side: Side | None = None
    script_folder: Path | None = None
    """Folder of the script that called pytest, which Python imports from; a worker has no script."""
    conditions: Path | None = None
    """A file: the ``Conditions`` of the run."""
    guard: Scratch | None = None
    """Gets each worker's process group, so that none outlives the run."""

    def on(self, side: Side) -> Launcher:
        """The same for one side's tree, with a scratch folder whose path has the same length on both sides."""
        scratch = self.scratch / f"run-{side.provenance.side}"  # beside the trees
        scratch.mkdir(exist_ok=True)
        return dataclasses.replace(self, side=side, scratch=scratch)

    def run(self, job: Job, file: Path, timeout_s: float | None, prepared: Prepared | None = None) -> WorkerResult:
        """Runs the worker to its end, as a fork of ``prepared`` if possible. Ctrl-C, its deadline and the time limit
        kill it and everything it started."""
        began = clocks.monotonic()
        with self.begin(job, file, timeout_s, prepared) as running:
            await_all([running])
        return self.checked(running, _left_s(timeout_s, began))

    def begin(self, job: Job, file: Path, timeout_s: float | None, prepared: Prepared | None = None) -> Running:
        return Running(self, job, file, timeout_s, prepared)

    def checked(self, running: Running, timeout_s: float | None) -> WorkerResult:
        """The result, if no process of the test ran code of the wrong side: another worker shows whether it was one."""
        result, kept = running.outcome()
        job = dataclasses.replace(running.asked, turns=None)
        for again in (dataclasses.replace(job, note_started=True), job):
            found = _misread(result, kept, self.side)
            if not found or self.side is None:
                break
            # Any program may read the checkout once; a process of the test does so in every worker.
            with self.begin(again, running.file, timeout_s, running.prepared) as repeated:
                await_all([repeated])
            result, kept = repeated.outcome()
            shown = [stray for stray in _misread(result, kept, self.side) if stray in found]
            if shown and again.note_started:
                provenance = self.side.provenance
                commands = [*result.started, *kept.running(stray.file for stray in shown)]
                message = misread_message(shown[0], result.started, provenance)
                details = misread_details(shown, commands, provenance)
                return WorkerResult(Status.WRONG_SIDE, message, details, left=kept.left)
        if result.started_others and kept.unwatched is not None and result.recording is not None:
            why = f"it is not known whose code the test's child processes ran: {kept.unwatched}"
            return WorkerResult(Status.UNSEEN, why, left=kept.left)
        return dataclasses.replace(result, left=kept.left, own_process=running.own_process)

    def command(self, job: Job, file: Path) -> tuple[Job, Command]:
        directory, python, pytest_args, side = self.directory, self.python, list(self.pytest_args), self.side
        environment = worker_environment(os.environ, job.hash_seed)
        place = Path(job.place) if job.place else file
        if side is not None:
            job = dataclasses.replace(job, root=str(side.root), provenance=side.provenance)
            pytest_args = side.arguments(pytest_args, directory)
            directory, python, file = side.directory, side.python, side.place(file)
            place = side.place(place)
            environment |= side.environment
        if self.script_folder is not None:
            folder = self.script_folder if side is None else side.place(self.script_folder)
            environment["PYTHONPATH"] = os.pathsep.join(
                entry for entry in (environment.get("PYTHONPATH"), str(folder)) if entry
            )
        scratch = self.scratch
        watched = "" if side is None or side.watched is None else str(side.watched)
        job = dataclasses.replace(
            job,
            result=str(scratch / "result.json"),
            kept=str(scratch / "kept.json"),
            watched=watched,
            watch=str(scratch),
            file=str(file),
            place=str(place),
        )
        words = [python, *(["-P"] if self.safe_path else []), "-m", "pytest", *pytest_args]
        # Of the same length in every process, and removed with the scratch directory.
        words += [f"--basetemp={scratch / 'tmp'}"]
        if "no:cacheprovider" not in pytest_args:
            words += ["-o", f"cache_dir={scratch / 'cache'}"]
        words += ["-p", "pytest_flame.measure.worker", f"--flame-job={scratch / 'job.json'}"]
        return job, Command(words, directory, environment, job.output, scratch / "keeper.json", watched)

    def prepare(self, command: Command, channel: Channel) -> FreshWorker:
        words = [*command.words, f"--flame-prepared={channel.descriptor}"]
        # Files are watched for each worker.
        return FreshWorker(dataclasses.replace(command, words=words, watched=""), self.guard, channel)


class Running:
    """One worker from its start to its outcome; leaving the context kills what is left of it."""

    def __init__(
        self, launcher: Launcher, job: Job, file: Path, timeout_s: float | None, prepared: Prepared | None
    ) -> None:
        self._launcher = launcher
        self.asked = job
        self.file = file
        self.prepared = prepared
        self.own_process = prepared.why_refused(str(file)) if prepared is not None else None
        """Why the worker is not a fork."""
        self._last_ns = None if timeout_s is None else clocks.monotonic_ns() + round(timeout_s * 1e9)
        self._ended: WorkerResult | None = None
        """How it ended, if not by itself."""
        self._start(None if self.own_process else prepared)

    def _start(self, prepared: Prepared | None) -> None:
        launcher = self._launcher
        self._watch = DeadlineWatch(launcher.scratch, self.asked.patience)
        self._job, command = launcher.command(self.asked, self.file)
        self._report = command.report
        job_path = launcher.scratch / "job.json"
        self._job.write(job_path)
        for path in (Path(self._job.result), Path(self._job.kept), command.report):
            path.unlink(missing_ok=True)
        _empty(self._job.output)
        if "no:cacheprovider" not in launcher.pytest_args:
            shutil.rmtree(launcher.scratch / "cache", ignore_errors=True)
        self._worker: FreshWorker | ForkedWorker
        if prepared is None:
            self._worker = FreshWorker(command, launcher.guard)
        else:
            start = functools.partial(launcher.prepare, command)
            self._worker = prepared.run(start, job_path, (str(self.file), self._job.place))

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()
        self._worker.end()

    @property
    def descriptor(self) -> int | None:
        """Readable when ``look`` has something to see; None: it has to be called now and then."""
        return self._worker.descriptor

    @property
    def next_look_ns(self) -> int:
        """When to look at the latest (monotonic): a step begun since then may have an earlier deadline."""
        look = min(self._watch.until_ns, clocks.monotonic_ns() + _LOOK_NS)
        return look if self._last_ns is None else min(look, self._last_ns)

    def look(self) -> bool:
        """Whether the worker has ended, or has to."""
        now = clocks.monotonic_ns()
        if self._worker.ends_until(now):
            if isinstance(self._worker, ForkedWorker) and self._worker.refused is not None:
                self.own_process = self._worker.refused
                self._watch.close()
                self._start(None)
                return False
            return True
        hang = self._watch.hang(now)
        if hang is not None:
            details = "\n\n".join(filter(None, (self._watch.stacks(self._worker), _last_output(self._job.output))))
            self._ended = WorkerResult(Status.HUNG, hang.words, details, hang=hang)
        elif self._last_ns is not None and now >= self._last_ns:
            self._ended = WorkerResult(Status.OUT_OF_TIME, "the run's time limit was reached (--flame-max-time)")
        return self._ended is not None

    def outcome(self) -> tuple[WorkerResult, Kept]:
        """Once it has ended."""
        if self._ended is not None:
            return self._ended, Kept()
        worker, scratch = self._worker, self._launcher.scratch
        if isinstance(worker, ForkedWorker) and worker.returncode is None:
            kept = Kept.read(Path(self._job.kept), 0)
        else:
            kept = Kept.read(self._report, worker.returncode or 0)
        try:
            return WorkerResult.read(Path(self._job.result)), kept
        except (OSError, ValueError):
            ending = f"the measured process {_ending(kept.returncode)}"
            if shutil.disk_usage(scratch).free < _LITTLE_ROOM:
                ending += f": {scratch.parent} is full; set TMPDIR=DIR to another folder for temporary files"
            return WorkerResult(Status.DIED, ending, _last_output(self._job.output)), kept


def await_all(workers: Sequence[Running], on_end: Callable[[Running], Running | None] = lambda _: None) -> None:
    """Returns when all have ended, or have to be killed; ``on_end`` is called for each as soon as it has, and may
    return one more to wait for."""
    waiting = list(workers)
    while waiting:
        until_ns = min(one.next_look_ns for one in waiting)
        descriptors = [one.descriptor for one in waiting]
        if None in descriptors:
            until_ns = min(until_ns, clocks.monotonic_ns() + _POLL_NS)
        readable_until([d for d in descriptors if d is not None], until_ns)
        for one in [one for one in waiting if one.look()]:
            waiting.remove(one)
            following = on_end(one)
            if following is not None:
                waiting.append(following)


def not_started(error: OSError) -> WorkerResult:
    """A full disk, no descriptors left, no process: finished measurements are kept."""
    where = f" ({error.filename})" if error.filename else ""
    return WorkerResult(
        Status.UNUSABLE,
        f"a measured process could not be started: {error.strerror or error}{where}",
        _ROOM.get(error.errno or 0, ""),
    )


def _left_s(timeout_s: float | None, began: float) -> float | None:
    return None if timeout_s is None else max(0.0, timeout_s - (clocks.monotonic() - began))


def _empty(path: Path) -> None:
    """A prepared process keeps its output file open."""
    with path.open("ab") as file:
        file.truncate(0)


def worker_environment(inherited: Mapping[str, str], hash_seed: int) -> dict[str, str]:
    environment = {
        name: value
        for name, value in inherited.items()
        if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
    }
    environment["PYTEST_FLAME_WORKER"] = "1"  # pytest_flame.in_worker()
    # Fixed width: the size of the environment shifts the stack, and with it the speed.
    environment["PYTHONHASHSEED"] = f"{hash_seed:010d}"
    return environment


def _last_output(path: Path) -> str:
    with path.open("rb") as output:
        output.seek(max(0, output.seek(0, os.SEEK_END) - _LAST_OUTPUT_CHARACTERS))
        return output.read().decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a keeper reports about its worker."""

    returncode: int = 0
    left: tuple[str, ...] = ()
    opened: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Code of the wrong side that was opened, and the commands that were running at the time."""
    unwatched: str | None = None
    """Why some of it may have been missed."""

    @classmethod
    def read(cls, path: Path, returncode: int) -> Kept:
        """``returncode`` is the keeper's own, if the worker's is unknown."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls(returncode, unwatched="the process that watched it was killed")
        status = os.waitstatus_to_exitcode(found["status"])
        return cls(status, tuple(found["left"]), found["opened"], found["unwatched"])

    def running(self, sources: Iterable[str]) -> list[str]:
        wanted = set(sources)
        commands = [c for file, cs in self.opened.items() if source_of(os.path.realpath(file)) in wanted for c in cs]
        return list(dict.fromkeys(commands))


def _misread(result: WorkerResult, kept: Kept, side: Side | None) -> list[Stray]:
    """The worker has already proved what it imported itself; only other processes can have opened more."""
    if side is None or not result.started_others or result.status is Status.WRONG_SIDE:
        return []
    return misread(side.provenance, kept.opened)


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name} and left no result"
    if code == _USAGE_ERROR:
        return (
            f"refused its options (status {code}): add an option that must not reach it to the ini value "
            "flame_worker_drop, an additional one that it needs to flame_worker_args"
        )
    return f"exited with status {code} and left no result"
