from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Frame, Verdict
from pytest_flame.render import colour
from pytest_flame.render.colour import Colour


def test_contrast_matches_the_published_extremes() -> None:
    black, white = Colour(0, 0, 0), Colour(255, 255, 255)
    assert colour.contrast(black, white) == pytest.approx(21.0)
    assert colour.contrast(Colour(0, 0, 255), black) == pytest.approx(2.44, abs=0.01)


@given(st.floats(-5, 5))
def test_text_is_readable_on_every_change(share: float) -> None:
    assert colour.contrast(colour.of_change(share), colour.INK) >= colour.MIN_CONTRAST


@given(st.text(max_size=20))
def test_text_is_readable_on_every_module(module: str) -> None:
    assert colour.contrast(colour.of_frame(Frame(module, "f")), colour.INK) >= colour.MIN_CONTRAST


@pytest.mark.parametrize("verdict", Verdict)
def test_badges_are_readable(verdict: Verdict) -> None:
    assert colour.contrast(colour.VERDICTS[verdict], colour.PAPER) >= colour.MIN_CONTRAST


def test_colour_saturates_at_a_fixed_share_of_the_test() -> None:
    assert colour.of_change(0.3) == colour.of_change(3.0) == colour.RED
    assert colour.of_change(-0.3) == colour.of_change(-3.0) == colour.BLUE


def test_a_tiny_change_is_pale_but_not_grey() -> None:
    for share in (0.001, -0.001):
        assert colour.of_change(share) != colour.GREY
        assert colour.contrast(colour.of_change(share), colour.PAPER) < 1.4


def test_more_change_is_never_less_colour() -> None:
    steps = [colour.of_change(share / 100) for share in range(1, 31)]
    assert all(one.green >= two.green for one, two in pairwise(steps))
