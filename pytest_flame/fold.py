"""From one process's rounds and samples to cost per iteration.

The exact clock says how much, the samples say where: sampled weights are scaled so that a profile's total is
the process's exact cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pytest_flame.model import Frame, FrameKind, Process, Profile, Recording, Stack, StackSample

Key = TypeVar("Key", Stack, int)
Tree = dict[Frame, list[Any]]
"""By frame, its inclusive weight and its callees."""


def cost(process: Process) -> int:
    """Exact CPU cost of one iteration in this process, picoseconds, the empty loop removed.

    That of the rounds without samples; if they are too few, of those with samples alone, so that every process has the
    same observer effect.
    """
    timing = process.timing
    cost = timing.plain_cost if timing.plain_cost is not None else timing.sampled_cost
    return max(0, (cost or 0) - process.loop_cost)


def observed(recording: Recording) -> bool:
    """Whether the costs of most processes include the cost of sampling."""
    with_samples = [p.timing.plain_cost is None for p in recording.processes]
    return 2 * sum(with_samples) > len(with_samples)


def alike(base: Recording, head: Recording) -> tuple[Recording, Recording]:
    """Both unchanged, unless the cost of only one side includes the cost of sampling: then both without the rounds that
    were not sampled."""
    if observed(base) == observed(head):
        return base, head
    return _sampled_only(base), _sampled_only(head)


def _sampled_only(recording: Recording) -> Recording:
    return replace(recording, processes=tuple(map(_without_plain, recording.processes)))


def _without_plain(process: Process) -> Process:
    if process.told is None:
        return replace(process, rounds=tuple(r for r in process.rounds if r.sampled) or process.rounds)
    if process.told.sampled_cost is None:
        return process
    return replace(process, told=replace(process.told, plain_cost=None))


def pruned(recording: Recording, floor: float) -> Recording:
    """Merges calls with less than this share of all samples into their caller's self cost.

    Nothing is lost, and the body stays. A recording that was already pruned by as much is unchanged.
    """
    if floor <= recording.floor:
        return recording
    tree: Tree = {}
    for process in recording.processes:
        for stack, sample in process.stacks.items():
            below = tree
            for frame in stack:
                node = below.setdefault(frame, [0, {}])
                node[0] += sample.weight_ns
                below = node[1]
    least = floor * sum(node[0] for node in tree.values())

    def kept(stack: Stack) -> Stack:
        below = tree
        for depth, frame in enumerate(stack):
            weight, below = below[frame]
            if weight < least and depth:
                return stack[:depth]
        return stack

    def cut(process: Process) -> Process:
        stacks: dict[Stack, StackSample] = {}
        for stack, sample in process.stacks.items():
            short = kept(stack)
            before = stacks.get(short, StackSample(0, 0))
            stacks[short] = StackSample(before.count + sample.count, before.weight_ns + sample.weight_ns)
        return replace(process, stacks=stacks)

    return replace(recording, processes=tuple(map(cut, recording.processes)), floor=floor)


def overhead(processes: tuple[Process, ...]) -> float | None:
    """Observer effect: CPU per iteration of sampled rounds over unsampled ones, minus 1; None if unknown."""
    ratios = []
    for process in processes:
        sampled = [r.cpu_ns / r.iterations for r in process.rounds if r.sampled]
        plain = [r.cpu_ns / r.iterations for r in process.rounds if not r.sampled]
        if sampled and plain and min(plain) > 0:
            ratios.append(_median(sampled) / _median(plain) - 1)
    return _median(ratios) if ratios else None


def recording_profile(recording: Recording) -> Profile:
    """Mean profile of a recording: pooled shares, scaled to the median process's exact cost.

    This is the content of a ``.folded`` file and what the pictures show.
    """
    weights: dict[Stack, int] = defaultdict(int)
    for process in recording.processes:
        for stack, sample in process.stacks.items():
            weights[stack] += sample.weight_ns
    costs = scale(weights, round(_median([cost(p) for p in recording.processes])))
    return Profile.of(recording.metric, costs)


def scale(weights: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Split ``total`` in proportion to ``weights``, in whole numbers that add up to it (largest remainder).

    Ties go to the key that sorts first, so equal data gives identical files.
    """
    whole = sum(weights.values())
    if whole <= 0:
        return {}
    # By position: stacks are long keys, and only a few of those that tie ever have to be sorted.
    parts, remainders = map(list, zip(*(divmod(weight * total, whole) for weight in weights.values()), strict=True))
    missing = total - sum(parts)
    if missing:
        last = sorted(remainders, reverse=True)[missing - 1]
        certain = [i for i, remainder in enumerate(remainders) if remainder > last]
        tied = [
            (stack, i)
            for i, (stack, remainder) in enumerate(zip(weights, remainders, strict=True))
            if remainder == last
        ]
        for i in certain + [i for _, i in sorted(tied)[: missing - len(certain)]]:
            parts[i] += 1
    return {stack: part for stack, part in zip(weights, parts, strict=True) if part}


def pooled_lines(recorded: Iterable[Mapping[Frame, Mapping[int, int]]]) -> dict[Frame, dict[int, int]]:
    """``line_weights`` of several recordings of one side together."""
    pooled: dict[Frame, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for weights in recorded:
        for frame, lines in weights.items():
            for line, weight in lines.items():
                pooled[frame][line] += weight
    return {frame: dict(lines) for frame, lines in pooled.items()}


def line_costs(recording: Recording) -> dict[Frame, dict[int, int]]:
    """Picoseconds per iteration by function and source line, with the C code a line calls.

    The lines of a function add up to its cost in ``recording_profile`` plus that of the native frames right below it.
    """
    own: dict[Frame, int] = defaultdict(int)
    for stack, cost in recording_profile(recording).costs.items():
        innermost = next((frame for frame in reversed(stack) if frame.kind is FrameKind.PYTHON), None)
        if innermost is not None:
            own[innermost] += cost
    return {frame: scale(weights, own[frame]) for frame, weights in recording.line_weights.items() if own[frame]}


def inclusive(costs: Mapping[Stack, int]) -> dict[Stack, int]:
    """Cost of every node of the tree: each stack prefix with the sum of everything below it."""
    totals: dict[Stack, int] = defaultdict(int)
    for stack, cost in costs.items():
        for depth in range(1, len(stack) + 1):
            totals[stack[:depth]] += cost
    return dict(totals)


def _median(values: list[float] | list[int]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
