from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_flame.model import (
    Change,
    ChangedFunction,
    CodeChange,
    DiffCoverage,
    Frame,
    FrameDelta,
    Judgement,
    Limits,
    RunResult,
    SourceLine,
    Under,
    Verdict,
)
from pytest_flame.render import words

DELTA = FrameDelta(Frame("m", "f"), 10, 30, 10, 30, 5, 35, 0.001, significant=True, over_threshold=True)


@pytest.mark.parametrize(
    ("change", "caller", "said"),
    [
        (Change.SLOWER, None, "slower"),
        (Change.SLOWER, "m:g", "slower, or called more often, by m:g"),
        (Change.MORE_CALLS, "m:g", "called more often by m:g"),
        (Change.MORE_CALLS, None, "called more often"),
        (Change.NEW, "m:g", "new, called by m:g"),
        (Change.NEW, None, "new"),
        (Change.GONE, None, "gone"),
    ],
)
def test_what_happened(change: Change, caller: str | None, said: str) -> None:
    delta = replace(DELTA, change=change, caller=Frame.parse(caller) if caller else None)
    assert words.what_happened(delta) == said


CALLER, OLD = Frame("m", "g"), Frame("m", "old")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"change": Change.SLOWER, "under": Under.EVERY}, "38 % slower under every caller"),
        ({"change": Change.SLOWER}, "38 % slower"),
        ({"change": Change.SLOWER, "caller": CALLER}, "38 % slower, or called more often, by m:g"),
        (
            {"change": Change.MORE_CALLS, "caller": CALLER, "under": Under.ONE},
            "38 % slower under m:g only: called more often there, or with more work",
        ),
        (
            {"change": Change.MORE_CALLS, "caller": CALLER},
            "called more often by m:g, which makes it cost 38 % more",
        ),
        ({"change": Change.SLOWER, "renamed_from": OLD}, "renamed from m:old and 38 % slower"),
        ({"change": Change.MOVED, "renamed_from": OLD}, "renamed from m:old"),
        ({"change": Change.MOVED}, "moved"),
        ({"change": Change.SLOWER, "called_from": CALLER}, "38 % slower, called by m:g"),
        (
            {"change": Change.SLOWER, "caller": CALLER, "called_from": CALLER},
            "38 % slower, or called more often, by m:g",
        ),
        (
            {"change": Change.SLOWER, "under": Under.EVERY, "changed_caller": CALLER},
            "38 % slower under every caller, called by m:g, which changed in this diff",
        ),
        (
            {"change": Change.SLOWER, "called_from": CALLER, "changed_caller": CALLER},
            "38 % slower, called by m:g, which changed in this diff",
        ),
        (
            {"change": Change.SLOWER, "called_from": CALLER, "changed_caller": OLD},
            "38 % slower, called by m:g, called by m:old, which changed in this diff",
        ),
        (
            {"change": Change.SLOWER, "caller": CALLER, "changed_caller": CALLER},
            "38 % slower, or called more often, by m:g, which changed in this diff",
        ),
        (
            {"change": Change.MORE_CALLS, "caller": CALLER, "changed_caller": CALLER},
            "called more often by m:g, which makes it cost 38 % more; m:g changed in this diff",
        ),
    ],
)
def test_what_happened_by_how_much(facts: dict[str, Any], said: str) -> None:
    assert words.what_happened(replace(DELTA, relative=0.38, **facts)) == said


def test_growth_is_a_share_of_the_change_only_where_the_test_grew(regressed: Judgement) -> None:
    comparison = regressed.comparison
    assert comparison is not None
    culprit = comparison.culprits[0]
    assert words.growth(comparison, culprit) == "+1.62 ms, 111 % of the change"
    masked = replace(comparison, low=0.99)
    assert words.share_of_change(masked, culprit) is None
    assert words.growth(masked, culprit) == "+1.62 ms, 16.2 % of the test"


def test_a_tolerated_slowdown_is_said(regressed: Judgement) -> None:
    assert words.verdict_words(replace(regressed, verdict=Verdict.PASS)) == (
        "pass, slower within the threshold (would have caught +7.1 %)"
    )


def test_a_regression_that_the_total_does_not_show_says_where_it_is(regressed: Judgement) -> None:
    comparison = regressed.comparison
    assert comparison is not None
    assert words.verdict_words(regressed) == "REGRESSED", "the total says it all"
    culprit = replace(comparison.culprits[0], relative=0.31)
    within = replace(comparison, low=1.01, ratio=1.024, high=1.04, culprits=(culprit,))
    assert words.verdict_words(replace(regressed, comparison=within)) == (
        "REGRESSED in orders.parse:tokenize, +31 % (total within 5 %)"
    )
    unsure = replace(within, high=1.06, culprits=(culprit, culprit))
    assert words.verdict_words(replace(regressed, comparison=unsure)) == (
        "REGRESSED in orders.parse:tokenize, +31 % and 1 more (total not shown to be above 5 %)"
    )
    new = replace(culprit, relative=None, base=0, own_delta=comparison.base // 20)
    shown = words.verdict_words(replace(regressed, comparison=replace(within, culprits=(new,))))
    assert shown.startswith("REGRESSED in orders.parse:tokenize, new, +5.0 % of the test (")


def test_a_baseline_written_over_a_change_says_what_was_accepted(regressed: Judgement) -> None:
    written = replace(regressed, baseline_written="flame-baselines/tests-test_orders-test_parse-1.json")
    assert words.verdict_words(written) == "accepted: +14.6 %"
    assert words.written(written) == (
        "baseline written: flame-baselines/tests-test_orders-test_parse-1.json; commit it"
    )
    other = Judgement("t", Verdict.INCOMPATIBLE, "CPU model: a → b", baseline_written="flame-baselines/t.json")
    assert words.verdict_words(other) == "accepted: not comparable with the previous baseline (CPU model: a → b)"
    first = replace(other, verdict=Verdict.NEW, reason="no baseline; baseline written")
    assert words.verdict_words(first) == "not compared: no baseline; baseline written"
    assert words.written(regressed) == ""


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.NEW, Verdict.INCOMPATIBLE, Verdict.ERROR])
def test_what_was_not_judged_never_reads_as_a_pass(verdict: Verdict) -> None:
    judgement = Judgement("t", verdict, "for this reason")
    run = RunResult((judgement,), "stored", 1, Limits())
    assert "pass" not in words.verdict_words(judgement) + words.headline(run) + words.conclusion(run)
    assert words.verdict_words(judgement).endswith(": for this reason")


def test_conclusion_counts_what_was_not_judged(result: RunResult) -> None:
    assert words.conclusion(result) == "2 of 9 tests regressed, 1 slower and accepted, 4 were not judged"


def test_an_empty_run_concludes_nothing() -> None:
    assert words.conclusion(RunResult((), "stored", 1, Limits())) == "Nothing could be judged: no tests were measured"


def test_worst_comes_first(result: RunResult) -> None:
    order = [judgement.verdict for judgement in words.worst_first(result)]
    assert order == sorted(order, key=words.WORST_FIRST.index)
    assert set(words.WORST_FIRST) == set(Verdict) == set(words.LABELS)


def test_base_line_names_commit_and_source(result: RunResult) -> None:
    assert words.base_line(result) == "base 1a2b3c4 (main), measured here, interleaved with head"
    screened = tuple(replace(judgement, interleaved=False) for judgement in result.judgements)
    stored = replace(result, mode="stored", judgements=screened, base_commit=None, base_source="flame-baselines")
    assert words.base_line(stored) == "base flame-baselines, as stored"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("orders/parse.py", "orders/parse.py"),
        ("/home/ada/.pyenv/versions/3.13.1/lib/python3.13/json/decoder.py", "…/json/decoder.py"),
        ("/home/ada/p/.venv/lib/python3.13/site-packages/requests/api.py", "…/requests/api.py"),
        ("/usr/lib/python3/dist-packages/yaml/reader.py", "…/yaml/reader.py"),
        ("/home/ada/other/checkout/module.py", "…/checkout/module.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
    ],
)
def test_where_a_library_lies_on_this_machine_is_not_shown(path: str, shown: str) -> None:
    assert words.shown_path(path) == shown


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, ""),
        (CodeChange.CHANGED, " (changed in this diff)"),
        (CodeChange.ADDED, " (added in this diff)"),
    ],
)
def test_a_culprit_in_the_diff_says_so(change: CodeChange | None, said: str) -> None:
    assert words.in_diff(replace(DELTA, code_change=change)) == said


@pytest.mark.parametrize(
    ("changed", "missed", "exact", "said"),
    [
        (3, 0, False, ""),
        (1, 1, False, "1 of 1 changed function was not seen in any sample (since 1a2b3c4)"),
        (5, 2, False, "2 of 5 changed functions were not seen in any sample (since 1a2b3c4)"),
        (5, 2, True, "2 of 5 changed functions were not run by any selected test (since 1a2b3c4)"),
    ],
)
def test_what_is_not_covered_says_how_that_is_known(changed: int, missed: int, exact: bool, said: str) -> None:
    function = ChangedFunction(Frame("m", "f"), CodeChange.CHANGED, SourceLine("m.py", 1))
    assert words.covered(DiffCoverage("1a2b3c4d5e6f", changed, (function,) * missed, exact)) == said


def test_a_missed_function_says_where_it_is_and_whether_it_is_added() -> None:
    function = ChangedFunction(Frame("m", "f"), CodeChange.CHANGED, SourceLine("pkg/m.py", 7))
    assert words.missed(function) == "m:f, pkg/m.py:7"
    assert words.missed(replace(function, change=CodeChange.ADDED)) == "m:f (added), pkg/m.py:7"
