from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flame.model import CALLS, Judgement, Limits, RunResult, Verdict
from pytest_flame.render.openmetrics import openmetrics_text

Golden = Callable[[str, str], None]
Samples = dict[tuple[str, ...], float]


def parsed(result: RunResult) -> dict[str, Samples]:
    """Family → labels' values → value, as Prometheus reads them."""
    text = openmetrics_text(result).encode("utf-8").decode("utf-8")
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {f.name: {tuple(s.labels.values()): s.value for s in f.samples} for f in families}


def test_figures(golden: Golden, result: RunResult) -> None:
    golden("result.openmetrics", openmetrics_text(result))


def test_figures_of_each_test(result: RunResult) -> None:
    found = parsed(result)
    parse = "tests/test_orders.py::test_parse"
    assert found["flame_cpu_seconds"][(parse, "base")] == pytest.approx(0.010007)
    assert found["flame_ratio"][(parse,)] == pytest.approx(1.1461, abs=1e-4)
    assert found["flame_verdict"][(parse, "REGRESSED")] == 1
    assert found["flame_tests"][("REGRESSED",)] == 2
    assert found["flame_run_seconds"][()] == 252.4
    assert len(found["flame_ratio"]) == sum(j.comparison is not None for j in result.judgements)


def test_counts_are_counts_and_stand_beside_times(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    calls = replace(regressed.comparison, metric=CALLS, base=14_021_000, head=15_000_000)
    counted = replace(regressed, test_id="counted", comparison=calls)
    found = parsed(replace(result, judgements=(regressed, counted)))
    assert found["flame_calls"] == {("counted", "base"): 14_021, ("counted", "head"): 15_000}
    assert set(found["flame_cpu_seconds"]) == {(regressed.test_id, "base"), (regressed.test_id, "head")}


def test_what_is_not_known_has_no_sample(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    endless = replace(regressed, comparison=replace(regressed.comparison, high=math.inf, mde=math.inf))
    found = parsed(replace(result, judgements=(endless,)))
    assert "flame_ratio_high" not in found and "flame_ratio_detectable" not in found and found["flame_ratio"]


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=30), max_size=3, unique=True))
def test_any_name_is_read_back(names: list[str]) -> None:
    judgements = tuple(Judgement(name, Verdict.NEW, "no baseline") for name in names)
    found = parsed(RunResult(judgements, "stored", 0, Limits()))
    shown = {name.encode("utf-8", "replace").decode("utf-8") for name in names}
    assert {test for test, _ in found.get("flame_verdict", {})} == shown
