from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.ci.actions import SUMMARY_BYTES, report, write_outputs, write_summary
from pytest_flame.errors import FlameError
from pytest_flame.model import Judgement, Limits, RunResult, Verdict


@pytest.fixture
def step(tmp_path: Path) -> dict[str, str]:
    return {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}


def outputs(step: dict[str, str]) -> dict[str, str]:
    """As the runner reads them."""
    lines = iter(Path(step["GITHUB_OUTPUT"]).read_text(encoding="utf-8").splitlines())
    found = {}
    for line in lines:
        name, _, end = line.partition("<<")
        value = []
        while (text := next(lines)) != end:
            value.append(text)
        found[name] = "\n".join(value)
    return found


def test_a_step_gets_its_summary_and_outputs(result: RunResult, step: dict[str, str]) -> None:
    assert report(result, Path("flame-report/index.html"), step) == []
    assert outputs(step) == {"verdict": "REGRESSED", "regressed": "1", "report": "flame-report/index.html"}
    assert "### Flame: 2 tests: 1 regressed" in Path(step["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [((), "NONE"), ((Verdict.PASS, Verdict.IMPROVED), "IMPROVED"), ((Verdict.PASS, Verdict.ERROR), "ERROR")],
)
def test_the_output_is_the_worst_verdict(verdicts: tuple[Verdict, ...], worst: str, step: dict[str, str]) -> None:
    judgements = tuple(Judgement(f"t{i}", verdict, "so") for i, verdict in enumerate(verdicts))
    report(RunResult(judgements, "stored", 0, Limits()), None, step)
    assert outputs(step) == {"verdict": worst, "regressed": "0", "report": ""}


def test_no_value_becomes_another_output(step: dict[str, str]) -> None:
    write_outputs({"report": "a\nend\nverdict=PASS\nverdict<<x\nPASS\nx"}, step)
    assert set(outputs(step)) == {"report"}


@pytest.mark.parametrize("before", [0, 400_000, SUMMARY_BYTES - 30_000])
def test_a_summary_is_never_larger_than_what_is_taken(before: int, many: RunResult, step: dict[str, str]) -> None:
    path = Path(step["GITHUB_STEP_SUMMARY"])
    path.write_bytes(b"x" * before)
    write_summary(many, step, "> and one remark")
    text = path.read_bytes()
    assert before < len(text) <= SUMMARY_BYTES
    assert b"test_0999" in text and text.endswith(b"> and one remark\n")


def test_a_thousand_tests_fit_into_an_empty_summary(many: RunResult, step: dict[str, str]) -> None:
    write_summary(many, step)
    text = Path(step["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")
    assert all(f"test_{i:04}" in text for i in range(500, 1000))


def test_a_full_summary_is_left_as_it_is(result: RunResult, step: dict[str, str]) -> None:
    path = Path(step["GITHUB_STEP_SUMMARY"])
    path.write_bytes(b"x" * SUMMARY_BYTES)
    with pytest.raises(FlameError, match="has no room"):
        write_summary(result, step)
    assert path.stat().st_size == SUMMARY_BYTES


def test_what_cannot_be_written_is_said(result: RunResult, step: dict[str, str]) -> None:
    problems = report(result, None, {})
    assert [problem.partition("\n")[0] for problem in problems] == [
        "the job summary cannot be written",
        "the step's outputs cannot be written",
    ]
    nowhere = {name: "/nowhere/file" for name in step}
    assert len(report(result, None, nowhere)) == 2
