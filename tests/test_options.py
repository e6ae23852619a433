"""What is said about the options if nothing is measured."""

from __future__ import annotations

import pytest

from pytest_flame import options
from pytest_flame.sampling import ladder


def test_help_and_markers_tell_of_everything(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest("--help").stdout.str()
    assert all(option.flag in shown and option.ini in shown for option in options.OPTIONS)
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.flame(threshold='5%'*"])


def test_the_option_offers_exactly_the_rungs_of_the_ladder() -> None:
    """Two lists, because every pytest run imports the options and none should import the sampler for them."""
    assert options.SAMPLERS == ladder.CHOICES
