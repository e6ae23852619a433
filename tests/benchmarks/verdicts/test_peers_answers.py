"""The output of other tools is read correctly, and a missing decision is never read as no alarm."""

from __future__ import annotations

import json

import pytest

from benchmarks.verdicts import peers_answers

RULER = "|----------|----------------------------|---------------------------|---------|-----------|\n"
HEADING = "| Change   | Before [4888e0d7] <base>   | After [bc17baa2] <head>   |   Ratio | Benchmark |\n" + RULER


# --- pytest-benchmark ---------------------------------------------------------------------------------------


def test_each_field_that_failed_is_an_alarm_of_its_own() -> None:
    text = (
        "Performance has regressed:\n"
        "\ttest_work (0001_base) - Field 'median' has failed PercentageRegressionCheck: 9.957213567 > 5.000000000\n"
        "\ttest_work (0001_base) - Field 'mean' has failed PercentageRegressionCheck: 29.957213567 > 5.000000000\n"
    )
    found = peers_answers.pytest_benchmark(text, compared=True)
    assert {rule: answer.alarmed for rule, answer in found.items()} == {
        "min:5%": False,
        "median:5%": True,
        "mean:5%": True,
    }
    assert found["mean:5%"].said == "+29.96 %"


def test_a_run_that_wrote_nothing_is_no_pass() -> None:
    with pytest.raises(peers_answers.Unreadable, match="usage: pytest"):
        peers_answers.pytest_benchmark("usage: pytest", compared=False)


def test_a_regression_in_unknown_words_is_no_pass() -> None:
    with pytest.raises(peers_answers.Unreadable):
        peers_answers.pytest_benchmark("Performance has regressed:\n\ttest_work: min got worse\n", compared=True)


# --- pyperf ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "alarmed"),
    [
        ("Slower (1):\n- work: 553 us +- 131 us -> 736 us +- 112 us: 1.33x slower\n", True),
        ("Faster (1):\n- work: 736 us +- 1 us -> 553 us +- 1 us: 1.33x faster\n", False),
        ("Benchmark hidden because not significant (1): work\n", False),
    ],
    ids=["slower", "faster", "not significant"],
)
def test_only_slower_is_an_alarm_of_pyperf(text: str, alarmed: bool) -> None:
    assert peers_answers.pyperf(text).alarmed is alarmed


def test_pyperf_without_a_common_benchmark_decided_nothing() -> None:
    with pytest.raises(peers_answers.Unreadable):
        peers_answers.pyperf("ERROR: Benchmark suites have no benchmark in common\n")


# --- asv ------------------------------------------------------------------------------------------------------


def row(mark: str, ratio: str) -> str:
    return (
        HEADING
        + f"| {mark}        | 461±100μs                  | 550±7μs                   |    {ratio} | time_work |\n"
    )


@pytest.mark.parametrize(("mark", "ratio", "alarmed"), [("+", "1.19", True), ("-", "0.84", False)])
def test_direction_of_asv_compare(mark: str, ratio: str, alarmed: bool) -> None:
    answer = peers_answers.asv_compare(row(mark, ratio))
    assert (answer.alarmed, answer.said) == (alarmed, f"ratio {ratio}")


def test_asv_compare_says_nothing_where_nothing_changed() -> None:
    assert not peers_answers.asv_compare("\n").alarmed


def test_asv_continuous() -> None:
    ending = "\nSOME BENCHMARKS HAVE CHANGED SIGNIFICANTLY.\nPERFORMANCE DECREASED.\n"
    assert peers_answers.asv_continuous(row("+", "1.19") + ending) == peers_answers.Answer(True, "ratio 1.19")
    assert not peers_answers.asv_continuous("BENCHMARKS NOT SIGNIFICANTLY CHANGED.\n").alarmed
    with pytest.raises(peers_answers.Unreadable):
        peers_answers.asv_continuous("· Creating environments\n")


def test_a_failed_benchmark_is_no_slowdown() -> None:
    text = HEADING + "| !        | 461±100μs                  | failed                    |     n/a | time_work |\n"
    with pytest.raises(peers_answers.Unreadable, match="failed"):
        peers_answers.asv_continuous(text + "PERFORMANCE DECREASED.\n")


def test_building_is_no_measuring() -> None:
    columns = ["result", "params", "version", "started_at", "duration"]
    results = {"a": [[1.0], [], "v", 0, 2.5], "b": [[1.0], [], "v", 0, 1.5], "skipped": [None]}
    assert peers_answers.asv_seconds(json.dumps({"result_columns": columns, "results": results})) == 4.0


# --- StackGate, PyxTrace, pytest-flame --------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "alarmed"), [("FAIL", True), ("PASS", False), ("INCONCLUSIVE", False)])
def test_stackgate_names_its_functions(verdict: str, alarmed: bool) -> None:
    result = {
        "verdict": verdict,
        "summary": {"total_pct_change": 20.5, "total_p_value": 0.001},
        "regressed_functions": [{"function": "work.py:weigh"}, {"function": "speed.py:main"}],
    }
    answer = peers_answers.stackgate(json.dumps(result))
    assert (answer.alarmed, answer.named) == (alarmed, ("weigh", "main"))


def test_stackgate_without_profiles_decided_nothing() -> None:
    with pytest.raises(peers_answers.Unreadable, match="Data Error"):
        peers_answers.stackgate("Data Error: No profile files found")


PYXTRACE = """Compared base (fd88277) → head (b300e57) on 1 test(s) that passed on both

⚠  shop/work.py::weigh  +198% operations  (25,776 → 76,752)
   ← changed in this diff
   Attributed to:
     shop/work.py::other   1 → 3 calls   +200%

⚠  shop/work.py::Amount.part  +20% operations  (100 → 120)

✗ FAIL — 2 function(s) regressed
"""


def test_pyxtrace_names_what_it_found_and_not_callees() -> None:
    answer = peers_answers.pyxtrace(PYXTRACE, 1)
    assert answer.alarmed
    assert answer.named == ("weigh", "part")


def test_pyxtrace_that_compared_no_test_did_not_pass() -> None:
    with pytest.raises(peers_answers.Unreadable, match="no test"):
        peers_answers.pyxtrace(
            "Compared base (f) → head (b) on 0 test(s) that passed on both\n✓ PASS — no function grew\n", 0
        )


def result(verdict: str, ratio: float | None = 1.1) -> str:
    culprits = [{"frame": "shop.work:weigh"}, {"frame": "shop.work:Amount.whole"}]
    return json.dumps({"tests": [{"verdict": verdict, "ratio": ratio, "reason": "why", "culprits": culprits}]})


@pytest.mark.parametrize(("verdict", "alarmed"), [("REGRESSED", True), ("PASS", False), ("INCONCLUSIVE", False)])
def test_flame(verdict: str, alarmed: bool) -> None:
    answer = peers_answers.flame(result(verdict))
    assert (answer.alarmed, answer.named) == (alarmed, ("weigh", "whole"))


@pytest.mark.parametrize("text", [result("ERROR"), result("NEW", None), '{"tests": []}', "{}", "not json"])
def test_flame_without_a_comparison_decided_nothing(text: str) -> None:
    with pytest.raises(peers_answers.Unreadable):
        peers_answers.flame(text)
