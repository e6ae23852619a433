"""Colours of the pictures: fills, the text on them, and the contrast between the two.

Red and blue can be distinguished with the common colour-vision deficiencies; every fill has a contrast of 4.5:1 or
better with its palette's ink (WCAG 2.2, success criterion 1.4.3).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from pytest_flame.model import Frame, FrameKind, Verdict

SATURATION: Final = 0.30
"""Change, as a share of the test's base cost, that gets the full colour. Fixed, so that noise never looks maximal."""

MIN_CONTRAST: Final = 4.5


@dataclass(frozen=True, slots=True)
class Colour:
    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        """``#rrggbb``, or the three digits that mean the same."""
        text = f"{self.red:02x}{self.green:02x}{self.blue:02x}"
        return f"#{text[::2] if text[::2] == text[1::2] else text}"

    def toward(self, other: Colour, share: float) -> Colour:
        """``share`` 0 is this colour, 1 the other."""
        return Colour(
            round(self.red + (other.red - self.red) * share),
            round(self.green + (other.green - self.green) * share),
            round(self.blue + (other.blue - self.blue) * share),
        )


@dataclass(frozen=True, slots=True)
class Palette:
    """One consistent set of colours; ``ink`` is legible on all but the ``own`` ones."""

    paper: Colour
    ink: Colour
    quiet: Colour
    """Less important text, on paper."""
    grey: Colour
    """A frame whose cost did not change significantly."""
    pale_red: Colour
    red: Colour
    own_red: Colour
    """Marks that a frame's own code grew, on top of its fill."""
    pale_blue: Colour
    blue: Colour
    own_blue: Colour
    modules: tuple[Colour, ...]
    native: Colour
    kernel: Colour
    match: Colour
    """Search matches."""


LIGHT: Final = Palette(
    paper=Colour(255, 255, 255),
    ink=Colour(17, 17, 17),
    quiet=Colour(85, 85, 85),
    grey=Colour(218, 219, 224),
    pale_red=Colour(255, 222, 216),
    red=Colour(231, 76, 60),
    own_red=Colour(139, 20, 14),
    pale_blue=Colour(214, 230, 255),
    blue=Colour(66, 133, 244),
    own_blue=Colour(16, 54, 128),
    modules=(
        Colour(250, 205, 120),
        Colour(246, 189, 132),
        Colour(240, 214, 140),
        Colour(250, 196, 160),
        Colour(236, 200, 110),
        Colour(252, 216, 170),
    ),
    native=Colour(196, 190, 235),
    kernel=Colour(160, 208, 200),
    match=Colour(214, 120, 232),
)
DARK: Final = Palette(
    paper=Colour(20, 22, 26),
    ink=Colour(236, 238, 241),
    quiet=Colour(163, 169, 180),
    grey=Colour(56, 60, 68),
    pale_red=Colour(92, 50, 48),
    red=Colour(178, 44, 34),
    own_red=Colour(255, 150, 138),
    pale_blue=Colour(42, 62, 104),
    blue=Colour(34, 92, 200),
    own_blue=Colour(150, 190, 255),
    modules=(
        Colour(134, 90, 10),
        Colour(142, 72, 20),
        Colour(100, 98, 24),
        Colour(142, 58, 44),
        Colour(112, 80, 8),
        Colour(122, 84, 60),
    ),
    native=Colour(78, 70, 130),
    kernel=Colour(30, 94, 86),
    match=Colour(134, 46, 156),
)

VERDICTS: Final = {
    Verdict.PASS: Colour(22, 110, 62),
    Verdict.IMPROVED: Colour(20, 84, 178),
    Verdict.REGRESSED: Colour(178, 30, 22),
    Verdict.ACCEPTED: Colour(128, 82, 0),
    Verdict.INCONCLUSIVE: Colour(128, 82, 0),
    Verdict.NEW: Colour(84, 84, 92),
    Verdict.INCOMPATIBLE: Colour(84, 84, 92),
    Verdict.ERROR: Colour(110, 20, 90),
}
"""Badges with white text on them."""
WHITE: Final = Colour(255, 255, 255)


def of_change(share: float, palette: Palette = LIGHT) -> Colour:
    """Fill for a significant change of ``share`` of the test's base cost: red grew, blue shrank, grey stayed."""
    if share == 0:
        return palette.grey
    pale, full = (palette.pale_red, palette.red) if share > 0 else (palette.pale_blue, palette.blue)
    return pale.toward(full, min(abs(share) / SATURATION, 1.0))


def of_frame(frame: Frame, palette: Palette = LIGHT) -> Colour:
    """Fill in the picture of one side: warm tones by Python module, others for native and kernel code."""
    if frame.kind is FrameKind.NATIVE:
        return palette.native
    if frame.kind is FrameKind.KERNEL:
        return palette.kernel
    return palette.modules[tone(frame)]


def tone(frame: Frame) -> int:
    """Which of a palette's module colours a Python frame has: always the same one for a module."""
    return zlib.crc32((frame.module or frame.qualname).encode("utf-8", "surrogatepass")) % len(LIGHT.modules)


def contrast(one: Colour, other: Colour) -> float:
    """WCAG contrast ratio, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """Relative luminance as WCAG defines it, 0 to 1."""
    red, green, blue = (linear(channel / 255) for channel in (colour.red, colour.green, colour.blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(channel: float) -> float:
    """An sRGB channel, 0 to 1, as light."""
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


PAPER, INK, QUIET_INK, GREY = LIGHT.paper, LIGHT.ink, LIGHT.quiet, LIGHT.grey
DARK_RED, DARK_BLUE = LIGHT.own_red, LIGHT.own_blue
