"""When other tools would call head slower than base: their rules, applied to the rounds of both sides.

Only the rules are theirs; the rounds are the caller's. All take the threshold as a ratio (0.05 is +5 %) if the tool has
such an option, and return whether it would report a slowdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats: TypeAlias = NDArray[np.float64]
Side: TypeAlias = Sequence[Floats]
"""One array for each process: cost of one iteration in each of its rounds."""

ASV_P = 0.002
ASV_FACTOR = 1.1
PYPERF_LEVEL = 0.95
STACKGATE_ALPHA = 0.05
STACKGATE_PERMUTATIONS = 10_000
STACKGATE_FLOOR = 0.01


@dataclass(frozen=True, slots=True)
class Rule:
    """``slower(base, head, threshold)``."""

    name: str
    slower: Callable[[Side, Side, float], bool]


def _summary(summarise: Callable[[Floats], np.float64]) -> Callable[[Side, Side, float], bool]:
    """pytest-benchmark, ``--benchmark-compare-fail=FIELD:5%``: a field of all rounds together, against a ratio."""

    def slower(base: Side, head: Side, threshold: float) -> bool:
        return bool(summarise(np.concatenate(head)) > (1 + threshold) * summarise(np.concatenate(base)))

    return slower


def pyperf_slower(base: Side, head: Side, threshold: float) -> bool:
    """``pyperf compare_to --min-speed``: Student's two-sample t test on all values at 95 %, and the ratio of means."""
    b, h = np.concatenate(base), np.concatenate(head)
    p = float(stats.ttest_ind(h, b).pvalue)
    return p <= 1 - PYPERF_LEVEL and bool(h.mean() > (1 + threshold) * b.mean())


def asv_slower(base: Side, head: Side, threshold: float) -> bool:
    """``asv continuous --factor``: Mann–Whitney's U test on all samples at p < 0.002, and the ratio of medians."""
    b, h = np.concatenate(base), np.concatenate(head)
    if not np.median(h) > (1 + threshold) * np.median(b):
        return False
    return bool(stats.mannwhitneyu(h, b, alternative="two-sided").pvalue < ASV_P)


def stackgate_slower(base: Side, head: Side, threshold: float) -> bool:
    """``stackgate compare --threshold``: the verdict FAIL on the total of runs (processes).

    One-sided permutation test on the difference of the runs' mean durations at 5 %, exact if there are few
    arrangements, otherwise by 10 000 random ones; and the ratio of means reaches the threshold and the noise floor,
    ``max(1 %, 1.96 * cv / sqrt(K))`` of the base's K runs (2.5 % for one run). Its second way to FAIL, which lifts the
    floor where a function grew significantly as well, needs stacks and is left out. Its durations are samples over the
    nominal rate; here they are the exact costs, so that this is StackGate at its best.
    """
    b = np.array([rounds.mean() for rounds in base])
    h = np.array([rounds.mean() for rounds in head])
    growth = h.mean() / b.mean() - 1
    floor = max(STACKGATE_FLOOR, 1.96 * b.std(ddof=1) / b.mean() / len(b) ** 0.5) if len(b) > 1 else 0.025
    if growth < max(threshold, floor):
        return False
    p = stats.permutation_test(
        (h, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=STACKGATE_PERMUTATIONS,
        alternative="greater",
        random_state=42,
    ).pvalue
    return bool(p <= STACKGATE_ALPHA)


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("min", _summary(np.min)),
        Rule("median", _summary(np.median)),
        Rule("mean", _summary(np.mean)),
        Rule("pyperf", pyperf_slower),
        Rule("asv", asv_slower),
        Rule("stackgate", stackgate_slower),
    )
}
"""asv's factor is ``1 + threshold`` here; its own default is ``ASV_FACTOR``."""
