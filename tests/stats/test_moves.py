"""What is set aside with a move, and what is not."""

from __future__ import annotations

import numpy as np
from simulated import LIBRARY, SHOP, Noise, changed, record

from pytest_flame.compare import compare
from pytest_flame.model import Comparison, Limits

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
