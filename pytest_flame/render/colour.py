"""Colours of the pictures: fills, the text on them, and the contrast between the two.

Red and blue stay apart under the common colour-vision deficiencies; every fill carries the same dark ink at
4.5:1 or better (WCAG 2.2, success criterion 1.4.3).
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
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    def toward(self, other: Colour, share: float) -> Colour:
        """``share`` 0 is this colour, 1 the other."""
        return Colour(
            round(self.red + (other.red - self.red) * share),
            round(self.green + (other.green - self.green) * share),
            round(self.blue + (other.blue - self.blue) * share),
        )


INK: Final = Colour(17, 17, 17)
QUIET_INK: Final = Colour(85, 85, 85)
PAPER: Final = Colour(255, 255, 255)
GREY: Final = Colour(224, 224, 226)
PALE_RED: Final = Colour(255, 220, 214)
RED: Final = Colour(231, 76, 60)
DARK_RED: Final = Colour(139, 20, 14)
PALE_BLUE: Final = Colour(214, 230, 255)
BLUE: Final = Colour(66, 133, 244)
DARK_BLUE: Final = Colour(16, 54, 128)

_MODULES: Final = (Colour(250, 205, 120), Colour(246, 189, 132), Colour(240, 214, 140), Colour(250, 196, 160))
_NATIVE: Final = Colour(196, 190, 235)
_KERNEL: Final = Colour(160, 208, 200)

VERDICTS: Final = {
    Verdict.PASS: Colour(22, 110, 62),
    Verdict.IMPROVED: Colour(20, 84, 178),
    Verdict.REGRESSED: Colour(178, 30, 22),
    Verdict.INCONCLUSIVE: Colour(128, 82, 0),
    Verdict.NEW: Colour(84, 84, 92),
    Verdict.INCOMPATIBLE: Colour(84, 84, 92),
    Verdict.ERROR: Colour(110, 20, 90),
}
"""Badges with white text on them."""


def of_change(share: float) -> Colour:
    """Fill for a significant change of ``share`` of the test's base cost: red grew, blue shrank, grey stayed."""
    if share == 0:
        return GREY
    pale, full = (PALE_RED, RED) if share > 0 else (PALE_BLUE, BLUE)
    return pale.toward(full, min(abs(share) / SATURATION, 1.0))


def of_frame(frame: Frame) -> Colour:
    """Fill in the picture of one side: warm tones by Python module, others for native and kernel code."""
    if frame.kind is FrameKind.NATIVE:
        return _NATIVE
    if frame.kind is FrameKind.KERNEL:
        return _KERNEL
    return _MODULES[zlib.crc32(frame.module.encode("utf-8", "surrogatepass")) % len(_MODULES)]


def contrast(one: Colour, other: Colour) -> float:
    """WCAG contrast ratio, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in (colour.red, colour.green, colour.blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
