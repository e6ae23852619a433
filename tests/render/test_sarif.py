"""The official schema may not be copied here; the models of ``sarif-pydantic`` were made from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_flame.model import Judgement, RunResult
from pytest_flame.render.sarif import MOST_RESULTS, RULE, sarif_text
from pytest_flame.render.text import printable

sarif = pytest.importorskip("sarif_pydantic", reason="pydantic may not exist for this Python yet")
Golden = Callable[[str, str], None]


def run_of(text: str) -> Any:
    """The only run, after the library's models have accepted the document."""
    (run,) = sarif.Sarif.model_validate_json(text).runs
    return run


def test_regressions_as_sarif(golden: Golden, result: RunResult) -> None:
    document = json.loads(sarif_text(result, ""))
    document["runs"][0]["tool"]["driver"]["version"] = "0"
    golden("result.sarif", json.dumps(document, indent=1) + "\n")


def test_each_regression_is_a_result_at_its_culprit(result: RunResult) -> None:
    run = run_of(sarif_text(result, "services/"))
    assert [one.properties["test"] for one in run.results] == [
        printable(j.test_id) for j in reversed(result.judgements) if j.verdict.value == "REGRESSED"
    ]
    physical = run.results[1].locations[0].physical_location
    assert (physical.artifact_location.uri, physical.region.start_line) == ("services/orders/parse.py", 28)
    assert {one.rule_id for one in run.results} == {rule.id for rule in run.tool.driver.rules} == {RULE}
    assert len({one.partial_fingerprints["testAndFunction/v1"] for one in run.results}) == 2


def test_a_run_without_regressions_is_an_empty_list_and_not_missing(result: RunResult) -> None:
    assert run_of(sarif_text(replace(result, judgements=()), "")).results == []


def test_paths_are_uris(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    (culprit,) = regressed.comparison.culprits
    assert culprit.line is not None
    odd = replace(culprit, line=replace(culprit.line, path="orders/50%/ä b#1.py"))
    judgement = replace(regressed, comparison=replace(regressed.comparison, culprits=(odd,)))
    run = run_of(sarif_text(replace(result, judgements=(judgement,)), ""))
    assert run.results[0].locations[0].physical_location.artifact_location.uri == "orders/50%25/%C3%A4%20b%231.py"


def test_no_more_results_than_are_shown(regressed: Judgement, result: RunResult) -> None:
    many = (regressed,) * (MOST_RESULTS + 1)
    assert len(json.loads(sarif_text(replace(result, judgements=many), ""))["runs"][0]["results"]) == MOST_RESULTS
