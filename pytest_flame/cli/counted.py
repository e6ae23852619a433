"""The metric of profiles from files: all profiles of a command are converted to one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pytest_flame import fold
from pytest_flame.errors import UsageError
from pytest_flame.model import SAMPLES, TIMES, Costs, Metric, Profile, metric_of

_MOST: Final = 2**62
"""Sums of costs are 64-bit numbers in the layout of pictures."""


def parse_unit(text: str) -> Metric:
    """``samples``, a time (``ps`` to ``s``), or the name of anything else that was counted. Raises ``UsageError``."""
    name = {"µs": "us", "μs": "us", "sample": "samples"}.get(text, text)
    if name == SAMPLES.name:
        return SAMPLES
    if name not in TIMES and not re.fullmatch(r"[^\W\d][\w .-]{0,30}", name):
        raise UsageError(
            f"--unit={text} names nothing that can be counted",
            why="expected samples, a time (ns, us, ms, s) or a word such as bytes or cycles",
        )
    return metric_of(name)


def in_one_metric(profiles: Sequence[Profile]) -> list[Profile]:
    """The profiles with costs that are fine enough for the decimals of all of them, where that can be; times are
    picoseconds. Raises ``UsageError`` where they count different things, and where the sums are too large."""
    first = profiles[0]
    for other in profiles:
        if other.metric.at_scale(1) != first.metric.at_scale(1):
            raise UsageError(
                f"{first.name} counts {first.metric.unit_name} and {other.name} counts {other.metric.unit_name}",
                why="speedscope files, the periods of perf script and pytest-flame's baselines say what they count; "
                "all else is taken for samples",
                fix="say what all of them count with --unit",
            )
    finest = max(profile.metric.scale for profile in profiles)
    most = sum(-(-profile.total // profile.metric.scale) for profile in profiles)
    metric = first.metric.at_scale(_scale(first.metric, finest, most))
    return [_at_scale(profile, metric) for profile in profiles]


def _scale(metric: Metric, finest: int, most: int) -> int:
    """For sums of at most ``most``."""
    scale = TIMES[metric.unit] if metric.timed else max(SAMPLES.scale, finest)
    while not metric.timed and scale > 1 and most * scale > _MOST:
        scale //= 10
    if most * scale > _MOST:
        raise UsageError(
            f"the counts add up to {most:,} {metric.unit_name}, which is more than can be drawn",
            why=f"{_MOST // scale:,} is the most",
            fix="say what they count with --unit, such as ns instead of s" if metric.timed else "scale them down",
        )
    return scale


def _at_scale(profile: Profile, metric: Metric) -> Profile:
    _, *others = profile.columns.items()
    costs = _scaled(profile.costs, profile.metric.scale, metric.scale)
    return replace(profile, columns={metric: costs, **dict(others)})


def _scaled(costs: Costs, old: int, new: int) -> Costs:
    """The sum is exact, to half a unit of cost, and so is each of them where its decimals fit."""
    if new % old == 0:
        factor = new // old
        return costs if factor == 1 else {stack: cost * factor for stack, cost in costs.items()}
    return fold.scale(costs, (2 * sum(costs.values()) * new + old) // (2 * old))
