from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_cases import CASES
from shared_cases import metric_of as metric_of_case

from pytest_flame.model import CPU, SAMPLES, TIMES, metric_of
from pytest_flame.render import units


@pytest.mark.parametrize(
    ("ps", "text"),
    [
        (0, "0 ns"),
        (3, "3 ps"),
        (999, "999 ps"),
        (420_000, "420.0 ns"),
        (12_345, "12.35 ns"),
        (12_310_000_000, "12.31 ms"),
        (123_400_000_000, "123.4 ms"),
        (999_960_000, "1.00 ms"),
        (99_996_000_000, "100.0 ms"),
        (4_200_000_000_000, "4.20 s"),
        (-1_620_000_000, "−1.62 ms"),
        (math.inf, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_duration(ps: float, text: str) -> None:
    assert units.duration(ps) == text


@pytest.mark.parametrize("say", ["cost", "signed_cost", "change", "cost_interval"])
@pytest.mark.parametrize("case", CASES["amounts"], ids=lambda case: case["noun"] or "time")
def test_amounts_read_as_the_scripts_say_them(case: Mapping[str, Any], say: str) -> None:
    metric = metric_of_case(case)
    assert [[*costs, getattr(units, say)(metric, *costs)] for *costs, _ in case[say]] == case[say]


@pytest.mark.parametrize("case", CASES["amounts"], ids=lambda case: case["noun"] or "time")
def test_rulers_read_as_the_scripts_say_them(case: Mapping[str, Any]) -> None:
    for total, marks in case["ticks"]:
        found = units.ticks(metric_of_case(case), total)
        assert [text for _, text in found] == [text for _, text in marks]
        assert [cost for cost, _ in found] == pytest.approx([cost for cost, _ in marks])


@pytest.mark.parametrize("say", ["percent", "signed_percent", "p_value", "count"])
def test_numbers_read_as_the_scripts_say_them(say: str) -> None:
    assert [[number, getattr(units, say)(number)] for number, _ in CASES[say]] == CASES[say]


def test_both_sides_share_unit_and_digits() -> None:
    assert units.before_after(CPU, 980_000_000, 1_020_000_000) == ("0.98 ms", "1.02 ms")
    assert units.before_after(CPU, 98_120_000_000, 102_300_000_000) == ("98.1 ms", "102.3 ms")


def test_a_side_much_smaller_keeps_its_own_unit() -> None:
    assert units.before_after(CPU, 5_000, 12_000_000_000) == ("5.00 ns", "12.00 ms")


def test_zero_has_the_other_sides_unit() -> None:
    assert units.before_after(CPU, 0, 12_000_000_000) == ("0.00 ms", "12.00 ms")


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.139, "+13.9 %"),
        (-0.0112, "−1.1 %"),
        (0.0, "0.0 %"),
        (0.0001, "0.0 %"),
        (-0.0001, "0.0 %"),
        (1.42, "+142 %"),
        (0.9999, "+100 %"),
        (math.inf, "unknown"),
    ],
)
def test_signed_percent(fraction: float, text: str) -> None:
    assert units.signed_percent(fraction) == text


def test_intervals() -> None:
    assert units.percent_interval(-0.011, 0.016) == "[−1.1, 1.6]"
    assert units.cost_interval(CPU, 1_500_000_000, 1_740_000_000) == "[+1.50, +1.74] ms"
    assert units.cost_interval(CPU, -math.inf, 1_740_000_000) == "interval unknown"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.6, "1 min"), (252.4, "4 min 12 s"), (3600, "1 h"), (3661, "1 h 1 min 1 s")],
)
def test_elapsed(seconds: float, text: str) -> None:
    assert units.elapsed(seconds) == text


def test_p_is_never_shown_as_zero() -> None:
    assert units.p_value(0.0) == "< 0.001"
    assert units.p_value(0.0234) == "0.023"


def test_settings_keep_the_digits_they_were_chosen_with() -> None:
    assert [units.setting(x) for x in (0.05, 0.025, 0.98, 0.005)] == ["5 %", "2.5 %", "98 %", "0.5 %"]


def test_counts() -> None:
    assert units.count(1500) == "1,500"
    assert [units.count(n, "process", "processes") for n in (1, 2)] == ["1 process", "2 processes"]


@given(st.integers(1, 10**15))
def test_what_is_not_zero_is_not_shown_as_zero(ps: int) -> None:
    number, _ = units.duration(ps).split()
    assert float(number) > 0


@given(st.integers(1, 10**15))
def test_duration_is_right_to_one_percent(ps: int) -> None:
    number, unit = units.duration(ps).split()
    scale = {"ps": 1, "ns": 10**3, "µs": 10**6, "ms": 10**9, "s": 10**12}[unit]
    assert float(number) * scale == pytest.approx(ps, rel=0.01)


def test_ruler_marks_are_round_and_inside() -> None:
    assert units.ticks(CPU, 11_870_000_000) == [
        (0, "0"),
        (2e9, "2 ms"),
        (4e9, "4 ms"),
        (6e9, "6 ms"),
        (8e9, "8 ms"),
        (10e9, "10 ms"),
    ]
    assert units.ticks(CPU, 0) == []
    assert units.ticks(SAMPLES, 45_000)[-1] == (40_000, "40 samples")


@given(st.integers(1, 10**15))
def test_any_ruler_has_few_marks_in_order(total: int) -> None:
    marks = units.ticks(CPU, total)
    assert 1 <= len(marks) <= 10
    assert [mark for mark, _ in marks] == sorted({mark for mark, _ in marks})
    assert marks[0][0] >= 0 and marks[-1][0] <= total * (1 + 1e-6)
    assert len({text for _, text in marks}) == len(marks)


def test_samples_are_counted() -> None:
    assert units.cost(SAMPLES, 1_000) == "1 sample"
    assert units.cost(SAMPLES, 1_234_567_000) == "1,234,567 samples"
    assert units.signed_cost(SAMPLES, -74_028_629_000) == "−74,028,629 samples"
    assert units.before_after(SAMPLES, 1_200_000, 34_000) == ("1,200 samples", "34 samples")
    assert units.change(SAMPLES, 1_200_000, 34_000) == "1,200 → 34 samples"
    assert units.cost(SAMPLES.at_scale(1), 1_000) == "1,000 samples"


@pytest.mark.parametrize("unit", TIMES)
def test_times_are_times_whatever_their_unit_and_scale(unit: str) -> None:
    fine, coarse = metric_of(unit, TIMES[unit]), metric_of(unit, 1)
    assert units.cost(fine, 2_615_000_000) == "2.62 ms"
    assert units.cost(coarse, 3) == units.duration(3 * TIMES[unit])


def test_a_change_names_a_shared_unit_once() -> None:
    assert units.change(CPU, 2_615_000_000, 4_230_000_000) == "2.62 → 4.23 ms"
    assert units.change(CPU, 26_000_000, 4_230_000_000) == "26.00 µs → 4.23 ms"
