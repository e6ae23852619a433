"""What the sampler's benchmarks call torn, different and apart."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sampler import agreement, stress
from benchmarks.sampler.torn import is_torn

POSSIBLE = {("f",), ("f", "g")}


@pytest.mark.parametrize(
    ("stack", "torn"),
    [
        (("<module>", "main", "workload", "f", "g"), False),
        (("<module>", "main", "workload", "g"), True),
        (("<module>", "main", "workload", "f", "g", "g"), True),
        (("<module>", "main", "workload"), False),
        (("<module>", "main", "for_ever"), False),
        (("f", "g"), True),  # the root is missing
    ],
)
def test_a_stack_is_torn_when_the_program_can_not_have_it(stack: tuple[str, ...], torn: bool) -> None:
    assert is_torn(stack, POSSIBLE) is torn


def test_stress_names_every_test_that_ends_otherwise() -> None:
    alone = {"ended": "0", "outcomes": {"a": "passed", "b": "skipped", "c": "passed"}}
    sampled = {"ended": "SIGSEGV", "outcomes": {"a": "passed", "b": "failure"}}
    assert stress.differences(alone, alone) == []
    assert stress.differences(alone, sampled) == [
        "the process: 0 alone, SIGSEGV sampled",
        "b: skipped alone, failure sampled",
        "c: passed alone, not run sampled",
    ]


def test_stress_reads_outcomes_from_junit(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b"><skipped/></testcase>'
        '<testcase name="c"><system-out/><error/></testcase></testsuite></testsuites>',
        encoding="utf-8",
    )
    assert stress.outcomes(report) == {"a": "passed", "b": "skipped", "c": "error"}
    assert stress.outcomes(tmp_path / "none.xml") == {}


def test_one_file_of_the_interpreters_own_tests_ends_alike_when_sampled(perf_allowed: None) -> None:
    if importlib.util.find_spec("test.test_bool") is None:
        pytest.skip("this Python has no test package")
    row = stress.stress("test_bool", 10_000)
    assert (row["differences"], row["counts"]["unwindable"]) == ([], 0)
    assert row["tests"] > 20 and row["counts"]["taken"] > 10


@pytest.fixture
def perf_allowed() -> None:
    from sampled import PERF, refusal

    reason = refusal(PERF)
    if reason is not None:
        pytest.skip(f"this machine refuses perf events: {reason}")


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_PyEval_EvalFrameDefault.cold", "[eval loop]"),
        ("list_sort_impl.isra.0", "list_sort_impl"),
        ("memcpy@plt", "memcpy"),
        ("dgemm_kernel_HASWELL_[g]", "dgemm_kernel_HASWELL"),
        ("void sort_n_vec<zmm_vector<double>, 32>(double*, int)", "sort_n_vec"),
        ("sort_n_vec<zmm_vector<double>, 32>", "sort_n_vec"),
        ("[unknown]", "[unknown]"),
        ("[0x4f20]", "[unknown]"),
    ],
)
def test_names_are_compared_without_what_the_two_write_differently(symbol: str, name: str) -> None:
    assert agreement.native_name(symbol) == name


def test_shares_are_apart_only_beyond_what_perf_itself_differs_by(capsys: pytest.CaptureFixture[str]) -> None:

    def row(noise: float, flame: float) -> dict[str, Any]:
        return {
            "python": "3.15",
            "perf": {"a": 0.6, "b": 0.4},
            "again": {"a": 0.6 + noise, "b": 0.4 - noise},
            "flame": {"a": 0.6 + flame, "b": 0.4 - flame},
        }

    assert agreement.judged([row(0.01, 0.01 * (-1) ** i) for i in range(10)], "load")
    assert not agreement.judged([row(0.01, 0.05) for _ in range(10)], "load")
    assert "APART" in capsys.readouterr().out
