"""Other tools' rules give the answers that the tools would."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdicts import rules


def sides(factor: float, seed: int = 1) -> tuple[list[rules.Floats], list[rules.Floats]]:
    draw = np.random.default_rng(seed)
    base = [np.exp(draw.normal(0, 0.01, 20)) for _ in range(5)]
    head = [factor * np.exp(draw.normal(0, 0.01, 20)) for _ in range(5)]
    return base, head


@pytest.mark.parametrize("name", ["min", "median", "mean", "pyperf", "asv"])
def test_above_and_below_the_threshold(name: str) -> None:
    slower = rules.RULES[name].slower
    assert slower(*sides(1.10), 0.05)
    assert not slower(*sides(1.00), 0.05)
    assert not slower(*sides(1.02), 0.05)
    assert not slower(*sides(0.80), 0.05)


def test_one_slow_round_moves_the_mean_only() -> None:
    base, head = sides(1.0)
    head[0][0] = 50.0
    assert [name for name, rule in rules.RULES.items() if rule.slower(base, head, 0.05)] == ["mean"]


def test_few_noisy_values_are_not_significant() -> None:
    base, head = [np.array([1.0, 1.5, 2.0])], [np.array([1.2, 1.8, 2.4])]
    assert rules.RULES["mean"].slower(base, head, 0.05)
    assert not rules.RULES["pyperf"].slower(base, head, 0.05)
    assert not rules.RULES["asv"].slower(base, head, 0.05)
