"""The same flame graph as an interactive SVG: zoom, search, tooltips, width before or after, in a single file.

Opened directly in a browser it draws itself from its embedded data and can show boxes that the static picture has no
room for. If scripts do not run (``<img>``, a viewer that strips them) it is the static picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pytest_flame.model import Frame, FrameKind
from pytest_flame.render import assets, colour, svg, units
from pytest_flame.render.colour import DARK, LIGHT, Palette
from pytest_flame.render.layout import Layout, Width, lay_out
from pytest_flame.render.legend import FONT as SMALL
from pytest_flame.render.legend import legend
from pytest_flame.render.picture import Known, Picture, facts
from pytest_flame.render.recursion import fold_recursion
from pytest_flame.render.text import frame_name, printable

MAX_BOXES: Final = 20_000
"""Boxes that can be zoomed to: a few megabytes at most."""

_THINNEST: Final = 1e-5
_TOOLBAR: Final = 34
_STYLES: Final = ("interactive_svg/style.css",)
SCRIPTS: Final = (
    *assets.CORE,
    "interactive_svg/ruler.js",
    "interactive_svg/model.js",
    "interactive_svg/draw.js",
    "interactive_svg/act.js",
)
_EXACT: Final = 2**53
"""Largest exact integer in a script."""


def interactive_svg(picture: Picture) -> str:
    """The picture with embedded script and data. It has document-wide ids, so it cannot be inlined into another
    document."""
    drawing = svg.draw(picture, LIGHT)
    top = drawing.header_height + _TOOLBAR
    below = top + drawing.graph_height
    data = _data(picture, top, drawing.footer_height)
    dark = legend(picture, DARK, "gone") if picture.differential else legend(picture, DARK, "")
    hint = "Open this picture directly in a browser to zoom and search."
    return svg.document(
        picture,
        LIGHT,
        below + drawing.footer_height,
        [
            f"<style>{assets.bundle(_STYLES)}</style>",
            drawing.definitions,
            drawing.header,
            f'<g id="toolbar" transform="translate({svg.MARGIN} {drawing.header_height})">'
            f'<text class="ink" y="14" font-size="{SMALL}">{hint}</text></g>',
            f'<g id="graph" transform="translate({svg.MARGIN} {top})">{drawing.graph}</g>',
            f'<g id="footer" transform="translate({svg.MARGIN} {below})" font-size="{SMALL}">'
            f'<g class="light">{drawing.legend}</g><g class="dark" display="none">{dark}</g>{drawing.captions}</g>',
            f'<script type="application/json" id="data">{_inert(data)}</script>',
            f"<script><![CDATA[\n{assets.scoped(SCRIPTS)}]]></script>",
        ],
    )


def _data(picture: Picture, top: int, footer_height: int) -> Mapping[str, Any]:
    """The script's data. Costs are whole numbers of ``step``, callers before callees."""
    folded = fold_recursion(
        lay_out(
            picture.tree,
            width=Width.MAX if picture.differential else picture.width,
            max_boxes=MAX_BOXES,
            min_width=_THINNEST,
            keep=picture.culprits,
        )
    )
    layout = folded.layout
    used = {box.frame: index for index, box in enumerate({box.frame: box for box in layout.boxes}.values())}
    frames = list(used)
    step = -(-max(layout.total, 1) // _EXACT)
    return {
        "differential": picture.differential,
        "tested": picture.tested,
        "view": picture.width.name.lower() if picture.differential else "max",
        "amount": units.plain(picture.metric),
        "step": step,
        "whole": picture.whole,
        "wholeName": picture.whole_name,
        "saturation": colour.SATURATION,
        "names": [frame_name(frame) for frame in frames],
        "tail": [_tail(frame) for frame in frames],
        **_known(picture, frames),
        **_columns(picture, layout, used, step),
        "calls": folded.repeats,
        "notes": svg.captions(picture, folded)[1:],
        "width": svg.WIDTH,
        "margin": svg.MARGIN,
        "padding": svg.PADDING,
        "column": svg.COLUMN,
        "top": top,
        "footerHeight": footer_height,
        "toolbarHeight": _TOOLBAR,
        "light": _colours(LIGHT),
        "dark": _colours(DARK),
    }


def _tail(frame: Frame) -> int:
    """Where the qualified name begins, in the 16-bit units scripts count in."""
    whole, own = frame_name(frame), printable(frame.qualname or frame.module)
    return len(whole[: len(whole) - len(own)].encode("utf-16-le")) // 2


def _known(picture: Picture, frames: Iterable[Frame]) -> dict[str, Any]:
    if not picture.differential:
        kinds = {FrameKind.NATIVE: len(LIGHT.modules), FrameKind.KERNEL: len(LIGHT.modules) + 1}
        return {"known": {}, "tone": [kinds.get(frame.kind, colour.tone(frame)) for frame in frames]}
    known = {}
    for index, frame in enumerate(frames):
        if (of := picture.known.get(frame)) is not None:
            known[str(index)] = _told(of, facts(picture, frame))
    return {"known": known}


def _told(known: Known, facts: list[str]) -> dict[str, Any]:
    flags = {"real": known.real, "moved": known.moved, "culprit": known.culprit}
    return {"facts": [printable(fact) for fact in facts], **{name: 1 for name, flag in flags.items() if flag}}


def _columns(picture: Picture, layout: Layout, used: Mapping[Frame, int], step: int) -> dict[str, list[int]]:
    boxes = layout.boxes
    columns = {
        "frame": [used[box.frame] for box in boxes],
        "depth": [box.depth for box in boxes],
        "head": [_steps(box.head, step) for box in boxes],
        "headSelf": [_steps(box.head_self, step) for box in boxes],
    }
    if picture.differential:
        columns["base"] = [_steps(box.base, step) for box in boxes]
        columns["baseSelf"] = [_steps(box.base_self, step) for box in boxes]
        columns["widest"] = [_steps(round(box.width * layout.total), step) for box in boxes]
    return columns


def _steps(cost: int, step: int) -> int:
    """Rounds, but never to zero what costs anything."""
    return -(-cost // step)


def _colours(palette: Palette) -> dict[str, Any]:
    colours = assets.palette(palette)
    return {**colours, "tones": [*colours["modules"], colours["native"], colours["kernel"]]}


def _inert(data: Mapping[str, Any]) -> str:
    """JSON without markup, whatever its (printable) strings contain."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
