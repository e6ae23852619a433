"""Culprits in the diff, and changed functions that nothing ran."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import Noise, record

from pytest_flame.compare import compare_interleaved
from pytest_flame.gate.in_diff import coverage, sampled_frames, with_changed_code
from pytest_flame.judge import judge
from pytest_flame.model import ChangedCode, ChangedFunction, CodeChange, Frame, Judgement, Limits, SourceLine, Verdict

CALM = Noise(processes=8, samples=4000, between=0.004, per_stack=0.005)
BASE = {
    "test > render > encode > json:dumps": 1.0,
    "test > export > json:dumps": 1.0,
    "test > export > rate": 1.0,
    "test > render > rest": 2.0,
}
DUMPS = Frame("json", "dumps")


def judged(grown: dict[str, float]) -> Judgement:
    base, head = (record({**BASE, **costs}, np.random.default_rng(seed), CALM) for seed, costs in ((1, {}), (2, grown)))
    return judge(compare_interleaved(base, head, Limits(), alpha=0.01, most=8), base, head)


def changed(*names: str, change: CodeChange = CodeChange.CHANGED, unknown: tuple[str, ...] = ()) -> ChangedCode:
    frames = [Frame.parse(name) for name in names]
    functions = tuple(ChangedFunction(frame, change, SourceLine("app.py", i)) for i, frame in enumerate(frames))
    return ChangedCode("1a2b3c4", dict.fromkeys(frames, change), functions, unknown)


def culprits(judgement: Judgement) -> list[tuple[str, CodeChange | None, str | None]]:
    assert judgement.comparison is not None
    return [
        (c.frame.name, c.code_change, c.changed_caller.name if c.changed_caller else None)
        for c in judgement.comparison.culprits
    ]


SLOW_RATE = {"test > export > rate": 3.0}


@pytest.mark.parametrize("change", CodeChange)
def test_a_culprit_in_the_diff_says_so(change: CodeChange) -> None:
    found = with_changed_code(judged(SLOW_RATE), changed("app:rate", "app:export", change=change))
    assert culprits(found) == [("app:rate", change, None)]


def test_a_culprit_that_did_not_change_names_the_changed_function_above_it() -> None:
    found = with_changed_code(judged(SLOW_RATE), changed("app:export", "app:render"))
    assert culprits(found) == [("app:rate", None, "app:export")]


def test_without_one_above_it_nothing_is_named() -> None:
    found = with_changed_code(judged(SLOW_RATE), changed("app:render", "app:encode", "app:other"))
    assert culprits(found) == [("app:rate", None, None)]


SLOW_DUMPS = {"test > render > encode > json:dumps": 4.0}


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("app:render", "app:export"), "app:render"),
        (("app:render", "app:encode"), "app:encode"),
        (("app:export",), None),
    ],
)
def test_the_changed_function_is_the_nearest_one_where_it_grew(names: tuple[str, ...], named: str | None) -> None:
    found = with_changed_code(judged(SLOW_DUMPS), changed(*names))
    assert culprits(found) == [("json:dumps", None, named)]


def test_growth_that_lies_mostly_elsewhere_is_not_blamed_on_the_diff() -> None:
    slower = {"test > render > encode > json:dumps": 4.0, "test > export > json:dumps": 2.0}
    found = with_changed_code(judged(slower), changed("app:export"))
    assert culprits(found)[0] == ("json:dumps", None, None)


def test_nothing_but_the_culprits_differs() -> None:
    before = judged(SLOW_RATE)
    after = with_changed_code(before, changed("app:rate"))
    assert before.verdict is Verdict.REGRESSED
    assert before.comparison is not None
    assert after.comparison is not None
    assert replace(after, comparison=replace(after.comparison, culprits=before.comparison.culprits)) == before


def test_a_judgement_without_a_comparison_stays_as_it_is() -> None:
    nothing = Judgement("t", Verdict.NEW, "no baseline")
    assert with_changed_code(nothing, changed("app:rate")) == nothing


def test_what_is_in_a_sample_ran() -> None:
    one, other = (record({names: 1.0}, np.random.default_rng(0), CALM) for names in ("test > f", "test > g > h"))
    names = {frame.name for frame in sampled_frames(one, None, other)}
    assert names == {"app:test", "app:f", "app:g", "app:h"}


def test_changed_functions_that_nothing_ran_are_missed() -> None:
    code = changed("app:f", "app:g", "app:h")
    found = coverage(code, {Frame("app", "g"), Frame("app", "test")}, exact=False)
    assert [function.frame.qualname for function in found.missed] == ["f", "h"]
    assert (found.commit, found.changed, found.exact, found.complete) == ("1a2b3c4", 3, False, False)


def test_coverage_is_complete_if_everything_ran_and_everything_is_known() -> None:
    ran = {Frame("app", "f")}
    assert coverage(changed("app:f"), ran, exact=True).complete
    assert not coverage(changed("app:f", unknown=("x.py at base: invalid syntax",)), ran, exact=True).complete
