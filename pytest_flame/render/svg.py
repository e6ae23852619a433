"""Flame graphs as static SVG: presentation attributes only, so that viewers which strip scripts and styles show them.

Classes on a few elements let a surrounding page recolour paper and ink for dark mode; nothing needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

from pytest_flame.fold import recording_profile
from pytest_flame.model import Change, Comparison, Frame, FrameDelta, Judgement, Profile
from pytest_flame.render import colour, units, words
from pytest_flame.render.layout import Box, Layout, Width, build_tree, lay_out
from pytest_flame.render.text import cells, fit, fit_start, fit_tail, printable

WIDTH: Final = 1000
_MARGIN: Final = 12
_INNER: Final = WIDTH - 2 * _MARGIN
_ROW: Final = 20
_BOX: Final = 19
_FONT: Final = 12
_COLUMN: Final = 7.3
"""Advance of one character at 12 px in the widest of the usual monospaced fonts (0.602 em), and a little."""
_PADDING: Final = 4
_SMALL: Final = 9
_SMALL_COLUMN: Final = _COLUMN * _SMALL / _FONT
_THINNEST: Final = 0.3 / _INNER
_CULPRITS_NAMED: Final = 3
_MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_CULPRIT_MARK: Final = "◆"


def differential_svg(judgement: Judgement, *, width: Width = Width.MAX, header: bool = True, prefix: str = "") -> str:
    """Base against head as one flame graph, root at the bottom: grey unless significant, red grew, blue shrank.

    ``header=False`` leaves out the lines above the picture, for a page that says them itself; ``prefix`` keeps
    ids apart where several pictures stand in one document. Raises ValueError without both sides and a comparison.
    """
    comparison, base, head = judgement.comparison, judgement.base, judgement.head
    if comparison is None or base is None or head is None:
        raise ValueError(f"{judgement.test_id}: a differential picture needs both sides and their comparison")
    culprits = frozenset(delta.frame for delta in comparison.culprits)
    tree = build_tree(recording_profile(base).costs, recording_profile(head).costs)
    layout = lay_out(tree, width=width, min_width=_THINNEST, keep=culprits)
    deltas = {delta.frame: delta for delta in comparison.frames}
    hatch = f"{prefix}gone"
    lines = _differential_header(judgement, comparison) if header else []
    return _document(
        title=f"{judgement.test_id}: {words.outcome(judgement)}",
        definitions=_hatch_pattern(hatch),
        header=lines,
        layout=layout,
        face=lambda box: _differential_face(box, deltas.get(box.frame), comparison, culprits, layout.total_ps),
        hatch=hatch,
        legend=_differential_legend(hatch),
        footer=[
            f"width: CPU time per iteration, {width.value} for every stack; the full width is "
            f"{units.duration(layout.total_ps)}",
            *_hidden(layout),
        ],
    )


def profile_svg(
    profile: Profile, title: str, *, subtitle: str = "", width: str = "CPU time per iteration", of: str = "the test"
) -> str:
    """One side as a flame graph, root at the bottom, coloured by where the code lives.

    ``width`` says what a box's width means, ``of`` what its share is a share of.
    """
    layout = lay_out(build_tree({}, profile.costs), min_width=_THINNEST)
    lines = [_title_line(title), *([_Line(subtitle)] if subtitle else [])]
    return _document(
        title=title,
        definitions="",
        header=lines,
        layout=layout,
        face=lambda box: _profile_face(box, layout.total_ps, of),
        hatch="",
        legend=_profile_legend(),
        footer=[
            f"width: {width}; the full width is {units.duration(layout.total_ps)}",
            *_hidden(layout),
        ],
    )


# --- what a box looks like ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Face:
    fill: colour.Colour
    tooltip: str
    mark: str = ""
    hatched: bool = False
    culprit: bool = False
    own_share: float = 0.0
    """Own change as a signed share of the picture's width, drawn as a dark bar."""


def _differential_face(
    box: Box, delta: FrameDelta | None, comparison: Comparison, culprits: frozenset[Frame], total_ps: int
) -> _Face:
    real = delta is not None and (delta.significant or delta.over_threshold)
    share = box.delta_ps / comparison.base_ps if comparison.base_ps > 0 else float(box.delta_ps > 0)
    return _Face(
        fill=colour.of_change(share) if real else colour.GREY,
        tooltip=_differential_tooltip(box, delta, comparison),
        mark=_mark(box, delta) if delta is not None and real else "",
        hatched=real and not box.head_ps,
        culprit=box.frame in culprits and box.delta_ps > 0,
        own_share=box.self_delta_ps / total_ps if real else 0.0,
    )


def _mark(box: Box, delta: FrameDelta) -> str:
    if delta.change is Change.MOVED:
        return "MOVED"
    if not box.head_ps:
        return "GONE"
    if not box.base_ps:
        return "NEW"
    return "+" if box.delta_ps > 0 else units.MINUS if box.delta_ps < 0 else ""


def _differential_tooltip(box: Box, delta: FrameDelta | None, comparison: Comparison) -> str:
    change = units.signed_duration(box.delta_ps)
    if comparison.base_ps > 0:
        change += f" ({units.signed_percent(box.delta_ps / comparison.base_ps)} of the test)"
    base, head = units.before_after(box.base_ps, box.head_ps)
    own_base, own_head = units.before_after(box.base_self_ps, box.head_self_ps)
    lines = [box.frame.name, f"here: {base} → {head}, {change}", f"self here: {own_base} → {own_head}"]
    if delta is None:
        return "\n".join(lines)
    interval = units.duration_interval(delta.low_ps, delta.high_ps)
    lines.append(f"function: {units.signed_duration(delta.delta_ps)} {interval}, {words.what_happened(delta)}")
    lines.append(f"p {units.p_value(delta.p_adjusted)} that it grew no more than the frame threshold")
    if not delta.significant:
        lines.append("no significant change")
    if blind := words.blind(delta):
        lines.append(f"a growth of {blind} would have been named")
    if place := words.place(delta):
        lines.append(place)
    return "\n".join(lines)


def _profile_face(box: Box, total_ps: int, of: str) -> _Face:
    own = f", self {units.duration(box.head_self_ps)}" if box.head_self_ps else ""
    share = units.percent(box.head_ps / total_ps)
    return _Face(colour.of_frame(box.frame), f"{box.frame.name}\n{units.duration(box.head_ps)}, {share} of {of}{own}")


# --- header, legend, footer --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: int = _FONT
    bold: bool = False
    badge: str = ""
    badge_fill: str = ""
    full: str = ""
    """What a cut line says in whole, as its tooltip."""


def _title_line(title: str, size: int = 14) -> _Line:
    room = int(_INNER / (_COLUMN * size / _FONT))
    return _Line(fit_tail(printable(title), room), size=size, bold=True, full=title)


def _differential_header(judgement: Judgement, comparison: Comparison) -> list[_Line]:
    verdict = judgement.verdict
    effect = " · ".join(
        [words.times(comparison), words.effect(comparison), f"{units.setting(comparison.level)} interval"]
    )
    lines = [
        _title_line(judgement.test_id),
        _Line(effect, badge=verdict.value, badge_fill=str(colour.VERDICTS[verdict])),
    ]
    for delta in comparison.culprits[:_CULPRITS_NAMED]:
        facts = [words.growth(comparison, delta), words.what_happened(delta), words.place(delta)]
        text = f"{_CULPRIT_MARK} " + " · ".join([fit(delta.frame, 48), *(printable(fact) for fact in facts if fact)])
        lines.append(_Line(fit_start(text, int(_INNER / _COLUMN)), bold=True, full=f"{delta.frame}, {facts[1]}"))
    if (more := len(comparison.culprits) - _CULPRITS_NAMED) > 0:
        lines.append(_Line(f"and {units.count(more, 'more culprit')}, outlined in the picture"))
    return lines


def _hatch_pattern(name: str) -> str:
    return (
        f'<pattern id="{_attribute(name)}" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)">'
        f'<rect width="2.5" height="6" fill="{colour.PAPER}" fill-opacity="0.65"/></pattern>'
    )


def _differential_legend(hatch: str) -> list[str]:
    """One row of samples, each followed by its meaning; a string is drawn after the previous one's end."""
    saturation = f"{colour.SATURATION:.0%}".replace("%", " %")
    steps = [colour.of_change(colour.SATURATION * step / 5) for step in range(-5, 6)]
    ramp = "".join(f'<rect x="{i * 14}" width="14" height="12" fill="{step}"/>' for i, step in enumerate(steps))
    flow = _Flow()
    flow.words(f"{units.MINUS}{saturation}")
    flow.sample(ramp, 14 * len(steps))
    flow.words(f"+{saturation} of the test's base cost", gap=18)
    flow.sample(f'<rect width="20" height="12" fill="{colour.GREY}"/>', 20)
    flow.words("no significant change", gap=18)
    gone = colour.of_change(-colour.SATURATION / 2)
    flow.sample(f'<rect width="20" height="12" fill="{gone}"/><rect width="20" height="12" fill="url(#{hatch})"/>', 20)
    flow.words("gone", gap=18)
    grown = colour.of_change(colour.SATURATION / 2)
    flow.sample(
        f'<rect width="20" height="12" fill="{grown}"/><rect y="9" width="20" height="3" fill="{colour.DARK_RED}"/>', 20
    )
    flow.words("own change", gap=18)
    flow.sample(
        f'<rect x="1" width="18" height="12" fill="{grown}" stroke="{colour.INK}" stroke-width="2" class="outline"/>',
        20,
    )
    flow.words(f"{_CULPRIT_MARK} culprit")
    return flow.parts


def _profile_legend() -> list[str]:
    flow = _Flow()
    for frame, meaning in (
        (Frame("app", "f"), "Python, toned by module"),
        (Frame("lib.so", "f"), "native"),
        (Frame("kernel", "f"), "kernel"),
    ):
        flow.sample(f'<rect width="20" height="12" fill="{colour.of_frame(frame)}"/>', 20)
        flow.words(meaning, gap=18)
    return flow.parts


class _Flow:
    """Samples and words set one after the other on one line."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._x = 0.0

    def sample(self, shapes: str, width: float) -> None:
        self.parts.append(f'<g transform="translate({_px(self._x)} 0)">{shapes}</g>')
        self._x += width + 6

    def words(self, text: str, gap: float = 6) -> None:
        self.parts.append(f'<text class="ink" x="{_px(self._x)}" y="10.5">{_content(text)}</text>')
        self._x += cells(text) * _COLUMN * 11 / _FONT + gap


def _hidden(layout: Layout) -> list[str]:
    if not layout.boxes:
        return ["no samples: nothing to draw"]
    if not layout.hidden:
        return []
    drawn, every = len(layout.boxes), len(layout.boxes) + layout.hidden
    return [
        f"{units.count(drawn)} of {units.count(every)} boxes drawn; the {units.count(layout.hidden)} smallest, "
        f"left out, hold {units.percent(layout.hidden_share)} of the width"
    ]


# --- the document ------------------------------------------------------------------------------------------


def _document(
    *,
    title: str,
    definitions: str,
    header: list[_Line],
    layout: Layout,
    face: Callable[[Box], _Face],
    hatch: str,
    legend: list[str],
    footer: list[str],
) -> str:
    parts: list[str] = []
    y = _MARGIN
    for line in header:
        y += line.size + 8
        parts.append(_header_line(line, y - 6))
    top = y + (8 if header else 0)
    bottom = top + layout.levels * _ROW
    parts += _boxes(layout, face, hatch, bottom)
    parts.append(f'<g transform="translate({_MARGIN} {bottom + 10})" font-size="11">{"".join(legend)}</g>')
    y = bottom + 10 + 14
    for text in footer:
        y += 16
        parts.append(f'<text class="ink" x="{_MARGIN}" y="{y - 2}" font-size="11">{_content(text)}</text>')
    height = y + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{_attribute(title)}" font-family="{_MONO}" font-size="{_FONT}" '
            f'fill="{colour.INK}">',
            f"<title>{_content(title)}</title>",
            *([f"<defs>{definitions}</defs>"] if definitions else []),
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6" fill="{colour.PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _header_line(line: _Line, y: float) -> str:
    x, shapes = float(_MARGIN), ""
    if line.badge:
        width = cells(line.badge) * _COLUMN + 14
        shapes = (
            f'<rect x="{_px(x)}" y="{_px(y - 13)}" width="{_px(width)}" height="18" rx="3" fill="{line.badge_fill}"/>'
            f'<text x="{_px(x + 7)}" y="{_px(y)}" font-weight="bold" fill="{colour.PAPER}">'
            f"{_content(line.badge)}</text>"
        )
        x += width + 10
    weight = ' font-weight="bold"' if line.bold else ""
    tooltip = f"<title>{_content(line.full)}</title>" if line.full else ""
    text = f'<text class="ink" x="{_px(x)}" y="{_px(y)}" font-size="{line.size}"{weight}>{_content(line.text)}</text>'
    return f"<g>{tooltip}{shapes}{text}</g>"


def _boxes(layout: Layout, face: Callable[[Box], _Face], hatch: str, bottom: float) -> Iterable[str]:
    plain: list[str] = []
    outlined: list[str] = []
    for box in layout.boxes:
        look = face(box)
        (outlined if look.culprit else plain).append(_box(box, look, hatch, bottom))
    return [*plain, *outlined]  # outlines lie on top of their neighbours


def _box(box: Box, face: _Face, hatch: str, bottom: float) -> str:
    x, y = _MARGIN + box.x * _INNER, bottom - (box.depth + 1) * _ROW
    width = box.width * _INNER
    width = max(width - (0.6 if width > 2 else 0.0), 2.0 if face.culprit else 0.3)
    place = f'x="{_px(x)}" y="{_px(y)}" width="{_px(width)}" height="{_BOX}"'
    outline = f' stroke="{colour.INK}" stroke-width="2.5" class="outline"' if face.culprit else ""
    parts = [f"<g><title>{_content(face.tooltip)}</title>", f'<rect {place} fill="{face.fill}"{outline}/>']
    if face.hatched:
        parts.append(f'<rect {place} fill="url(#{_attribute(hatch)})"/>')
    own = min(abs(face.own_share) * _INNER, width)
    if own >= 1:
        dark = colour.DARK_RED if face.own_share > 0 else colour.DARK_BLUE
        parts.append(
            f'<rect x="{_px(x + width - own)}" y="{_px(y + _BOX - 3)}" width="{_px(own)}" height="3" fill="{dark}"/>'
        )
    label = _label(box.frame, face, width)
    if label:
        weight = ' font-weight="bold"' if face.culprit else ""
        parts.append(f'<text x="{_px(x + _PADDING)}" y="{_px(y + 13)}"{weight}>{_content(label)}</text>')
    elif not face.culprit and face.mark and cells(face.mark) * _SMALL_COLUMN + 2 <= width:
        parts.append(f'<text x="{_px(x + 1)}" y="{_px(y + 12)}" font-size="{_SMALL}">{face.mark}</text>')
    elif face.culprit:
        parts.append(_pointer(x + width / 2, y))
    parts.append("</g>")
    return "".join(parts)


def _label(frame: Frame, face: _Face, width: float) -> str:
    room = int((width - 2 * _PADDING) / _COLUMN)
    mark = " ".join(part for part in (_CULPRIT_MARK if face.culprit else "", face.mark) if part)
    if not mark:
        return fit(frame, room) if room >= 3 else ""
    name = fit(frame, room - cells(mark) - 1)
    if name:
        return f"{mark} {name}"
    return mark if cells(mark) <= room else ""


def _pointer(x: float, y: float) -> str:
    """A triangle above a culprit too narrow for its mark."""
    points = f"{_px(x - 6)},{_px(y - 11)} {_px(x + 6)},{_px(y - 11)} {_px(x)},{_px(y - 1)}"
    return f'<polygon points="{points}" fill="{colour.INK}" stroke="{colour.PAPER}" stroke-width="1"/>'


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _content(text: str) -> str:
    return "\n".join(escape(printable(line), quote=False) for line in text.split("\n"))


def _attribute(text: str) -> str:
    return escape(printable(text), quote=True)
