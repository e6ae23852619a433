"""Percentages and durations: what is written is read back, everything else is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.quantities import parse_duration, parse_percent, shown_seconds

UNITS: dict[str, int | Fraction] = {"": 1, "s": 1, "ms": Fraction(1, 1000), "min": 60, "m": 60, "h": 3600}

decimals = st.tuples(st.integers(0, 10**9), st.integers(0, 999)).filter(any)
spaces = st.sampled_from(["", " ", "\t", "  "])


@given(decimals, spaces, spaces)
def test_every_written_percentage_is_read(number: tuple[int, int], before: str, between: str) -> None:
    text = f"{number[0]}.{number[1]:03d}"
    assert parse_percent(f"{before}{text}{between}%{before}") == pytest.approx(float(Fraction(text) / 100), rel=1e-15)


@given(decimals, spaces, st.sampled_from(sorted(UNITS)))
def test_every_written_duration_is_read(number: tuple[int, int], between: str, unit: str) -> None:
    text = f"{number[0]}.{number[1]:03d}"
    assert parse_duration(f"{text}{between}{unit}") == pytest.approx(float(Fraction(text) * UNITS[unit]), rel=1e-15)


@given(st.text())
def test_any_text_is_a_usable_number_or_a_value_error(text: str) -> None:
    for parse in (parse_percent, parse_duration):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert 0 < value < math.inf


@pytest.mark.parametrize("text", ["", "5", "%", "0%", "-1%", "+1%", "1e1%", "inf%", "nan%", "5%%", "5 percent", "5,5%"])
def test_no_percentage(text: str) -> None:
    with pytest.raises(ValueError, match="is not a percentage"):
        parse_percent(text)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "1e3", "inf", "nan", "5 days", "5S", "1:30", "5 5", "5s5"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_numbers_beyond_what_a_float_holds_are_refused() -> None:
    for digits in ("9" * 400, f"0.{'0' * 400}1"):
        with pytest.raises(ValueError):
            parse_percent(f"{digits}%")
        with pytest.raises(ValueError):
            parse_duration(digits)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 ns"),
        (4e-8, "40 ns"),
        (2.5e-6, "2.5 µs"),
        (0.0005, "500 µs"),
        (0.12, "120 ms"),
        (0.9996, "1 s"),
        (4.24, "4.2 s"),
        (30.4, "30 s"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
    ],
)
def test_seconds_are_shown_in_their_unit(seconds: float, shown: str) -> None:
    assert shown_seconds(seconds) == shown
