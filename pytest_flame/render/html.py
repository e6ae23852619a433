"""The report page: one self-contained file that needs no network and stays readable with scripts blocked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jinja2
from markupsafe import Markup

from pytest_flame.links import NO_LINKS, Links
from pytest_flame.model import CPU, DiffCoverage, Judgement, RunResult, Verdict
from pytest_flame.render import assets, rows, units, words
from pytest_flame.render.drawn import Drawn
from pytest_flame.render.listing import Texts, listings
from pytest_flame.render.payload import Block, graph_block
from pytest_flame.render.picture import differential_picture, profile_picture
from pytest_flame.render.svg import static_svg
from pytest_flame.render.text import printable, printable_lines

PICTURES_BUDGET: Final = 2_000_000
"""Limit of characters of static pictures inside the page, worst tests first; the others are shown from their files."""
ROWS_BUDGET: Final = 1_000
"""Limit of rows of static tables inside the page, worst tests first; later tests have a few each, so that browsers with
scripts read less."""
_FEWEST_ROWS: Final = 5
FILES: Final = "files"
"""The mode of a run over profiles of any tool: nothing was measured, and there is one test."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """File names of a test's pictures, relative to the page; None if there is none."""

    diff: str | None = None
    base: str | None = None
    head: str | None = None
    interactive: str | None = None
    """The interactive difference."""
    drawn: Drawn | None = None
    """What they were drawn from, to avoid computing it again."""


def result_html(
    result: RunResult,
    pictures: Mapping[str, Pictures] | None = None,
    *,
    texts: Texts | None = None,
    links: Links = NO_LINKS,
) -> str:
    """The whole page. ``pictures`` maps test ids to the files it may link to; ``texts`` provides sources."""
    pictures = pictures or {}
    ordered = words.worst_first(result)
    scale = rows.bar_scale(ordered)
    room = _Room()
    tests = [
        _test(number, judgement, pictures.get(judgement.test_id, Pictures()), scale, room, texts)
        for number, judgement in enumerate(ordered, 1)
    ]
    style, script = assets.style(), assets.script()
    policy = (
        "default-src 'none'; img-src 'self' file: data:; "
        f"style-src {assets.digest(style)}; script-src {assets.digest(script)}"
    )
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            alone=result.mode == FILES,
            conclusion=words.conclusion(result),
            headline=words.headline(result),
            counts=[(verdict.value, words.LABELS[verdict], n) for verdict, n in words.counts(result)],
            base=words.base_line(result),
            axis=_axis(result),
            conditions=_conditions(result),
            notes=result.notes,
            gate_heading=f"{words.GATE_HEADING.capitalize()}, {words.gate_line(result)}",
            gate_changes=[words.gate_change(change) for change in result.gate.changes],
            gate_unknown=result.gate.unknown and f"{words.GATE_HEADING} could not be checked: {result.gate.unknown}",
            coverage=[_Missed.of(coverage) for coverage in result.coverage if not coverage.complete],
            entries_heading=words.ENTRIES_HEADING.capitalize(),
            entries=[words.entry_use(use) for use in words.entries_to_show(result)],
            interrupted=result.interrupted,
            tests=tests,
            scale=units.setting(scale),
            level=units.setting(words.level(result.limits.alpha)),
            settings=assets.inert_json(assets.settings(links)),
            style=style,
            script=script,
            policy=policy,
        )
    )


@dataclass(frozen=True, slots=True)
class _Missed:
    """Changed functions that no test runs, in words."""

    heading: str
    functions: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, coverage: DiffCoverage) -> _Missed:
        return cls(
            words.covered(coverage),
            tuple(map(words.missed, coverage.missed)),
            tuple(map(words.not_compared, coverage.unknown)),
        )


def _axis(result: RunResult) -> str:
    """What the tests' costs are costs of."""
    sides = [side for judgement in result.judgements for side in (judgement.head or judgement.base,) if side]
    return " or ".join(dict.fromkeys(side.metric.noun for side in sides)) or CPU.noun


# --- one test ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Room:
    """What is left of the budgets."""

    pictures: int = -1
    rows: int = -1

    def __post_init__(self) -> None:
        self.pictures, self.rows = PICTURES_BUDGET, ROWS_BUDGET


@dataclass(frozen=True, slots=True)
class _Test:
    anchor: str
    id: str
    verdict: str
    badge: str
    open: bool
    reason: str
    times: str
    tested: bool
    effect: str
    interval: str
    ratio: float
    base: int
    detectable: str
    mde: float
    where: str
    """What the verdict alone does not show: the total did not regress, or a regression was accepted."""
    bar: Markup
    measured: str
    """The base, and how many processes."""
    culprits: tuple[rows.Culprit, ...]
    files: Pictures
    picture: Markup
    table: rows.FrameTable
    aside: bool
    """The static parts are for browsers without scripts, and limited so as not to slow down the others."""
    notes: tuple[str, ...]
    details: tuple[str, ...]
    graph: Block | None


def _test(number: int, judgement: Judgement, files: Pictures, scale: float, room: _Room, texts: Texts | None) -> _Test:
    comparison = judgement.comparison
    tested = comparison is not None and comparison.tested
    drawn = files.drawn or Drawn.of(judgement)
    aside = room.rows < rows.FRAMES_SHOWN
    shown = listings(judgement, texts) if texts is not None and drawn.tree is not None else ()
    return _Test(
        anchor=f"test-{number}",
        id=judgement.test_id,
        verdict=judgement.verdict.value,
        badge=words.badge(judgement),
        where=words.accepted(judgement)
        or ", ".join(filter(None, (words.only_in(judgement), words.accepted_terms(judgement)))),
        open=judgement.verdict in (Verdict.REGRESSED, Verdict.ERROR),
        reason=judgement.reason,
        times=words.times(comparison) if comparison else "",
        tested=tested,
        effect=units.signed_percent(comparison.ratio - 1) if comparison else "",
        interval=units.percent_interval(comparison.low - 1, comparison.high - 1) if comparison and tested else "",
        ratio=comparison.ratio if comparison else 0.0,
        base=comparison.base if comparison else 0,
        detectable=words.detectable(comparison) if comparison and tested else "",
        mde=comparison.mde if comparison and tested else math.inf,
        bar=rows.interval_bar(comparison, scale) if comparison and tested else Markup(),
        measured=words.measured_with(judgement) if tested else "",
        culprits=tuple(rows.culprit(comparison, delta) for delta in comparison.culprits) if comparison else (),
        files=files,
        picture=_picture(number, judgement, drawn, room),
        table=_table(drawn, room),
        aside=aside,
        notes=(*judgement.notes, *(comparison.notes if comparison else ())),
        details=tuple(printable_lines(judgement.details)),
        graph=graph_block(judgement, drawn, listings=shown) if drawn.tree is not None and len(drawn.tree) else None,
    )


def _picture(number: int, judgement: Judgement, drawn: Drawn, room: _Room) -> Markup:
    """The static picture, if there is room for it; without its heading, which the page has."""
    side = drawn.head or drawn.base
    if side is None or room.pictures <= 0:
        return Markup()
    if drawn.comparison is not None:
        picture = differential_picture(judgement, tree=drawn.tree)
    else:
        picture = profile_picture(side, judgement.test_id, tree=drawn.tree)
    svg = static_svg(picture, header=False, prefix=f"t{number}-")
    if len(svg) > room.pictures:
        room.pictures = 0  # the following ones matter less
        return Markup()
    room.pictures -= len(svg)
    return Markup(svg)


def _table(drawn: Drawn, room: _Room) -> rows.FrameTable:
    shown = rows.FRAMES_SHOWN if room.rows >= rows.FRAMES_SHOWN else _FEWEST_ROWS
    side = drawn.head or drawn.base
    if drawn.comparison is not None:
        table = rows.comparison_table(drawn.comparison, shown)
    elif side is not None:
        table = rows.profile_table(side, shown)
    else:
        return rows.NO_TABLE
    room.rows -= len(table.rows)
    return table


# --- the page ----------------------------------------------------------------------------------------------


def _conditions(result: RunResult) -> list[tuple[str, str]]:
    sampler, limits = result.sampler, result.limits
    sampled = f"{sampler.event}, {sampler.frequency_hz} Hz, {sampler.rung}" if sampler else "unknown"
    if sampler and not sampler.kernel:
        sampled += ", kernel not sampled"
    if sampler and sampler.kernel_frames:
        sampled += ", with kernel frames"
    if sampler and sampler.native_frames:
        sampled += ", with native frames"
    if sampler and sampler.reason:
        sampled += f" ({sampler.reason})"
    unit = "pairs" if result.mode == "interleaved" else "processes"
    return [
        ("sampler", sampled),
        ("overhead", units.percent(result.overhead) if result.overhead is not None else "unknown"),
        (unit, f"up to {units.count(result.processes)}"),
        ("threshold", f"{units.setting(limits.threshold)}, one frame {units.setting(limits.frame_threshold)}"),
        ("intervals", units.setting(words.level(limits.alpha))),
        ("seed", str(result.seed)),
        ("took", units.elapsed(result.duration_s)),
    ]


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_flame", "render/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """All text in the page is escaped here; only what this module marked as HTML is left alone."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
