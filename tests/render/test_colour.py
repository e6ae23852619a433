from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Frame, Verdict
from pytest_flame.render import colour
from pytest_flame.render.colour import Colour, Palette


def test_contrast_matches_the_published_extremes() -> None:
    black, white = Colour(0, 0, 0), Colour(255, 255, 255)
    assert colour.contrast(black, white) == pytest.approx(21.0)
    assert colour.contrast(Colour(0, 0, 255), black) == pytest.approx(2.44, abs=0.01)


PALETTES = pytest.mark.parametrize("palette", [colour.LIGHT, colour.DARK], ids=["light", "dark"])


@PALETTES
@given(share=st.floats(-5, 5))
def test_text_is_readable_on_every_change(palette: Palette, share: float) -> None:
    assert colour.contrast(colour.of_change(share, palette), palette.ink) >= colour.MIN_CONTRAST


@PALETTES
@given(module=st.text(max_size=20))
def test_text_is_readable_on_every_module(palette: Palette, module: str) -> None:
    assert colour.contrast(colour.of_frame(Frame(module, "f"), palette), palette.ink) >= colour.MIN_CONTRAST


@PALETTES
def test_text_is_readable_on_paper_and_on_matches(palette: Palette) -> None:
    for ink, ground in (
        (palette.ink, palette.paper),
        (palette.quiet, palette.paper),
        (palette.ink, palette.match),
        (palette.ink, palette.native),
        (palette.ink, palette.kernel),
    ):
        assert colour.contrast(ink, ground) >= colour.MIN_CONTRAST


@pytest.mark.parametrize("verdict", Verdict)
def test_badges_are_readable(verdict: Verdict) -> None:
    assert colour.contrast(colour.VERDICTS[verdict], colour.WHITE) >= colour.MIN_CONTRAST


def test_colour_saturates_at_a_fixed_share_of_the_test() -> None:
    assert colour.of_change(0.3) == colour.of_change(3.0) == colour.LIGHT.red
    assert colour.of_change(-0.3) == colour.of_change(-3.0) == colour.LIGHT.blue


@PALETTES
def test_a_tiny_change_is_pale_but_not_grey(palette: Palette) -> None:
    for share in (0.001, -0.001):
        assert colour.of_change(share, palette) != palette.grey
        assert colour.contrast(colour.of_change(share, palette), palette.grey) < 1.4


@PALETTES
def test_more_change_is_never_less_colour(palette: Palette) -> None:
    steps = [colour.of_change(share / 100, palette) for share in range(1, 31)]
    ranges = [step.red - step.green for step in steps]
    assert all(one <= two for one, two in pairwise(ranges))


# Colours as seen without one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency" (2009), severity 1; on linear light.
DEFICIENCIES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}


@PALETTES
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2, 0.3])
def test_growth_and_shrinking_look_different_to_everyone(palette: Palette, deficiency: str, share: float) -> None:
    grew, shrank = (seen(colour.of_change(side * share, palette), DEFICIENCIES[deficiency]) for side in (1, -1))
    assert math.dist(grew, shrank) > 20  # a difference of 2 is just noticeable


def seen(shade: Colour, matrix: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of a colour as someone with that deficiency sees it."""
    light = [colour.linear(channel / 255) for channel in (shade.red, shade.green, shade.blue)]
    red, green, blue = (min(max(sum(m * c for m, c in zip(row, light, strict=True)), 0.0), 1.0) for row in matrix)
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
