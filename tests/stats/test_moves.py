"""What is set aside with a move, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import LIBRARY, SHOP, Noise, changed, record, renamed

from pytest_flame.compare import compare
from pytest_flame.model import Change, Comparison, Limits

CLEAR = Noise(between=0.002, per_stack=0.01, samples=5000)


def run(head: dict[str, float]) -> Comparison:
    rng = np.random.default_rng(8)
    return compare(
        record(SHOP, rng, CLEAR, library=LIBRARY), record(head, rng, CLEAR, library=LIBRARY), Limits(), session_sd=0.0
    )


def test_who_calls_the_new_place_of_a_cost_neither_grew_nor_moved() -> None:
    """``price`` called ``tax``; now it calls ``load``, which calls ``levy``: ``load`` grew by what moved below it."""
    head = changed(
        {"test > price > tax": -0.08, "test > price > tax > rate": -0.04, "test > price > load > levy": 0.12}
    )
    comparison = run(head)
    assert "load" in {d.frame.qualname for d in comparison.frames if d.over_threshold}
    assert [d.frame.qualname for d in comparison.culprits] == []
    assert [d.frame.qualname for d in comparison.moved] == ["levy"]


def test_what_took_the_place_of_something_costlier_is_not_to_blame_whoever_calls_it() -> None:
    """``lex`` became a parser with a helper that many call; even the one that calls it most often rarely does."""
    parser = {f"test > lex > parse > rule{i} > check": 0.009 for i in range(4)}
    parser |= {f"test > lex > parse > rule{i} > consume > check": 0.004 for i in range(4)}
    gone = {names: -cost for names, cost in SHOP.items() if names.startswith("test > lex >")}
    comparison = run(changed({**gone, "test > lex": -0.02, **parser}))
    assert "check" in {d.frame.qualname for d in comparison.frames if d.over_threshold}
    assert comparison.culprits == comparison.unclear == ()
    assert "check" in {d.frame.qualname for d in comparison.moved}


def test_a_renamed_function_is_not_excused_by_another_that_got_faster() -> None:
    head = changed({"test > tokenize": 0.08, "test > show > fmt": -0.08}, renamed("lex", "tokenize"))
    comparison = run(head)
    assert [(d.frame.qualname, d.change) for d in comparison.culprits] == [("tokenize", Change.SLOWER)]
    head = changed({"test > view": 0.09, "test > lex > scan": -0.03, "test > lex": -0.06}, renamed("show", "view"))
    assert [d.frame.qualname for d in run(head).culprits] == ["view"]


def test_a_caller_that_took_a_cheaper_callee_over_is_not_to_blame() -> None:
    """``fmt`` does ``pad``'s work itself and costs more by that amount; with all it calls it costs less."""
    comparison = run(changed({"test > show > fmt > pad": -0.06, "test > show > fmt": 0.04}))
    assert comparison.culprits == comparison.unclear == ()
    faster = run(changed({"test > lex > scan": -0.05, "test > lex > tax > rate": -0.01, "test > lex": 0.05}))
    assert faster.culprits == faster.unclear == ()


def test_a_caller_that_took_a_callee_over_and_costs_more_by_it_is_to_blame() -> None:
    comparison = run(changed({"test > show > fmt > pad": -0.06, "test > show > fmt": 0.16}))
    assert [d.frame.qualname for d in comparison.culprits] == ["fmt"]
    assert comparison.culprits[0].own_delta > 0


def test_nobody_whose_cost_fell_with_all_it_calls_is_a_culprit() -> None:
    """``lex`` itself costs more; what it calls became so much faster that it costs less in total."""
    comparison = run(changed({"test > lex": 0.04, "test > lex > scan": -0.045, "test > lex > tax": -0.01}))
    assert comparison.culprits == comparison.unclear == ()


REFACTORED = {
    "extract": changed({"test > show > fmt": -0.12, "test > show > fmt > helper": 0.12}),
    "inline": changed({"test > show > fmt > pad": -0.06, "test > show > fmt": 0.06}),
    "rename": renamed("lex", "tokenize"),
    "rename what holds the test": renamed("show", "view"),
}


@pytest.mark.parametrize("case", REFACTORED)
def test_a_refactoring_in_noise_is_never_a_regression(case: str) -> None:
    rng = np.random.default_rng(5)
    noise = Noise(between=0.02, outliers=0.1)
    for _ in range(30):
        head = record(REFACTORED[case], rng, noise, library=LIBRARY)
        comparison = compare(record(SHOP, rng, noise, library=LIBRARY), head, Limits(), session_sd=0.0)
        assert not comparison.culprits
