"""Starts one worker: a fresh ``python -m pytest`` for one test, without anything inherited that would also be
measured."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pytest_flame import clocks
from pytest_flame.measure import keeper
from pytest_flame.measure.deadline import DeadlineWatch, Ending
from pytest_flame.measure.job import Job, Status, WorkerResult
from pytest_flame.trees.opened import source_of
from pytest_flame.trees.proof import Stray, misread, misread_details, misread_message
from pytest_flame.trees.scratch import Scratch
from pytest_flame.trees.sides import Side

_DROPPED: Final = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC")
_DROPPED_PREFIXES: Final = ("COV_CORE_", "COVERAGE_", "FLAME_PROFILE", "PYTEST_XDIST_")
_LAST_OUTPUT_CHARACTERS: Final = 4000
_PATIENCE_NS: Final = 20_000_000_000
_LITTLE_ROOM: Final = 1 << 20
"""Bytes, about the size of a result."""
_USAGE_ERROR: Final = 4
"""``pytest.ExitCode.USAGE_ERROR``, without importing pytest here."""


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
        """The same for one side's tree."""
        return dataclasses.replace(self, side=side)

    def run(self, job: Job, file: Path, timeout_s: float | None) -> WorkerResult:
        """Runs the worker to its end. Ctrl-C, its deadline and the time limit kill it and everything it started."""
        began = clocks.monotonic()
        result, kept = self._run(job, file, timeout_s)
        for again in (dataclasses.replace(job, note_started=True), job):
            found = _misread(result, kept, self.side)
            if not found or self.side is None:
                break
            # Any program may read the checkout once; a process of the test does so in every worker.
            left_s = None if timeout_s is None else max(0.0, timeout_s - (clocks.monotonic() - began))
            result, kept = self._run(again, file, left_s)
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
        return dataclasses.replace(result, left=kept.left)

    def _run(self, job: Job, file: Path, timeout_s: float | None) -> tuple[WorkerResult, Kept]:
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
        watch = DeadlineWatch(self.scratch, job.patience)
        job = dataclasses.replace(job, watch=str(self.scratch), file=str(file), place=str(place))
        job_path, result_path = self.scratch / "job.json", Path(job.result)
        job.write(job_path)
        result_path.unlink(missing_ok=True)
        command = [python, *(["-P"] if self.safe_path else []), "-m", "pytest", *pytest_args]
        # Of the same length in every process, and removed with the scratch directory.
        command += [f"--basetemp={self.scratch / 'tmp'}"]
        if "no:cacheprovider" not in pytest_args:
            shutil.rmtree(self.scratch / "cache", ignore_errors=True)
            command += ["-o", f"cache_dir={self.scratch / 'cache'}"]
        command += ["-p", "pytest_flame.measure.worker", f"--flame-job={job_path}"]
        kept_path = self.scratch / "kept.json"
        kept_path.unlink(missing_ok=True)
        watched = "" if side is None or side.watched is None else side.watched
        job.output.unlink(missing_ok=True)
        with job.output.open("ab") as output:  # so that the worker may truncate it while others write
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(kept_path), str(watched), *command],
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,  # its end belongs to the worker
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # this process handles Ctrl-C
            )
            if self.guard is not None:
                self.guard.guard(process.pid)
            try:
                hang = watch.wait(process, timeout_s)
                if hang is not None:
                    details = "\n\n".join(filter(None, (watch.stacks(process), _last_output(job.output))))
                    return WorkerResult(Status.HUNG, hang.words, details, hang=hang), Kept()
            except subprocess.TimeoutExpired:
                return WorkerResult(Status.OUT_OF_TIME, "the run's time limit was reached (--flame-max-time)"), Kept()
            finally:
                watch.close()
                _end(process)
                if self.guard is not None:
                    self.guard.release()
        kept = Kept.read(kept_path, process.returncode)
        try:
            return WorkerResult.read(result_path), kept
        except (OSError, ValueError):
            ending = f"the measured process {_ending(kept.returncode)}"
            if shutil.disk_usage(self.scratch).free < _LITTLE_ROOM:
                ending += f": {self.scratch.parent} is full; set TMPDIR=DIR to another folder for temporary files"
            return WorkerResult(Status.DIED, ending, _last_output(job.output)), kept


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


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes the keeper's input, which makes it kill everything that is left."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        with Ending(process) as ending:
            ending.comes_until(clocks.monotonic_ns() + _PATIENCE_NS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its worker dies with it
        process.wait()


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
