"""The rows of the page's static tables, and the interval bars."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from pytest_flame.model import Comparison, FrameDelta, Judgement, Profile
from pytest_flame.render import units, words
from pytest_flame.render.text import frame_name

FRAMES_SHOWN: Final = 50
"""Rows of a test's static table; with scripts, all functions are listed."""
_SMALLEST_SCALE: Final = 0.02
_BAR: Final = 180


@dataclass(frozen=True, slots=True)
class Culprit:
    name: str
    in_diff: str
    """To follow the name; empty if its code is the same."""
    growth: str
    what: str
    place: str


@dataclass(frozen=True, slots=True)
class Cell:
    shown: str
    value: float
    """What the column sorts by."""
    below: str = ""
    direction: str = ""
    """``grew``, ``shrank``, or empty if the change is not significant."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    name: str
    place: str
    change: str
    direction: str
    """As a cell's."""
    culprit: bool
    figures: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FrameTable:
    columns: tuple[str, ...]
    rows: tuple[FrameRow, ...]
    left: int
    """Functions that are not shown."""
    legend: str


NO_TABLE: Final = FrameTable((), (), 0, "")
_TESTED: Final = (
    "Base, head and Δ include everything the frame calls; intervals are shown below. They hold for all frames of the "
    "test together; p is for “grew by more than the frame threshold”, adjusted for the number of frames; below it is "
    "the smallest growth that would have been named."
)
_PLAIN: Final = (
    "Base, head and Δ include everything the frame calls. One profile per side cannot distinguish change from noise."
)


def culprit(comparison: Comparison, delta: FrameDelta) -> Culprit:
    return Culprit(
        name=frame_name(delta.frame),
        in_diff=words.in_diff(delta),
        growth=words.growth(comparison, delta),
        what=words.what_happened(delta),
        place=words.place(delta),
    )


def comparison_table(comparison: Comparison, shown: int = FRAMES_SHOWN) -> FrameTable:
    """The largest changes first."""
    culprits = {delta.frame for delta in comparison.culprits}
    largest = sorted(comparison.frames, key=lambda delta: -abs(delta.delta))[:shown]
    columns = ("Change", "base → head", "Δ", "Δ of test", "self base → head", "self Δ")
    return FrameTable(
        columns=(*columns, "p, blind below") if comparison.tested else columns,
        rows=tuple(_frame_row(delta, comparison, delta.frame in culprits) for delta in largest),
        left=len(comparison.frames) - len(largest),
        legend=_TESTED if comparison.tested else _PLAIN,
    )


def _frame_row(delta: FrameDelta, comparison: Comparison, blamed: bool) -> FrameRow:
    tested, metric = comparison.tested, comparison.metric
    known = tested and (delta.self_low or delta.self_high)
    share = delta.delta / comparison.base if comparison.base > 0 else math.inf
    direction = _direction(delta.delta, delta.significant or not tested)
    own = _direction(delta.self_delta, not tested or delta.self_low > 0 or delta.self_high < 0)
    figures = [
        Cell(units.change(metric, delta.base, delta.head), delta.head),
        Cell(
            units.signed_cost(metric, delta.delta),
            delta.delta,
            units.cost_interval(metric, delta.low, delta.high) if tested else "",
            direction,
        ),
        Cell(units.signed_percent(share), delta.delta),
        Cell(units.change(metric, delta.base_self, delta.head_self), delta.head_self),
        Cell(
            units.signed_cost(metric, delta.self_delta),
            delta.self_delta,
            units.cost_interval(metric, delta.self_low, delta.self_high) if known else "",
            own,
        ),
    ]
    if tested:
        figures.append(Cell(units.p_value(delta.p_adjusted), delta.p_adjusted, words.blind(metric, delta)))
    change = words.what_happened(delta) if blamed or delta.renamed_from else delta.change.value
    real = direction != "" or (blamed and tested)
    return FrameRow(
        name=frame_name(delta.frame),
        place=words.place(delta),
        change=change if real or delta.renamed_from or not tested else "not significant",
        direction=direction,
        culprit=blamed,
        figures=tuple(figures),
    )


def _direction(change: int, real: bool) -> str:
    return "" if not real or not change else "grew" if change > 0 else "shrank"


def profile_table(profile: Profile, shown: int = FRAMES_SHOWN) -> FrameTable:
    """One side alone, the most expensive functions first; recursion counts once."""
    whole, own = profile.total_costs(), profile.self_costs()
    total = profile.total or 1
    rows = [
        FrameRow(
            name=frame_name(frame),
            place="",
            change="",
            direction="",
            culprit=False,
            figures=tuple(
                Cell(units.cost(profile.metric, cost), cost, units.percent(cost / total))
                for cost in (whole[frame], own.get(frame, 0))
            ),
        )
        for frame in list(whole)[:shown]
    ]
    return FrameTable(("Inclusive", "Self"), tuple(rows), len(whole) - len(rows), "Inclusive: with all it calls.")


# --- the interval bar --------------------------------------------------------------------------------------


def bar_scale(judgements: Iterable[Judgement]) -> float:
    """Half the range of all bars, so that tests can be compared visually: four times the largest threshold."""
    thresholds = (j.comparison.limits.threshold for j in judgements if j.comparison)
    return max(_SMALLEST_SCALE, 4 * max(thresholds, default=0.0))


def interval_bar(comparison: Comparison, scale: float) -> Markup:
    """The interval against zero (solid) and the threshold to both sides (dashed); arrows where it leaves the bar."""

    def x(effect: float) -> float:
        inside = min(max(effect, -scale), scale) if math.isfinite(effect) else scale
        return round(_BAR / 2 + inside / scale * (_BAR / 2 - 6), 1)

    low, middle, high = (x(ratio - 1) for ratio in (comparison.low, comparison.ratio, comparison.high))
    threshold = comparison.limits.threshold
    lines = "".join(
        f'<line x1="{x(at)}" x2="{x(at)}" y1="2" y2="20" stroke="#888" stroke-dasharray="3 2"/>'
        for at in (-threshold, threshold)
        if threshold < scale
    )
    arrows = '<path d="M6 6L0 11L6 16z" fill="currentColor"/>' if comparison.low - 1 < -scale else ""
    if not comparison.high - 1 <= scale:
        arrows += f'<path d="M{_BAR - 6} 6L{_BAR} 11L{_BAR - 6} 16z" fill="currentColor"/>'
    return Markup(
        f'<svg class="bar" width="{_BAR}" height="22" viewBox="0 0 {_BAR} 22" role="img" aria-label="interval">'
        f'<line x1="{_BAR / 2}" x2="{_BAR / 2}" y1="0" y2="22" stroke="#888"/>{lines}'
        f'<rect x="{low}" y="7" width="{max(round(high - low, 1), 1)}" height="8" rx="2" fill="currentColor" '
        f'fill-opacity="0.45"/><rect x="{middle - 1.5}" y="4" width="3" height="14" fill="currentColor"/>{arrows}</svg>'
    )
