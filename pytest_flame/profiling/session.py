"""Several processes, one profile: a folder where each process of a program delivers its samples.

The folder contains ``settings.json``, for each process ``started-…`` and, once it has ended well, ``part-…json``. Every
process holds a shared lock on ``alive`` while it runs (flock(2); the system releases it however the process ends), so
the last one knows that it is the last.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_flame import atomic
from pytest_flame.model import (
    PROGRAM_CPU,
    SAMPLE_COUNT,
    Frame,
    Profile,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    StackSample,
    added,
)
from pytest_flame.profiling.result import ProfileResult, of_samples
from pytest_flame.sampling.stacks import CHILDREN_NOT_SAMPLED
from pytest_flame.temporary import PREFIX, remove_abandoned


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """How every process of a session is sampled."""

    frequency: int
    sampler: str
    tasks: bool = False
    native: bool = False
    kernel: bool = False
    """Frames of C code, and of the kernel."""
    follow: bool = True
    """Whether children join; otherwise the process is alone in its session."""
    output: str = ""
    """File that the whole profile is written to; empty if a profiler collects it."""
    root_pid: int = 0
    """The process that writes it."""
    inlined: bool = False
    """With native frames: also inlined functions."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one process delivers. Clocks are in nanoseconds."""

    result: ProfileResult
    pid: int
    parent_pid: int
    waited_ns: int
    """CPU of the children it waited for while it was profiled."""
    waited_life_ns: int
    """CPU of all children it ever waited for."""


class ProfileSession:
    """One process's view of the folder."""

    def __init__(self, folder: Path, settings: ProfileSettings) -> None:
        self.folder = folder
        self.settings = settings
        self._token = secrets.token_hex(8)
        self._alive = -1

    @classmethod
    def create(cls, settings: ProfileSettings) -> ProfileSession:
        remove_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}profile-"))
        (folder / "settings.json").write_text(json.dumps(asdict(settings)), encoding="utf-8")
        return cls(folder, settings)

    @classmethod
    def open(cls, folder: Path) -> ProfileSession:
        """Raises ``OSError`` if the session is over."""
        return cls(folder, ProfileSettings(**json.loads((folder / "settings.json").read_text(encoding="utf-8"))))

    def renewed(self) -> ProfileSession:
        """The same session for another process: what a forked child inherits belongs to its parent."""
        self._let_go()
        return ProfileSession(self.folder, self.settings)

    def again(self) -> ProfileSession:
        """To continue after ``leave``: in the same folder without the delivered part, or in a new one."""
        if not (self.folder / "settings.json").exists():
            return ProfileSession.create(self.settings)
        for name in (f"started-{self._token}", f"part-{self._token}.json"):
            (self.folder / name).unlink(missing_ok=True)
        return self.renewed()

    def join(self) -> None:
        """This process will deliver a part. Raises ``OSError`` if the session is over."""
        self._alive = os.open(self.folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_SH)
        (self.folder / f"started-{self._token}").touch()

    def hand_in(self, part: Part) -> None:
        """Once per ``join``. Raises ``OSError`` if the session is over: the part is then lost."""
        atomic.write_text(self.folder / f"part-{self._token}.json", json.dumps(_encoded(part)))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One process of the session at a time."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def leave(self) -> bool:
        """Whether this process was the last one running."""
        try:
            fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            self._let_go()
        return True

    def finish_root(self) -> None:
        (self.folder / "root-finished").touch()

    @property
    def root_finished(self) -> bool:
        return (self.folder / "root-finished").exists()

    def parts(self) -> tuple[list[Part], int]:
        """The parts delivered so far, and how many processes have joined but not delivered."""
        files = sorted(self.folder.glob("part-*.json"))
        started = sum(1 for _ in self.folder.glob("started-*"))
        return [_decoded(json.loads(file.read_text(encoding="utf-8"))) for file in files], started - len(files)

    def remove(self) -> None:
        self._let_go()
        shutil.rmtree(self.folder, ignore_errors=True)  # a process that delivers late may be adding to it

    def _let_go(self) -> None:
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1


def merge(parts: Iterable[Part], *, unfinished: int = 0) -> ProfileResult:
    """The sum of the parts that processes delivered.

    CPU of a process's children that no part accounts for is ``CHILDREN_NOT_SAMPLED``: other programs, killed processes,
    and what a followed one used before and after it was profiled.
    """
    every = sorted(parts, key=lambda part: (part.pid, part.waited_life_ns))
    whole = add([part.result for part in every])
    waited: dict[int, int] = defaultdict(int)
    accounted: dict[int, int] = defaultdict(int)
    # A process that became another program by exec delivered once for each; the CPU of its children continued to count.
    last = {part.pid: part for part in every}
    for part in every:
        waited[part.pid] += part.waited_ns
        accounted[part.parent_pid] += part.result.cpu_ns
    for part in last.values():
        accounted[part.parent_pid] += part.waited_life_ns
    unseen = sum(max(0, ns - accounted[pid]) for pid, ns in waited.items())
    if unseen:
        period_ns = round(1e9 / whole.sampler.frequency_hz)
        whole = add(
            [
                whole,
                ProfileResult(
                    of_samples({(CHILDREN_NOT_SAMPLED,): StackSample(max(1, unseen // period_ns), unseen)}, {}),
                    SampleCounts(),
                    whole.sampler,
                    unseen,
                    0,
                ),
            ]
        )
    return replace(whole, processes=len(last), unfinished=unfinished)


def add(results: list[ProfileResult]) -> ProfileResult:
    """The sum of results taken in the same way; ``wall_ns`` is the longest."""
    whole = added([result.stacks for result in results])
    return ProfileResult(
        replace(whole, columns={metric: dict(sorted(costs.items())) for metric, costs in whole.columns.items()}),
        sum((result.counts for result in results), SampleCounts()),
        results[0].sampler,
        sum(result.cpu_ns for result in results),
        max(result.wall_ns for result in results),
        minor_faults=_sum(result.minor_faults for result in results),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """Of those known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _encoded(part: Part) -> dict[str, Any]:
    result, profile = part.result, part.result.stacks
    counts = profile.columns[SAMPLE_COUNT]
    frames = sorted({frame for stack in profile.costs for frame in stack} | set(profile.lines))
    number = {frame: i for i, frame in enumerate(frames)}
    return {
        "frames": [[frame.module, frame.qualname] for frame in frames],
        "stacks": [[[number[f] for f in stack], counts[stack], cost] for stack, cost in profile.costs.items()],
        "lines": [[number[frame], line.path, line.line] for frame, line in profile.lines.items()],
        "counts": asdict(result.counts),
        "sampler": asdict(result.sampler),
        "cpu_ns": result.cpu_ns,
        "wall_ns": result.wall_ns,
        "minor_faults": result.minor_faults,
        "clocks": [part.pid, part.parent_pid, part.waited_ns, part.waited_life_ns],
    }


def _decoded(data: dict[str, Any]) -> Part:
    frames = [Frame(module, qualname) for module, qualname in data["frames"]]
    named = [(tuple(frames[i] for i in stack), count, cost) for stack, count, cost in data["stacks"]]
    profile = Profile(
        {PROGRAM_CPU: {s: cost for s, _, cost in named}, SAMPLE_COUNT: {s: count for s, count, _ in named}},
        lines={frames[i]: SourceLine(path, line) for i, path, line in data["lines"]},
    )
    result = ProfileResult(
        profile,
        SampleCounts(**data["counts"]),
        SamplerInfo(**data["sampler"]),
        data["cpu_ns"],
        data["wall_ns"],
        minor_faults=data["minor_faults"],
    )
    return Part(result, *data["clocks"])
