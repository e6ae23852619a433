"""Which rule finds more at equal false alarms? The gate's candidates and other tools' rules, all on the same processes.

    python -m benchmarks.verdicts.equal --results build/banks --pairs 10

Every rule has a number that says how much slower the head looks. The number that identical code exceeds in a given
share of comparisons becomes the limit for a slowdown that is injected into the same comparisons: no rule can win by
raising more alarms. There is one limit for all banks, as for a user: the smallest that keeps the false alarms of each.
``--tuned`` gives every bank the limit that fits its own noise, which nobody knows beforehand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy import stats

from benchmarks.trial import aligned
from benchmarks.verdicts.bank import RESULTS, banks
from benchmarks.verdicts.candidates import ESTIMATORS, INTERVALS, Floats
from benchmarks.verdicts.choose import round_costs
from benchmarks.verdicts.rules import ASV_P

EFFECTS = (0.02, 0.03, 0.05, 0.10)
SWAPS = 8
Score: TypeAlias = Callable[[Floats, Floats], Floats]
"""From rounds of base and head, each ``(comparisons, pairs, rounds)``, to one number for each comparison."""


def _ratio(summarise: Callable[[Floats], Floats]) -> Score:
    def score(base: Floats, head: Floats) -> Floats:
        return np.log(summarise(_together(head))) - np.log(summarise(_together(base)))

    return score


def _together(side: Floats) -> Floats:
    return side.reshape(len(side), -1)


def _student(base: Floats, head: Floats) -> Floats:
    b, h = _together(base), _together(head)
    return np.asarray(stats.ttest_ind(h, b, axis=1, nan_policy="omit").statistic, dtype=np.float64)


def _mann_whitney(base: Floats, head: Floats) -> Floats:
    """The share of all base–head combinations in which head is more expensive: U, scaled."""
    b, h = _together(base), _together(head)
    found = []
    for one, other in zip(b, h, strict=True):
        one, other = one[np.isfinite(one)], other[np.isfinite(other)]
        ranks = stats.rankdata(np.concatenate([one, other]))[len(one) :].sum()
        found.append((ranks - len(other) * (len(other) + 1) / 2) / (len(one) * len(other)))
    return np.array(found)


def _where_ranks_differ(base: Floats, head: Floats) -> Floats:
    """asv's rule has a ratio of medians as its limit, if its U test finds a difference."""
    b, h = _together(base), _together(head)
    count = np.isfinite(b).sum(axis=1).astype(np.float64)
    z = (_mann_whitney(base, head) - 0.5) * count / np.sqrt((2 * count + 1) / 12)
    ratio = np.log(np.nanmedian(h, axis=1)) - np.log(np.nanmedian(b, axis=1))
    return np.where(z > stats.norm.isf(ASV_P / 2), ratio, -np.inf)


def _own(estimator: str, interval: str, alpha: float) -> Score:
    def score(base: Floats, head: Floats) -> Floats:
        sides = []
        for side in (base, head):
            flat = ESTIMATORS[estimator](side.reshape(-1, side.shape[2]))
            sides.append(np.log(flat).reshape(side.shape[:2]))
        return INTERVALS[interval](sides[0], sides[1], alpha)[0]

    return score


def rules(alpha: float) -> Mapping[str, Score]:
    own = {
        f"{estimator}, {interval}": _own(estimator, interval, alpha)
        for estimator in ("minimum", "cheaper quarter", "cheaper half", "median")
        for interval in ("paired t", "both", "Welch, top 30 % off")
    }
    peers: dict[str, Score] = {
        "pytest-benchmark min": _ratio(lambda x: np.nanmin(x, axis=1)),
        "pytest-benchmark median": _ratio(lambda x: np.nanmedian(x, axis=1)),
        "pytest-benchmark mean": _ratio(lambda x: np.nanmean(x, axis=1)),
        "pyperf t": _student,
        "asv": _where_ranks_differ,
        "U test alone": _mann_whitney,
    }
    return own | peers


def comparisons(rounds: Floats, pairs: int, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """All windows of one bank: rounds of base and head; chance decides which process of a pair is which."""
    starts = np.repeat(np.arange(0, len(rounds) // 2 - pairs + 1), SWAPS)
    first = 2 * (starts[:, None] + np.arange(pairs))
    swapped = draw.integers(0, 2, first.shape)
    return rounds[first + swapped], rounds[first + 1 - swapped]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the banks (default: {RESULTS})")
    parser.add_argument("--bank", action="append", default=[], help="only banks whose name contains this")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of processes in a comparison (default: 10)")
    parser.add_argument("--alarms", type=float, default=0.01, help="share of false alarms (default: 0.01)")
    parser.add_argument("--alpha", type=float, default=0.01, help="one-sided level of the gate's bound (default: 0.01)")
    parser.add_argument("--tuned", action="store_true", help="a separate limit for each bank, not one for all")
    options = parser.parse_args(arguments)
    found: dict[str, list[Floats]] = {}
    for bank, _workload, entries in banks(options.results):
        if len(entries) >= 2 * options.pairs and (not options.bank or any(part in bank for part in options.bank)):
            costs = round_costs(entries, costing_only=True, seconds=60, merge=1)
            found.setdefault(bank, []).append(costs / np.nanmedian(costs))
    rows: list[tuple[str, ...]] = [("rule", *(f"{bank} +{e:.0%}" for bank in found for e in EFFECTS))]
    for name, score in rules(options.alpha).items():
        sides = {
            bank: [comparisons(rounds, options.pairs, np.random.default_rng(1)) for rounds in series]
            for bank, series in found.items()
        }
        null = {bank: np.concatenate([score(base, head) for base, head in own]) for bank, own in sides.items()}
        everywhere = max(float(np.quantile(values, 1 - options.alarms)) for values in null.values())
        cells = []
        for bank, own in sides.items():
            limit = np.quantile(null[bank], 1 - options.alarms) if options.tuned else everywhere
            for effect in EFFECTS:
                true = np.concatenate([score(base, head * (1 + effect)) for base, head in own])
                cells.append(f"{100 * float(np.mean(true > limit)):.1f}")
        rows.append((name, *cells))
    print(aligned(rows))


if __name__ == "__main__":
    main()
