from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from pytest_flame.model import Judgement, Limits, RunResult, Verdict
from pytest_flame.render.json import SCHEMA_ID, result_json, schema

Golden = Callable[[str, str], None]


def validate(data: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema()).validate(data)


def test_result(golden: Golden, result: RunResult) -> None:
    golden("result.json", json.dumps(result_json(result), indent=1, allow_nan=False) + "\n")


def test_the_schema_is_a_schema_and_names_its_version() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema"]["const"] == SCHEMA_ID
    assert schema()["$id"] == f"urn:{SCHEMA_ID.replace('/', ':')}"


def test_results_follow_the_schema(result: RunResult) -> None:
    validate(result_json(result))
    validate(result_json(RunResult((), "stored", 0, Limits())))


@pytest.mark.parametrize("missing", ["schema", "mode", "base", "seed", "sampler", "tests"])
def test_the_schema_refuses_a_result_without(missing: str, result: RunResult) -> None:
    data = result_json(result)
    del data[missing]
    with pytest.raises(jsonschema.ValidationError, match=missing):
        validate(data)


def test_the_schema_allows_fields_to_be_added(result: RunResult) -> None:
    data = result_json(result)
    data["tests"][0]["later"] = data["later"] = 1
    validate(data)


def test_unknown_is_null_and_never_zero() -> None:
    data = result_json(RunResult((Judgement("t", Verdict.NEW, "no baseline"),), "stored", 0, Limits()))
    assert data["overhead"] is None
    assert data["sampler"] is None
    assert data["base"] == {"commit": None, "source": None}
    test = data["tests"][0]
    figures = ("base_ns", "head_ns", "ratio", "low", "high", "level", "mde", "processes", "details")
    assert all(test[name] is None for name in figures)


def test_figures_that_are_not_finite_are_null(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    endless = replace(regressed, comparison=replace(regressed.comparison, high=math.inf, mde=math.inf))
    data = result_json(replace(result, judgements=(endless,)))
    assert data["tests"][0]["high"] is None
    assert data["tests"][0]["mde"] is None
    json.dumps(data, allow_nan=False)
    validate(data)


def test_each_test_says_how_it_was_measured(regressed: Judgement, result: RunResult) -> None:
    again = replace(regressed, interleaved=True, base_commit="1a2b3c4")
    stored = replace(regressed, test_id="other", interleaved=False, base_commit=None)
    tests = result_json(replace(result, mode="stored", judgements=(again, stored)))["tests"]
    assert [(test["mode"], test["base_commit"]) for test in tests] == [("interleaved", "1a2b3c4"), ("stored", None)]


def test_where_nothing_would_have_been_named_blindness_is_null(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    (culprit,) = regressed.comparison.culprits
    for blind, shown in ((None, None), (1_500, 1.5)):
        comparison = replace(regressed.comparison, culprits=(replace(culprit, blind=blind),))
        data = result_json(replace(result, judgements=(replace(regressed, comparison=comparison),)))
        assert data["tests"][0]["culprits"][0]["blind_ns"] == shown
        validate(data)


def test_times_are_nanoseconds_and_keep_fractions(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    odd = replace(regressed, comparison=replace(regressed.comparison, base=1_500, head=2_000))
    test = result_json(replace(result, judgements=(odd,)))["tests"][0]
    assert (test["base_ns"], test["head_ns"]) == (1.5, 2)


def test_a_culprit_is_complete(regressed: Judgement, result: RunResult) -> None:
    culprit = result_json(replace(result, judgements=(regressed,)))["tests"][0]["culprits"][0]
    assert culprit["frame"] == "orders.parse:tokenize"
    assert culprit["kind"] == "python"
    assert culprit["change"] == "slower"
    assert (culprit["path"], culprit["line"]) == ("orders/parse.py", 28)
    assert culprit["self_delta_ns"] == 1_620_000
    assert culprit["calls_base"] is None and culprit["calls_head"] is None
