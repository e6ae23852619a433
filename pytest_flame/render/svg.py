"""Flame graphs as static SVG: presentation attributes only, so that viewers which strip scripts and styles show them.

Classes on a few elements let a surrounding page recolour paper and ink for dark mode; nothing depends on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from pytest_flame.model import Frame, Judgement, Metric, Profile
from pytest_flame.render import units
from pytest_flame.render.colour import LIGHT, WHITE, Palette
from pytest_flame.render.layout import MAX_BOXES, Box, Layout, Width, lay_out
from pytest_flame.render.legend import FONT as SMALL
from pytest_flame.render.legend import legend
from pytest_flame.render.names import fit, fit_complete
from pytest_flame.render.picture import (
    CULPRIT,
    Face,
    Heading,
    Picture,
    culprit_nodes,
    differential_picture,
    face,
    profile_picture,
    tooltip,
)
from pytest_flame.render.recursion import FoldedLayout, fold_recursion
from pytest_flame.render.text import cells, fit_start, fit_tail, printable

WIDTH: Final = 1000
MARGIN: Final = 12
INNER: Final = WIDTH - 2 * MARGIN
ROW: Final = 20
FONT: Final = 12
COLUMN: Final = 7.3
"""Advance of one character at 12 px in the widest of the usual monospaced fonts (0.602 em), and a little."""
PADDING: Final = 4
MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

_TALLEST: Final = 1600
"""Rows of deeper graphs are thinner and have no text: a picture of 20,000 px is useless."""
_THINNEST_ROW: Final = 2
_TEXT_ROW: Final = 14
_THINNEST: Final = 0.3 / INNER
_FEWEST_COLUMNS: Final = 3
"""Of a box that bears a name."""


def static_svg(picture: Picture, *, palette: Palette = LIGHT, header: bool = True, prefix: str = "") -> str:
    """The picture with its root at the bottom, only the widest boxes, and the share that was left out.

    ``header=False`` omits the lines above the graph, for a page that shows them itself; ``prefix`` keeps ids distinct
    if several pictures are in one document.
    """
    drawing = draw(picture, palette, header=header, prefix=prefix)
    top = drawing.header_height
    below = top + drawing.graph_height
    return document(
        picture,
        palette,
        below + drawing.footer_height,
        [
            drawing.definitions,
            drawing.header,
            f'<g transform="translate({MARGIN} {top})">{drawing.graph}</g>',
            f'<g transform="translate({MARGIN} {below})" font-size="{SMALL}">{drawing.legend}{drawing.captions}</g>',
        ],
        prefix=prefix,
    )


def differential_svg(judgement: Judgement, *, width: Width = Width.MAX, header: bool = True, prefix: str = "") -> str:
    """Base against head as one flame graph: grey unless significant, red grew, blue shrank.

    Raises ValueError without both sides and a comparison.
    """
    return static_svg(differential_picture(judgement, width=width), header=header, prefix=prefix)


def profile_svg(profile: Profile, title: str, *, subtitle: str = "", of: str = "the test") -> str:
    """One side as a flame graph, coloured by where the code lives. ``of`` is what a share is a share of."""
    return static_svg(profile_picture(profile, title, subtitle=subtitle, of=of))


# --- the document ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawing:
    """The parts of a picture as SVG. ``graph`` and ``footer`` have their top left corner at the origin."""

    definitions: str
    header: str
    header_height: int
    graph: str
    graph_height: int
    legend: str
    captions: str
    footer_height: int


def draw(picture: Picture, palette: Palette, *, header: bool = True, prefix: str = "") -> Drawing:
    folded = fold_recursion(
        lay_out(picture.tree, width=picture.width, max_boxes=MAX_BOXES, min_width=_THINNEST, keep=picture.culprits)
    )
    hatch = xml_attribute(f"{prefix}gone")
    y, lines = MARGIN, []
    for heading in picture.headings if header else ():
        y += heading.size + 8
        lines.append(_heading(heading, y - 6))
    graph, graph_height = _graph(picture, folded, palette, hatch)
    notes = captions(picture, folded)
    return Drawing(
        definitions=f"<defs>{_hatch(hatch, palette)}</defs>" if picture.differential else "",
        header="\n".join(lines),
        header_height=y + (8 if lines else 0),
        graph=graph,
        graph_height=graph_height,
        legend=legend(picture, palette, hatch),
        captions="".join(
            f'<text class="ink caption" y="{34 + 16 * i}">{content(caption)}</text>' for i, caption in enumerate(notes)
        ),
        footer_height=20 + 16 * len(notes) + MARGIN,
    )


def document(picture: Picture, palette: Palette, height: float, parts: Iterable[str], *, prefix: str = "") -> str:
    """A complete SVG file of these parts on paper."""
    description = xml_attribute(f"{prefix}about")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{xml_attribute(picture.title)}" aria-describedby="{description}" '
            f'font-family="{MONO}" font-size="{FONT}" fill="{palette.ink}">',
            f'<title>{content(picture.title)}</title><desc id="{description}">{content(picture.description)}</desc>',
            f'<rect class="paper" id="{xml_attribute(prefix)}paper" width="{WIDTH}" height="{height}" rx="6" '
            f'fill="{palette.paper}"/>',
            *filter(None, parts),
            "</svg>\n",
        ]
    )


def _hatch(name: str, palette: Palette) -> str:
    return (
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="2.5" height="6" fill="{palette.paper}" fill-opacity=".6"/></pattern>'
    )


def _heading(line: Heading, y: float) -> str:
    x, shapes = float(MARGIN), ""
    if line.badge:
        width = cells(line.badge) * COLUMN + 14
        shapes = (
            f'<rect x="{px(x)}" y="{px(y - 13)}" width="{px(width)}" height="18" rx="3" fill="{line.badge_fill}"/>'
            f'<text x="{px(x + 7)}" y="{px(y)}" font-weight="bold" fill="{WHITE}">{content(line.badge)}</text>'
        )
        x += width + 10
    room = int((WIDTH - MARGIN - x) / (COLUMN * line.size / FONT))
    text = printable(line.text)
    # The end of a test's id distinguishes it; a sentence begins with the important part.
    shown = fit_tail(text, room) if line.text == line.full else fit_start(text, room)
    weight = ' font-weight="bold"' if line.bold else ""
    hint = f"<title>{content(line.full)}</title>" if line.full else ""
    text = f'<text class="ink" x="{px(x)}" y="{px(y)}" font-size="{line.size}"{weight}>{content(shown)}</text>'
    return f"<g>{hint}{shapes}{text}</g>"


def captions(picture: Picture, folded: FoldedLayout) -> list[str]:
    """What the width means, then what was left out or folded."""
    layout = folded.layout
    if not layout.boxes:
        return ["no samples: nothing to draw"]
    side = f", {picture.width.value} for every stack" if picture.width is Width.MAX else f" in {picture.width.value}"
    side = side if picture.differential else ""
    notes = [f"width: {picture.metric.noun}{side}; the full width is {units.cost(picture.metric, layout.total)}"]
    if layout.hidden:
        drawn = len(layout.boxes) + folded.calls - len(folded.repeats)
        every = drawn + layout.hidden
        notes.append(
            f"{units.count(drawn)} of {units.count(every)} boxes drawn; the {units.count(layout.hidden)} smallest, "
            f"left out, make up {units.percent(layout.hidden_share)} of the width"
        )
    if folded.repeats:
        boxes = units.count(len(folded.repeats), "box", "boxes")
        notes.append(f"{units.count(folded.calls)} calls of recursion folded into {boxes}: ×N stands for N calls")
    return notes


# --- boxes -------------------------------------------------------------------------------------------------


def row_height(levels: int) -> int:
    """Pixels of one level."""
    return min(ROW, max(_THINNEST_ROW, _TALLEST // max(levels, 1)))


def _graph(picture: Picture, folded: FoldedLayout, palette: Palette, hatch: str) -> tuple[str, int]:
    layout = folded.layout
    row = row_height(layout.levels)
    bottom = layout.levels * row
    levels: dict[int, list[tuple[Box, Face]]] = defaultdict(list)
    culprits = culprit_nodes(picture)
    for index, box in enumerate(layout.boxes):
        calls = folded.repeats.get(index, 1)
        look = face(picture, box, culprit=box.node in culprits, calls=calls, palette=palette)
        levels[box.depth].append((box, look))
    parts: list[str] = []
    outlines: list[str] = []
    for depth, boxes in sorted(levels.items()):
        y = bottom - (depth + 1) * row
        rects = "".join(_box(box, look, picture, palette, row) for box, look in boxes)
        parts.append(f'<g transform="translate(0 {y})" fill="{palette.grey}">{rects}</g>')
        over = "".join(part for box, look in boxes for part in _over(box, look, palette, hatch, row, layout.total))
        if over:
            parts.append(f'<g transform="translate(0 {y})" pointer-events="none">{over}</g>')
        outlines += (_outline(box, y, row, palette) for box, look in boxes if look.culprit)
    if outlines:  # on top of the neighbours
        parts.append(
            f'<g fill="none" stroke="{palette.ink}" stroke-width="2.5" pointer-events="none" class="outline">'
            f"{''.join(outlines)}</g>"
        )
    parts += _ruler(picture.metric, layout, bottom, palette)
    return "\n".join(parts), bottom + (28 if layout.boxes else 0)


def _extent(box: Box, culprit: bool) -> tuple[float, float]:
    """Left edge and width in pixels; neighbours that are wide enough have a gap between them."""
    width = box.width * INNER
    return box.x * INNER, max(width - (0.6 if width > 2 else 0.0), 2.0 if culprit else 0.3)


def _box(box: Box, look: Face, picture: Picture, palette: Palette, row: int) -> str:
    x, width = _extent(box, look.culprit)
    fill = f' fill="{look.fill}"' if look.fill != palette.grey else ""
    hint = content(tooltip(picture, box, look.calls))
    height = row - 1 if row > 4 else row
    return f'<rect x="{px(x)}" width="{px(width)}" height="{height}"{fill}><title>{hint}</title></rect>'


def _over(box: Box, look: Face, palette: Palette, hatch: str, row: int, total: int) -> Iterator[str]:
    """What is drawn on a box: hatching, the bar of its own change, its label."""
    x, width = _extent(box, look.culprit)
    height = row - 1 if row > 4 else row
    if look.hatched and width >= 1:
        yield f'<rect x="{px(x)}" width="{px(width)}" height="{height}" fill="url(#{hatch})"/>'
    own = min(abs(box.self_delta) / total * INNER, width) if look.own_share else 0
    if own >= 1:
        dark = palette.own_red if look.own_share > 0 else palette.own_blue
        thick = 3 if row > 8 else 1
        yield (
            f'<rect x="{px(x + width - own)}" y="{height - thick}" width="{px(own)}" height="{thick}" fill="{dark}"/>'
        )
    if row < _TEXT_ROW:
        return
    text = label(box.frame, look, int((width - 2 * PADDING) / COLUMN))
    if text:
        weight = ' font-weight="bold"' if look.culprit else ""
        yield f'<text x="{px(x + PADDING)}" y="13"{weight}>{content(text)}</text>'
    elif look.mark and not look.culprit and cells(look.mark) * COLUMN * 0.75 + 2 <= width:
        yield f'<text x="{px(x + 1)}" y="12" font-size="9">{look.mark}</text>'


def label(frame: Frame, look: Face, room: int) -> str:
    """The label of a box of ``room`` columns: marks, the change in figures, the name, nested calls.

    The figures are dropped before any part of the qualified name; if no name fits, only the marks are left.
    """
    times = f"×{look.calls}" if look.calls > 1 else ""
    culprit = CULPRIT if look.culprit else ""
    marks = _spaced(culprit, look.mark)
    if not marks and not times:
        return fit(frame, room) if room >= _FEWEST_COLUMNS else ""
    figures = _spaced(culprit, "" if look.change.startswith(look.mark) else look.mark, look.change)
    if name := fit_complete(frame, room - _beside(figures, times)):
        return _spaced(figures, name, times)
    if name := fit(frame, room - _beside(marks, times)):
        return _spaced(marks, name, times)
    alone = _spaced(marks, times)
    return alone if cells(alone) <= room else ""


def _beside(*parts: str) -> int:
    """Columns that they and the blanks between them and a name take."""
    return sum(cells(part) + 1 for part in parts if part)


def _spaced(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _outline(box: Box, y: float, row: int, palette: Palette) -> str:
    """Around a culprit; one too narrow for its mark also gets a pointer."""
    x, width = _extent(box, culprit=True)
    height = row - 1 if row > 4 else row
    outline = f'<rect x="{px(x)}" y="{y}" width="{px(width)}" height="{height}"/>'
    if width >= COLUMN + 2 * PADDING and row >= _TEXT_ROW:
        return outline
    middle = x + width / 2
    points = f"{px(middle - 6)},{y - 11} {px(middle + 6)},{y - 11} {px(middle)},{y - 1}"
    return f'{outline}<polygon points="{points}" fill="{palette.ink}" stroke="{palette.paper}" stroke-width="1"/>'


def _ruler(metric: Metric, layout: Layout, bottom: int, palette: Palette) -> list[str]:
    """Round costs below the root, as far as they do not overlap."""
    marks = units.ticks(metric, layout.total)
    if not marks:
        return []
    texts, lines, free = [], [], 0.0
    for mark, text in marks:
        x, half = mark / layout.total * INNER, cells(text) * COLUMN * 0.75 / 2
        lines.append(f"M{px(x)} 0v4")
        left = min(max(x - half, 0), INNER - 2 * half)
        if left >= free:
            texts.append(f'<text class="ink" x="{px(left)}" y="14">{content(text)}</text>')
            free = left + 2 * half + 6
    return [
        f'<g transform="translate(0 {bottom})" font-size="9"><path d="M0 .5h{INNER}{"".join(lines)}" fill="none" '
        f'stroke="{palette.quiet}"/>{"".join(texts)}</g>'
    ]


def px(value: float) -> str:
    """Tenths of a pixel are precise enough for any screen."""
    return f"{value:.1f}".removesuffix(".0")


def content(text: str) -> str:
    """Text between tags, each line of it printable."""
    return "\n".join(escape(printable(line), quote=False) for line in text.split("\n"))


def xml_attribute(text: str) -> str:
    return escape(printable(text), quote=True)
