"""What the colours and marks of a flame graph mean, in one row of samples."""

from __future__ import annotations

from html import escape
from typing import Final

from pytest_flame.model import FrameKind
from pytest_flame.render import colour, units
from pytest_flame.render.colour import Palette
from pytest_flame.render.picture import CULPRIT, Picture
from pytest_flame.render.text import cells

FONT: Final = 11
_COLUMN: Final = 7.3 * FONT / 12
_STEPS: Final = 5


def legend(picture: Picture, palette: Palette, hatch: str) -> str:
    """SVG, its top left corner at the origin. ``hatch`` is the id of the pattern for what is gone."""
    return _differential(picture, palette, hatch) if picture.differential else _profile(picture, palette)


def _differential(picture: Picture, palette: Palette, hatch: str) -> str:
    steps = [colour.of_change(colour.SATURATION * step / _STEPS, palette) for step in range(-_STEPS, _STEPS + 1)]
    ramp = "".join(f'<rect x="{i * 12}" width="12" height="12" fill="{step}"/>' for i, step in enumerate(steps))
    saturation = f"{colour.SATURATION:.0%}".replace("%", " %")
    flow = _Flow()
    flow.words(f"{units.MINUS}{saturation}")
    flow.sample(ramp, 12 * len(steps))
    flow.words(f"+{saturation} of {picture.whole_name}'s base cost", gap=16)
    flow.sample(_box(palette.grey))
    flow.words("no significant change" if picture.tested else "no difference", gap=16)
    gone = colour.of_change(-colour.SATURATION / 2, palette)
    flow.sample(_box(gone) + f'<rect width="18" height="12" fill="url(#{hatch})"/>')
    flow.words("GONE", gap=16)
    grown = colour.of_change(colour.SATURATION / 2, palette)
    flow.sample(_box(grown) + f'<rect y="9" width="18" height="3" fill="{palette.own_red}"/>')
    flow.words("own change", gap=16)
    if picture.culprits:
        outline = f'fill="{grown}" stroke="{palette.ink}" stroke-width="2" class="outline"'
        flow.sample(f'<rect x="1" width="16" height="12" {outline}/>')
        flow.words(f"{CULPRIT} culprit")
    return flow.svg()


def _profile(picture: Picture, palette: Palette) -> str:
    frames = picture.tree.frames
    kinds = {frame.kind for frame in frames}
    by = "module" if any(frame.module for frame in frames) else "name"
    flow = _Flow()
    for kind, fill, meaning in (
        (FrameKind.PYTHON, palette.modules[0], f"functions, toned by {by}"),
        (FrameKind.NATIVE, palette.native, "native"),
        (FrameKind.KERNEL, palette.kernel, "kernel"),
    ):
        if kind in kinds:
            flow.sample(_box(fill))
            flow.words(meaning, gap=16)
    return flow.svg()


def _box(fill: colour.Colour) -> str:
    return f'<rect width="18" height="12" fill="{fill}"/>'


class _Flow:
    """Samples and words set one after the other on one line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._x = 0.0

    def sample(self, shapes: str, width: float = 18) -> None:
        self._parts.append(f'<g transform="translate({self._x:.0f} 0)">{shapes}</g>')
        self._x += width + 5

    def words(self, text: str, gap: float = 6) -> None:
        self._parts.append(f'<text class="ink" x="{self._x:.0f}" y="10">{escape(text, quote=False)}</text>')
        self._x += cells(text) * _COLUMN + gap

    def svg(self) -> str:
        return "".join(self._parts)
