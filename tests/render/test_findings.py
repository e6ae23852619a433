from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_flame.model import Frame, Judgement, RunResult, SourceLine, Verdict
from pytest_flame.render.findings import Finding, findings, place_of_test

LIBRARY = SourceLine("/usr/lib/python3/dist-packages/json/decoder.py", 7)
CALLER = Frame("orders.api", "handle_batch")


def only(result: RunResult, judgement: Judgement, prefix: str = "") -> Finding:
    (found,) = findings(replace(result, judgements=(judgement,)), prefix)
    return found


def with_culprit(judgement: Judgement, **fields: object) -> Judgement:
    assert judgement.comparison is not None
    (culprit,) = judgement.comparison.culprits
    changed = replace(culprit, **fields)  # type: ignore[arg-type]
    return replace(judgement, comparison=replace(judgement.comparison, culprits=(changed,)))


def test_a_regression_is_at_its_culprits_line(regressed: Judgement, result: RunResult) -> None:
    found = only(result, regressed, "services/")
    assert (found.path, found.line) == ("services/orders/parse.py", 28)
    assert found.title == "tests/test_orders.py::test_parse regressed, +14.6 % [12.5, 16.7]"
    assert found.message.startswith("orders.parse:tokenize (changed in this diff): +1.62 ms")


@pytest.mark.parametrize("field", ["called_from", "changed_caller", "caller"])
def test_a_librarys_function_is_shown_where_the_project_calls_it(
    field: str, regressed: Judgement, result: RunResult
) -> None:
    assert regressed.head is not None
    head = replace(regressed.head, lines={CALLER: SourceLine("orders/api.py", 40)})
    judgement = with_culprit(replace(regressed, head=head), line=LIBRARY, **{field: CALLER})
    found = only(result, judgement)
    assert (found.path, found.line) == ("orders/api.py", 40)


def test_without_a_place_in_the_project_it_is_at_the_test(regressed: Judgement, result: RunResult) -> None:
    assert regressed.head is not None
    judgement = with_culprit(regressed, line=LIBRARY)
    assert (only(result, judgement).path, only(result, judgement).line) == ("tests/test_orders.py", 1)
    own = Frame("tests.test_orders", "test_parse")
    head = replace(regressed.head, lines={own: SourceLine("tests/test_orders.py", 12)})
    assert only(result, replace(judgement, head=head)).line == 12


@pytest.mark.parametrize(
    ("test_id", "qualname"),
    [("t/test_a.py::test_b[x::y]", "test_b"), ("t/test_a.py::TestA::test_b", "TestA.test_b")],
)
def test_the_place_of_a_test_is_that_of_its_function(test_id: str, qualname: str, regressed: Judgement) -> None:
    assert regressed.head is not None
    head = replace(regressed.head, lines={Frame("t.test_a", qualname): SourceLine("t/test_a.py", 5)})
    assert place_of_test(replace(regressed, test_id=test_id, head=head)).line == 5


def test_what_was_accepted_or_did_not_regress_is_not_found(regressed: Judgement, result: RunResult) -> None:
    accepted = replace(regressed, baseline_written="flame-baselines/a.json")
    improved = replace(regressed, verdict=Verdict.IMPROVED)
    assert not list(findings(replace(result, judgements=(accepted, improved)), ""))


def test_the_fingerprint_stays_when_the_line_moves(regressed: Judgement, result: RunResult) -> None:
    moved = with_culprit(regressed, line=SourceLine("orders/parse.py", 400))
    other = with_culprit(regressed, frame=Frame("orders.parse", "other"))
    prints = [only(result, judgement).fingerprint for judgement in (regressed, moved, other)]
    assert prints[0] == prints[1] != prints[2]
