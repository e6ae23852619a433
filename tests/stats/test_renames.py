"""Which vanished function a new one was, from costs and callees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from simulated import LIBRARY, SHOP, Noise, changed, record, renamed

from pytest_flame.compare import compare
from pytest_flame.model import Change, Comparison, FrameDelta, Limits

CLEAR = Noise(between=0.002, per_stack=0.01, samples=5000)


def run(head: Mapping[str, float], base: Mapping[str, float] = SHOP) -> Comparison:
    rng = np.random.default_rng(8)
    sides = (record(costs, rng, CLEAR, library=LIBRARY) for costs in (base, head))
    return compare(*sides, Limits(), session_sd=0.0)


def before(deltas: tuple[FrameDelta, ...]) -> dict[str, str | None]:
    return {d.frame.qualname: d.renamed_from.qualname if d.renamed_from else None for d in deltas}


def test_a_renamed_function_says_what_it_was() -> None:
    assert before(run(renamed("lex", "tokenize")).moved) == {"tokenize": "lex"}


def test_a_renamed_and_slower_function_grew_by_the_difference() -> None:
    (culprit,) = run(changed({"test > tokenize": 0.09}, renamed("lex", "tokenize"))).culprits
    assert before((culprit,)) == {"tokenize": "lex"}
    assert culprit.change is Change.SLOWER
    assert culprit.own_delta_ps == pytest.approx(0.09e9, abs=0.02e9)
    assert culprit.relative == pytest.approx(0.5, abs=0.1)


def test_a_function_renamed_along_with_its_caller_is_found_below_it() -> None:
    comparison = run(renamed("scan", "step", renamed("lex", "tokenize")))
    assert comparison.culprits == ()
    assert {"tokenize": "lex"}.items() <= before(comparison.moved).items()


def test_of_two_renamed_siblings_each_finds_its_own() -> None:
    base = {"test": 0.3, "test > a": 0.2, "test > b": 0.1, "test > b > x": 0.1, "test > c": 0.3}
    head = renamed("a", "a2", renamed("b", "b2", base))
    assert before(run(head, base).moved) == {"a2": "a", "b2": "b"}


def test_an_extracted_function_was_nothing_before() -> None:
    comparison = run(changed({"test > show > fmt": -0.12, "test > show > fmt > helper": 0.12}))
    assert before(comparison.moved) == {"helper": None}


def test_a_new_function_elsewhere_is_not_the_one_that_vanished() -> None:
    base = {"test": 0.4, "test > a": 0.2, "test > a > old": 0.1, "test > b": 0.3}
    head = {"test": 0.4, "test > a": 0.2, "test > b": 0.3, "test > b > new": 0.1}
    comparison = run(head, base)
    assert set(before((*comparison.culprits, *comparison.moved, *comparison.unclear)).values()) <= {None}


def test_a_function_that_calls_other_things_is_another_function() -> None:
    base = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > old > f": 0.2}
    head = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > new > g": 0.2}
    comparison = run(head, base)
    assert set(before((*comparison.culprits, *comparison.moved, *comparison.unclear)).values()) <= {None}
