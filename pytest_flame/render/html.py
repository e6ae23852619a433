"""The report page: one self-contained file that needs no network. With scripts blocked it loses only comfort."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

from pytest_flame.links import NO_LINKS, Links
from pytest_flame.model import Comparison, FrameDelta, Judgement, RunResult, Verdict
from pytest_flame.render import homes, units, words
from pytest_flame.render.colour import DARK, LIGHT, SATURATION, Colour, Palette
from pytest_flame.render.listing import Texts, listings
from pytest_flame.render.payload import Block, graph_block, judgement_tree
from pytest_flame.render.svg import differential_svg
from pytest_flame.render.text import printable, printable_lines

FRAMES_SHOWN: Final = 50
INLINE_BUDGET: Final = 8_000_000
"""Characters of pictures inside the page, worst tests first; the others are shown from their files."""

_SMALLEST_SCALE: Final = 0.02
_BAR: Final = 180


@dataclass(frozen=True, slots=True)
class Pictures:
    """File names of a test's pictures, relative to the page; None where there is none."""

    diff: str | None = None
    base: str | None = None
    head: str | None = None


def result_html(
    result: RunResult,
    pictures: Mapping[str, Pictures] | None = None,
    *,
    texts: Texts | None = None,
    links: Links = NO_LINKS,
) -> str:
    """The whole page. ``pictures`` maps test ids to the files it may link to; ``texts`` is where sources come from."""
    pictures = pictures or {}
    ordered = words.worst_first(result)
    scale = _scale(ordered)
    room = INLINE_BUDGET
    tests = []
    for number, judgement in enumerate(ordered, 1):
        test = _test(number, judgement, pictures.get(judgement.test_id, Pictures()), scale, room, texts)
        room -= len(test.picture)
        tests.append(test)
    style, script = _bundle(STYLES), _script()
    policy = f"default-src 'none'; img-src 'self' file: data:; style-src {_digest(style)}; script-src {_digest(script)}"
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            figures=FIGURES,
            conclusion=words.conclusion(result),
            headline=words.headline(result),
            counts=[(verdict.value, words.LABELS[verdict], n) for verdict, n in words.counts(result)],
            base=words.base_line(result),
            conditions=_conditions(result),
            notes=result.notes,
            interrupted=result.interrupted,
            tests=tests,
            scale=units.setting(scale),
            level=units.setting(words.level(result.limits.alpha)),
            settings=_json(_settings(links)),
            style=style,
            script=script,
            policy=policy,
        )
    )


# --- one test ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Culprit:
    name: str
    growth: str
    what: str
    place: str


@dataclass(frozen=True, slots=True)
class _Cell:
    shown: str
    value: float
    """What the column sorts by."""
    below: str = ""


@dataclass(frozen=True, slots=True)
class _FrameRow:
    name: str
    place: str
    change: str
    direction: str
    """``grew``, ``shrank`` or empty where the change is not significant."""
    culprit: bool
    figures: tuple[_Cell, ...]


@dataclass(frozen=True, slots=True)
class _Test:
    anchor: str
    id: str
    verdict: str
    label: str
    open: bool
    reason: str
    times: str
    effect: str
    interval: str
    ratio: float
    base_ps: int
    detectable: str
    mde: float
    bar: Markup
    measured: str
    """Against what base, and how much of it."""
    culprits: tuple[_Culprit, ...]
    files: Pictures
    picture: Markup
    frames: tuple[_FrameRow, ...]
    frames_left: int
    notes: tuple[str, ...]
    details: tuple[str, ...]
    graph: Block | None


FIGURES: Final = ("base → head", "Δ", "Δ of test", "self base → head", "self Δ", "p, blind below")


def _test(number: int, judgement: Judgement, pictures: Pictures, scale: float, room: int, texts: Texts | None) -> _Test:
    comparison = judgement.comparison
    drawable = comparison is not None and judgement.base is not None and judgement.head is not None
    picture = differential_svg(judgement, header=False, prefix=f"t{number}-") if drawable and room > 0 else ""
    frames = comparison.frames if comparison else ()
    tree = judgement_tree(judgement)
    shown = listings(judgement, texts) if texts is not None and tree is not None else ()
    return _Test(
        anchor=f"test-{number}",
        id=judgement.test_id,
        verdict=judgement.verdict.value,
        label=words.LABELS[judgement.verdict],
        open=judgement.verdict in (Verdict.REGRESSED, Verdict.ERROR),
        reason=judgement.reason,
        times=words.times(comparison) if comparison else "",
        effect=units.signed_percent(comparison.ratio - 1) if comparison else "",
        interval=units.percent_interval(comparison.low - 1, comparison.high - 1) if comparison else "",
        ratio=comparison.ratio if comparison else 0.0,
        base_ps=comparison.base_ps if comparison else 0,
        detectable=words.detectable(comparison) if comparison else "",
        mde=comparison.mde if comparison else math.inf,
        bar=_interval_bar(comparison, scale) if comparison else Markup(),
        measured=words.measured_with(judgement),
        culprits=tuple(_culprit(comparison, delta) for delta in comparison.culprits) if comparison else (),
        files=pictures,
        picture=Markup(picture if len(picture) <= room else ""),
        frames=_frame_rows(comparison) if comparison else (),
        frames_left=max(0, len(frames) - FRAMES_SHOWN),
        notes=(*judgement.notes, *(comparison.notes if comparison else ())),
        details=tuple(printable_lines(judgement.details)),
        graph=graph_block(judgement, tree, listings=shown) if tree is not None and len(tree) else None,
    )


def _culprit(comparison: Comparison, delta: FrameDelta) -> _Culprit:
    return _Culprit(
        name=delta.frame.name,
        growth=words.growth(comparison, delta),
        what=words.what_happened(delta),
        place=words.place(delta),
    )


def _frame_rows(comparison: Comparison) -> tuple[_FrameRow, ...]:
    culprits = {delta.frame for delta in comparison.culprits}
    largest = sorted(comparison.frames, key=lambda delta: -abs(delta.delta_ps))[:FRAMES_SHOWN]
    return tuple(_frame_row(delta, comparison.base_ps, delta.frame in culprits) for delta in largest)


def _frame_row(delta: FrameDelta, test_ps: int, culprit: bool) -> _FrameRow:
    base, head = units.before_after(delta.base_ps, delta.head_ps)
    self_base, self_head = units.before_after(delta.base_self_ps, delta.head_self_ps)
    interval = units.duration_interval(delta.low_ps, delta.high_ps)
    known = delta.self_low_ps or delta.self_high_ps
    own_interval = units.duration_interval(delta.self_low_ps, delta.self_high_ps) if known else ""
    share = delta.delta_ps / test_ps if test_ps > 0 else math.inf
    direction = ("grew" if delta.delta_ps > 0 else "shrank") if delta.significant and delta.delta_ps else ""
    figures = (
        _Cell(f"{base} → {head}", delta.head_ps),
        _Cell(units.signed_duration(delta.delta_ps), delta.delta_ps, interval),
        _Cell(units.signed_percent(share), delta.delta_ps),
        _Cell(f"{self_base} → {self_head}", delta.head_self_ps),
        _Cell(units.signed_duration(delta.self_delta_ps), delta.self_delta_ps, own_interval),
        _Cell(units.p_value(delta.p_adjusted), delta.p_adjusted, words.blind(delta)),
    )
    change = words.what_happened(delta) if culprit else delta.change.value
    return _FrameRow(delta.frame.name, words.place(delta), change, direction, culprit, figures)


# --- the interval bar --------------------------------------------------------------------------------------


def _scale(judgements: Iterable[Judgement]) -> float:
    """Half the range all bars share, so that tests can be compared by eye: four times the largest threshold."""
    thresholds = (j.comparison.limits.threshold for j in judgements if j.comparison)
    return max(_SMALLEST_SCALE, 4 * max(thresholds, default=0.0))


def _interval_bar(comparison: Comparison, scale: float) -> Markup:
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
    """Every text that enters the page passes here; only what this module marked as HTML is left alone."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


STYLES: Final = ("report.css", "viewer.css")
SCRIPTS: Final = (
    "overview.js",
    "viewer/inflate.js",
    "viewer/tree.js",
    "viewer/data.js",
    "viewer/words.js",
    "viewer/paint.js",
    "viewer/facts.js",
    "viewer/dom.js",
    "viewer/graph.js",
    "viewer/pane.js",
    "viewer/search.js",
    "viewer/address.js",
    "viewer/functions.js",
    "viewer/source.js",
    "viewer/viewer.js",
    "viewer/page.js",
)
"""In the order they are put together: one script, so that one hash admits it."""


def _script() -> Markup:
    return Markup('"use strict";\n(() => {\n') + _bundle(SCRIPTS) + Markup("})();\n")


def _settings(links: Links) -> dict[str, Any]:
    """What the script needs to know of how the pictures are drawn."""
    return {
        "saturation": SATURATION,
        "palettes": {"light": _palette("light", LIGHT), "dark": _palette("dark", DARK)},
        "links": dataclasses.asdict(links),
    }


def _palette(name: str, palette: Palette) -> dict[str, Any]:
    def plain(value: Colour | tuple[Colour, ...]) -> str | list[str]:
        if isinstance(value, tuple):
            return [_hex(one) for one in value]
        return _hex(value)

    fields = {field: plain(getattr(palette, field)) for field in Palette.__slots__}
    return {**fields, "homes": {home.value: _hex(fill) for home, fill in homes.COLOURS[name].items()}}


def _hex(colour: Colour) -> str:
    return f"#{colour.red:02x}{colour.green:02x}{colour.blue:02x}"


def _json(value: Any) -> Markup:
    """JSON that can stand in a page: no text in it ends the element."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def _bundle(names: Iterable[str]) -> Markup:
    folder = files("pytest_flame.render").joinpath("templates")
    return Markup("".join(folder.joinpath(*name.split("/")).read_text(encoding="utf-8") for name in names))


def _digest(text: str) -> str:
    """The policy source that admits exactly this inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
