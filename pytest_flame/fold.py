"""From one process's rounds and samples to cost per iteration.

The exact clock says how much, the samples say where: sampled weights are scaled so that a profile's total is
the process's exact cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from pytest_flame.model import PS_PER_NS, Frame, FrameKind, Process, Profile, Recording, Round, Stack

Key = TypeVar("Key", Stack, int)

ENOUGH_PLAIN: Final = 0.25
"""Part of a process's rounds. Every other round is without samples, at least one in three where a process ended early;
recordings of earlier releases have at most one in five."""


def cost_ps(process: Process) -> int:
    """Exact CPU cost of one iteration in this process, picoseconds, the empty loop removed.

    The mean of the cheaper quarter of ``costing_rounds``: noise only ever adds time, and replayed banks of real
    processes gave it the narrowest intervals of all that average more than one round.
    """
    per_iteration = sorted(r.cpu_ns * PS_PER_NS / r.iterations for r in costing_rounds(process))
    cheaper = per_iteration[: (len(per_iteration) + 3) // 4]
    return max(0, round(sum(cheaper) / len(cheaper)) - process.loop_ps)


def costing_rounds(process: Process) -> list[Round]:
    """The rounds without samples, free of what sampling costs; where they are too few, those with samples alone, so
    that every process carries the same observer."""
    plain = [r for r in process.rounds if not r.sampled]
    if len(plain) >= ENOUGH_PLAIN * len(process.rounds):
        return plain
    return [r for r in process.rounds if r.sampled]


def observed(recording: Recording) -> bool:
    """Whether the costs of most processes contain what sampling costs."""
    with_samples = [costing_rounds(p)[0].sampled for p in recording.processes]
    return 2 * sum(with_samples) > len(with_samples)


def alike(base: Recording, head: Recording) -> tuple[Recording, Recording]:
    """Both as they are, unless the cost of one side alone contains what sampling costs: then both without the rounds
    that were not sampled."""
    if observed(base) == observed(head):
        return base, head
    return _sampled_only(base), _sampled_only(head)


def _sampled_only(recording: Recording) -> Recording:
    processes = (replace(p, rounds=tuple(r for r in p.rounds if r.sampled) or p.rounds) for p in recording.processes)
    return replace(recording, processes=tuple(processes))


def overhead(processes: tuple[Process, ...]) -> float | None:
    """Observer effect: CPU per iteration of sampled rounds over unsampled ones, minus 1; None where unknown."""
    ratios = []
    for process in processes:
        sampled = [r.cpu_ns / r.iterations for r in process.rounds if r.sampled]
        plain = [r.cpu_ns / r.iterations for r in process.rounds if not r.sampled]
        if sampled and plain and min(plain) > 0:
            ratios.append(_median(sampled) / _median(plain) - 1)
    return _median(ratios) if ratios else None


def process_profile(process: Process) -> Profile:
    """The samples of one process, scaled to its exact cost. Empty where it has no samples."""
    return Profile(scale({s: w.weight_ns for s, w in process.stacks.items()}, cost_ps(process)))


def recording_profile(recording: Recording) -> Profile:
    """Mean profile of a recording: pooled shares, scaled to the median process's exact cost.

    This is what a ``.folded`` file holds and what the pictures show.
    """
    weights: dict[Stack, int] = defaultdict(int)
    for process in recording.processes:
        for stack, sample in process.stacks.items():
            weights[stack] += sample.weight_ns
    return Profile(scale(weights, round(_median([cost_ps(p) for p in recording.processes]))))


def scale(weights: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Split ``total`` in proportion to ``weights``, in whole numbers that add up to it (largest remainder).

    Ties go to the key that sorts first, so equal data gives equal files.
    """
    whole = sum(weights.values())
    if whole <= 0:
        return {}
    # By position: stacks are long keys, and of those that tie only a few ever have to be put in order.
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

    The lines of a function add up to what ``recording_profile`` says of it and of the native frames right below it.
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
