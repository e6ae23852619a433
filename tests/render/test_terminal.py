from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from _pytest._io import TerminalWriter

from pytest_flame.model import GateChanges, Judgement, RunResult, Verdict
from pytest_flame.render.terminal import failure_lines, summary_lines
from pytest_flame.reporting import FlameFailure

Golden = Callable[[str, str], None]


def text(result: RunResult, **options: int) -> str:
    return "\n".join(line.text for line in summary_lines(result, "flame-report/index.html", **options)) + "\n"


def failure_text(judgement: Judgement, picture: str | None = None) -> str:
    return "\n".join(line.text for line in failure_lines(judgement, picture=picture))


def test_summary(golden: Golden, result: RunResult) -> None:
    golden("summary.txt", text(result))


def test_failure(golden: Golden, regressed: Judgement, hostile: Judgement) -> None:
    shown = [failure_text(judgement, picture="flame-report/x.diff.svg") for judgement in (regressed, hostile)]
    golden("failures.txt", "\n----\n".join(shown) + "\n")


def test_failure_without_measurement_shows_the_details() -> None:
    shown = failure_text(Judgement("t", Verdict.ERROR, "the body failed", details="Traceback\n\tline\nKeyError: 'x'"))
    assert shown == "ERROR: the body failed\n\nTraceback\n        line\nKeyError: 'x'"


def test_a_regression_without_a_culprit_says_so(regressed: Judgement) -> None:
    assert regressed.comparison is not None
    spread = replace(regressed, comparison=replace(regressed.comparison, culprits=()))
    assert "no single frame stands out" in failure_text(spread)


def test_nothing_a_test_is_called_can_steer_the_terminal(hostile: Judgement, result: RunResult) -> None:
    for character in text(result) + failure_text(hostile):
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cs", "Cf")


def test_figures_stand_in_columns(result: RunResult) -> None:
    lines = [line for line in text(replace(result, gate=GateChanges())).splitlines() if "→" in line]
    assert len({line.index("→") for line in lines}) == 1


def test_a_long_id_gets_a_line_of_its_own(result: RunResult) -> None:
    lines = text(result, width=60).splitlines()
    assert "tests/test_orders.py::test_parse" in lines


@pytest.mark.parametrize(
    ("verdict", "markup"),
    [
        (Verdict.REGRESSED, {"red": True, "bold": True}),
        (Verdict.PASS, {"green": True}),
        (Verdict.NEW, {"yellow": True}),
    ],
)
def test_markup_follows_the_verdict(result: RunResult, verdict: Verdict, markup: dict[str, bool]) -> None:
    judgement = next(judgement for judgement in result.judgements if judgement.verdict is verdict)
    lines = summary_lines(replace(result, judgements=(judgement,)))
    assert next(line for line in lines if line.text.startswith(judgement.test_id)).markup == markup


def test_sampler_step_down_and_interruption_are_shown(result: RunResult) -> None:
    assert result.sampler is not None
    timer = replace(result.sampler, rung="timer", reason="perf_event_open: Operation not permitted")
    shown = text(replace(result, sampler=timer, interrupted=True))
    assert "sampler timer: perf_event_open: Operation not permitted\n" in shown
    assert "interrupted: only the tests below were judged\n" in shown


def test_unknown_overhead_is_left_out(result: RunResult) -> None:
    assert "overhead" not in text(replace(result, overhead=None))


def test_stored_runs_count_processes(result: RunResult) -> None:
    stored = tuple(replace(j, interleaved=False) for j in result.judgements)
    shown = text(replace(result, mode="stored", base_source="flame-baselines", judgements=stored))
    assert "up to 10 processes, " in shown
    assert "10 processes  REGRESSED" in shown
    assert "as stored\n" in shown


def test_runs_against_a_commit_count_pairs(result: RunResult, regressed: Judgement) -> None:
    shown = text(result)
    assert "up to 10 pairs, " in shown
    assert "10 pairs  REGRESSED" in shown
    assert "frame threshold 2 %, 10 pairs\n" in failure_text(regressed)
    assert "10 base and 10 head processes\n" in failure_text(replace(regressed, interleaved=False))


def test_a_screening_run_says_how_many_tests_were_measured_again(result: RunResult) -> None:
    first, *others = result.judgements
    mixed = (first, *(replace(j, interleaved=False) for j in others))
    shown = text(replace(result, mode="stored", base_commit=None, base_source="flame-baselines", judgements=mixed))
    assert "base flame-baselines, as stored, and measured again for 1 of 9 tests\n" in shown
    assert "   10 pairs  REGRESSED" in shown


def test_a_slowdown_of_everything_is_not_called_spread_over_frames(regressed: Judgement) -> None:
    assert regressed.comparison is not None
    alike = replace(regressed, comparison=replace(regressed.comparison, culprits=(), alike=True))
    assert "stands out" not in failure_text(alike)


def test_a_failure_has_colours_where_pytest_wants_them(regressed: Judgement) -> None:
    plain_text, coloured_text = io.StringIO(), io.StringIO()
    plain, coloured = TerminalWriter(plain_text), TerminalWriter(coloured_text)
    coloured.hasmarkup = True  # what pytest decides from the terminal, NO_COLOR and --color
    for writer in (plain, coloured):
        FlameFailure(failure_lines(regressed)).toterminal(writer)
    shown, painted = (written.getvalue() for written in (plain_text, coloured_text))
    assert shown == failure_text(regressed) + "\n"
    assert "\x1b[31m\x1b[1m  2.62 ms   4.23 ms   +1.62 ms" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == shown
