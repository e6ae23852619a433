"""Sampling of one process, started and stopped any number of times."""

from __future__ import annotations

import math
import os
import random
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_flame import clocks
from pytest_flame.errors import FlameError, UsageError
from pytest_flame.fold import scale
from pytest_flame.model import Frame, SourceLine, Stack, StackSample
from pytest_flame.profiling.result import ProfileResult, of_samples
from pytest_flame.profiling.session import Part, ProfileSettings, add
from pytest_flame.profiling.threads import NewThreads
from pytest_flame.sampling.events import Accounting, accounting
from pytest_flame.sampling.ladder import open_sampler
from pytest_flame.sampling.meter import NS_PER_S, Meter
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.native import NativeSampler
from pytest_flame.sampling.profile_source import RawFrame
from pytest_flame.sampling.stacks import Clocks, fold_samples

if TYPE_CHECKING:
    from pytest_flame.profiling.tasks import TaskStitcher

_PROGRAM: Final = RawFrame("[program]", "", 0)
"""Root of every stack while samples are folded; removed again."""
_OWN: Final = "pytest_flame.profiling."


class Recorder:
    """CPU of this process by stack. ``stop`` keeps the samples; if started again, it adds to them."""

    def __init__(self, settings: ProfileSettings, seed: int | None = None) -> None:
        self._settings = settings
        self._rng = random.Random(seed)
        self._stitcher = _stitcher() if settings.tasks else None
        self._pid = os.getpid()
        self._root = str(Path.cwd())
        self._sampler: NativeSampler | None = None
        self._meter: Meter | None = None
        self._threads: NewThreads | None = None
        self._began_ns = 0
        self._profile: ProfileResult | None = None
        self._waited_ns = 0

    @property
    def running(self) -> bool:
        return self._meter is not None

    @property
    def elsewhere(self) -> bool:
        """Whether this is a forked child's copy: the sampling belongs to its parent."""
        return self._pid != os.getpid()

    def start(self) -> None:
        """Raises ``SamplerUnavailable`` or ``UsageError`` if the machine does not allow what was requested."""
        global _recording
        if self.elsewhere:
            raise UsageError("this profiler belongs to another process", fix="make a new one after fork")
        if _recording is not None and not _recording.elsewhere:
            raise UsageError(
                "a profiler is already running in this process",
                why="only one sampler can run at a time; FLAME_PROFILE starts one for the whole program",
                fix="stop the other one first",
            )
        asked = self._settings
        sampler = open_sampler(
            asked.sampler,
            asked.frequency,
            kernel_frames=asked.kernel,
            native_frames=asked.native,
            inlined=asked.inlined,
        )
        meter = Meter(sampler, self._rng)
        try:
            meter.begin(sampled=True)
        except FlameError:
            sampler.close()
            raise
        _recording = self
        self._sampler, self._meter = sampler, meter
        if self._stitcher is not None:
            self._stitcher.install()
        self._threads = NewThreads(sampler.adopt_thread)
        self._threads.install()
        self._began_ns = clocks.monotonic_ns()
        meter.enter()

    def stop(self) -> None:
        """Does nothing if it is not running, or in a forked child. Raises ``FlameError`` if sampling ended badly:
        samples up to then are kept."""
        global _recording
        sampler, meter = self._sampler, self._meter
        if sampler is None or meter is None:
            return
        self._sampler = self._meter = None
        if self._threads is not None:
            self._threads.remove()
        if self._stitcher is not None:
            self._stitcher.remove()
        trouble: FlameError | None = None
        try:
            if not self.elsewhere:
                meter.leave()
                trouble = _end(sampler)
                wall_ns = clocks.monotonic_ns() - self._began_ns
                faults = meter.end(1).minor_faults
                self._waited_ns += meter.sampled_child_ns
                taken = replace(self._fold(sampler, meter, wall_ns), minor_faults=faults)
                self._profile = taken if self._profile is None else add([self._profile, taken])
        finally:
            sampler.close()
            if _recording is self:
                _recording = None
        if trouble is not None:
            raise trouble

    def part(self) -> Part:
        """The part that this process delivers, without its children. Raises ``UsageError`` before the first
        ``stop``."""
        if self._profile is None:
            raise UsageError("nothing was profiled yet", fix="with profiler: …   and read the profile after the block")
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        waited_life_ns = round((children.ru_utime + children.ru_stime) * NS_PER_S)
        return Part(self._profile, self._pid, os.getppid(), self._waited_ns, waited_life_ns)

    def _fold(self, sampler: NativeSampler, meter: Meter, wall_ns: int) -> ProfileResult:
        # Children are accounted for where all processes are combined.
        spent = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, 0, meter.ticks_due)
        namer = FrameNamer(self._root)
        folded = fold_samples(sampler.samples(), namer, _PROGRAM, spent, sampler.info)
        expand = self._stitcher.expander(namer) if self._stitcher is not None else tuple
        stacks: dict[Stack, StackSample] = {}
        for stack, sample in folded.stacks.items():
            shown = tuple(frame for frame in expand(stack[1:]) if not frame.module.startswith(_OWN))
            before = stacks.get(shown, StackSample(0, 0))
            stacks[shown] = StackSample(before.count + sample.count, before.weight_ns + sample.weight_ns)
        stacks.pop((), None)
        root = namer.frame(_PROGRAM)
        lines: dict[Frame, SourceLine] = {frame: line for frame, line in folded.lines.items() if frame != root}
        if accounting(sampler.info.event) is Accounting.RANDOM:
            stacks = _to_clock(stacks, meter.sampled_cpu_ns, meter.sampled_cpu_ns / max(1.0, meter.ticks_due))
        return ProfileResult(of_samples(stacks, lines), folded.counts, sampler.info, meter.sampled_cpu_ns, wall_ns)


def _end(sampler: NativeSampler) -> FlameError | None:
    """Why samples are missing, if something the program did ended the sampling."""
    try:
        sampler.stop()
    except FlameError as e:
        return FlameError(f"the profile is not whole: {e.what}", why=e.why, fix=e.fix)
    return None


def _to_clock(stacks: dict[Stack, StackSample], cpu_ns: int, period_ns: float) -> dict[Stack, StackSample]:
    """The number of the timer's samples is random: if that explains the difference, the clock's figure is used. A
    larger difference means missing samples, which are not distributed like the others."""
    weights = {stack: sample.weight_ns for stack, sample in stacks.items()}
    if abs(sum(weights.values()) - cpu_ns) > 4 * math.sqrt(cpu_ns * period_ns):
        return stacks
    scaled = scale(weights, cpu_ns)
    return {stack: StackSample(sample.count, scaled.get(stack, 0)) for stack, sample in stacks.items()}


def _stitcher() -> TaskStitcher:
    from pytest_flame.profiling.tasks import TaskStitcher  # asyncio, which not every program needs

    return TaskStitcher()


_recording: Recorder | None = None
"""The running recorder of this process: perf events and their signal are per process."""
