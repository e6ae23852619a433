"""From raw samples to the stacks of one process: named, cut at the test body, kernel time assigned."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pytest_flame.model import (
    KERNEL_NOT_SAMPLED,
    Frame,
    FrameKind,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
)
from pytest_flame.sampling.events import Accounting, accounting
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import RawFrame, RawSamples, RawStack
from pytest_flame.sampling.source_lines import line_weights

CHILDREN_NOT_SAMPLED: Final = Frame("[children]", "[not sampled]")
"""CPU of child processes: those the body waited for, and those still running."""

_OWN: Final = ("pytest_flame.measure.", "pytest_flame.sampling.")
_PLUMBING: Final = (*_OWN, "_pytest.", "pluggy.", "pytest_asyncio.", "anyio.", "unittest.")
_TICK_NS: Final = 4_000_000
"""The kernel splits CPU time into user and system by its own tick, 250 Hz at worst."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Exact CPU over the sampled rounds of a process, nanoseconds."""

    cpu_ns: int
    system_ns: int
    child_ns: int
    ticks_due: float
    loop_ns: int = 0
    """Of the loop that calls the body, which is not a part of its cost."""


@dataclass(frozen=True, slots=True)
class FoldedSamples:
    stacks: dict[Stack, StackSample]
    counts: SampleCounts
    lines: dict[Frame, SourceLine]
    line_weights: dict[Frame, dict[int, int]]
    """As ``Recording.line_weights``, of the Python functions in ``stacks``."""


def fold_samples(
    raw: RawSamples, namer: FrameNamer, body: RawFrame, clocks: Clocks, sampler: SamplerInfo
) -> FoldedSamples:
    """Stacks root first, the root always ``body``. What samples cannot see becomes separate frames."""
    root = namer.frame(body)
    lines: dict[Frame, SourceLine] = {}
    names: dict[RawFrame, Frame] = {}
    weights: dict[Stack, list[int]] = defaultdict(lambda: [0, 0])

    def named(raw_frame: RawFrame) -> Frame:
        frame = names.get(raw_frame)
        if frame is None:
            frame = names[raw_frame] = namer.frame(raw_frame)
            line = namer.line(raw_frame)
            if line is not None:
                lines.setdefault(frame, line)
        return frame

    named(body)
    for sample in map(functools.partial(_without_loop, loop_ns=clocks.loop_ns), raw.stacks):
        stack = tuple(named(f) for f in sample.frames)
        if not stack:
            stack = (root,)
        elif sample.cut:
            stack = _without_plumbing(stack, root)
        if not stack or _is_own(stack):
            continue
        if not sample.count:
            continue
        if stack[0] != root:
            stack = (root, *stack)
        entry = weights[stack]
        entry[0] += sample.count
        entry[1] += sample.weight_ns
    stacks = {stack: StackSample(count, weight) for stack, (count, weight) in sorted(weights.items())}
    counts = raw.counts
    kind = accounting(sampler.event)
    if kind is Accounting.RANDOM:
        unseen = clocks.cpu_ns - raw.weight_ns
        late_ticks = clocks.ticks_due * max(0, unseen) / max(clocks.cpu_ns, 1)
        counts = replace(counts, throttled=_beyond_chance(late_ticks, clocks.ticks_due))
    elif kind is Accounting.TICKS and sampler.kernel:
        counts = replace(counts, throttled=_beyond_chance(clocks.ticks_due - _arrived(counts), clocks.ticks_due))
    elif kind is Accounting.TICKS:
        stacks, counts = _add_kernel(stacks, counts, root, clocks)
    elif kind is Accounting.COUNTER:
        stacks = _by_counter(stacks, root, clocks)
    if clocks.child_ns > 0 and kind is not Accounting.EXACT:
        # As many samples as it would have had: the clock's figure is at least that accurate.
        period_ns = clocks.cpu_ns / clocks.ticks_due if clocks.ticks_due > 0 else _TICK_NS
        stacks[(root, CHILDREN_NOT_SAMPLED)] = StackSample(max(1, round(clocks.child_ns / period_ns)), clocks.child_ns)
    return FoldedSamples(stacks, counts, lines, _line_weights(raw, namer, stacks))


def _line_weights(raw: RawSamples, namer: FrameNamer, stacks: Mapping[Stack, object]) -> dict[Frame, dict[int, int]]:
    shown = {frame for stack in stacks for frame in stack}
    found: dict[Frame, dict[int, int]] = {}
    for frame, weights in line_weights(raw, namer).items():
        sampled = {line: weight for line, weight in weights.items() if weight > 0 and line >= 0}
        if frame in shown and frame.kind is FrameKind.PYTHON and sampled:
            found[frame] = sampled
    return found


def _without_loop(sample: RawStack, loop_ns: int) -> RawStack:
    """Cut without a frame, it is of the loop, or of a C function that the loop calls."""
    if sample.frames or not sample.cut or not sample.weight_ns:
        return sample
    left_ns = max(0, sample.weight_ns - loop_ns)
    return replace(sample, count=round(sample.count * left_ns / sample.weight_ns), weight_ns=left_ns)


def _is_own(stack: Stack) -> bool:
    """Whether the sampler's own Python code, or something it called, was running."""
    innermost = next((frame for frame in reversed(stack) if frame.kind is FrameKind.PYTHON), None)
    return innermost is not None and innermost.module.startswith(_OWN)


def _without_plumbing(stack: Stack, root: Frame) -> Stack:
    """Frames of the test runner between its hook and the body (an event loop's own work has no body above it)."""
    for depth, frame in enumerate(stack):
        if frame == root or not (frame.kind is FrameKind.NATIVE or frame.module.startswith(_PLUMBING)):
            return stack[depth:]
    return ()


def _arrived(counts: SampleCounts) -> int:
    return counts.taken + counts.unwindable + counts.lost + counts.overflowed + counts.late


def _beyond_chance(missing: float, due: float) -> int:
    """Ticks that were due and did not come, if they are more than the rounds' random phases explain."""
    return round(missing) if missing > 4 * math.sqrt(max(due, 1)) + 0.02 * due else 0


def _add_kernel(
    stacks: dict[Stack, StackSample], counts: SampleCounts, root: Frame, clocks: Clocks
) -> tuple[dict[Stack, StackSample], SampleCounts]:
    """Samples see user time only: the shortfall against the exact clock is kernel time, as far as the kernel's own
    split of user and system CPU confirms it; the rest is counted as missing samples."""
    if clocks.ticks_due <= 0:
        return stacks, counts
    period_ns = clocks.cpu_ns / clocks.ticks_due
    shortfall = max(0.0, clocks.cpu_ns - _arrived(counts) * period_ns)
    explained = clocks.system_ns + 4 * math.sqrt(max(clocks.system_ns, _TICK_NS) * _TICK_NS)
    kernel = min(shortfall, explained)
    if kernel > 0:
        stacks[(root, KERNEL_NOT_SAMPLED)] = StackSample(round(kernel / period_ns), round(kernel))
    user_ticks = (clocks.cpu_ns - kernel) / period_ns
    return stacks, replace(counts, throttled=_beyond_chance(user_ticks - _arrived(counts), clocks.ticks_due))


def _by_counter(stacks: dict[Stack, StackSample], root: Frame, clocks: Clocks) -> dict[Stack, StackSample]:
    """A user-mode hardware counter splits the user time among its samples; the kernel's own split of CPU gives the user
    and kernel time."""
    sampled = sum(s.weight_ns for s in stacks.values())
    user_ns = max(0, clocks.cpu_ns - clocks.system_ns)
    if not sampled or not user_ns:
        return stacks
    scaled = {stack: StackSample(s.count, round(s.weight_ns * user_ns / sampled)) for stack, s in stacks.items()}
    if clocks.system_ns > 0:
        count = sum(s.count for s in stacks.values()) * clocks.system_ns / user_ns
        scaled[(root, KERNEL_NOT_SAMPLED)] = StackSample(round(count), clocks.system_ns)
    return scaled
