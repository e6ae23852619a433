"""How should the looks divide the error? Comparisons that stop early, replayed over banks or a model.

    python -m benchmarks.verdicts.sequence --results build/banks --weights 1,1,1,1,1 --weights 5,7,10,14,20

A comparison looks after some pairs, and stops when its interval is above or below the threshold. Each look has its own
share of the error (Bonferroni), given by the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.trial import aligned
from benchmarks.verdicts.bank import RESULTS, banks
from benchmarks.verdicts.candidates import ESTIMATORS, INTERVALS, Floats
from benchmarks.verdicts.choose import MODELS, Series, estimated, modelled, round_costs

LOOKS = (5, 7, 10, 14, 20)
CASES = ((0.0, 0.0), (0.0, 0.03), (0.0, 0.05), (0.05, 0.0), (0.05, 0.03), (0.05, 0.10))
"""Threshold and true effect."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Shares of comparisons that ended as slower and as not slower, and the mean number of pairs they took."""

    slower: float
    passed: float
    pairs: float


def ended(looks: Sequence[tuple[int, Floats, Floats]], threshold: float, effect: float) -> Ended:
    """``looks`` are pairs so far, lower and upper bounds, in order."""
    shift, limit = np.log1p(effect), np.log1p(threshold)
    going = np.ones(len(looks[0][1]), dtype=bool)
    slower, passed, pairs = np.zeros_like(going), np.zeros_like(going), np.zeros(len(going))
    for count, low, high in looks:
        pairs[going] = count
        slower |= going & (low + shift > limit)
        passed |= going & (high + shift < limit)
        going &= ~(slower | passed)
    return Ended(float(slower.mean()), float(passed.mean()), float(pairs.mean()))


def looked(
    base: Floats, head: Floats, interval: str, alpha: float, weights: Sequence[float]
) -> list[tuple[int, Floats, Floats]]:
    whole = sum(weights)
    return [
        (count, *INTERVALS[interval](base[:, :count], head[:, :count], alpha * weight / whole))
        for count, weight in zip(LOOKS, weights, strict=True)
    ]


def sources(results: Path, estimator: str) -> dict[str, tuple[Floats, Floats, int]]:
    """Base and head of all windows by bank, and how many windows do not overlap."""
    found: dict[str, list[Series]] = {}
    for bank, workload, entries in banks(results):
        if len(entries) >= 2 * LOOKS[-1]:
            costs = round_costs(entries, costing_only=True, seconds=60, merge=1)
            found.setdefault(bank, []).append(Series(bank, workload, estimated(costs, ESTIMATORS[estimator])))
    sides = {}
    for bank, series in found.items():
        draw = np.random.default_rng(3)
        windows = [one.windows(LOOKS[-1], draw) for one in series]
        base, head = (np.concatenate(side) for side in zip(*windows, strict=True))
        sides[bank] = base, head, sum(one.effective(LOOKS[-1]) for one in series)
    return sides


def simulated() -> dict[str, tuple[Floats, Floats, int]]:
    sides = {}
    for name, model in MODELS.items():
        draw = np.random.default_rng(2)
        logs = np.array([modelled(draw, LOOKS[-1], **model) for _ in range(5000)])
        sides[name] = logs[:, :, 0], logs[:, :, 1], len(logs)
    return sides


def _weights(text: str) -> tuple[float, ...]:
    weights = tuple(map(float, text.split(",")))
    if len(weights) != len(LOOKS):
        raise argparse.ArgumentTypeError(f"one weight for each of the looks {LOOKS}")
    return weights


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the banks (default: {RESULTS})")
    parser.add_argument("--weights", type=_weights, action="append", help="share of the error of each look")
    parser.add_argument("--interval", action="append", choices=list(INTERVALS), help="this one (may be repeated)")
    parser.add_argument("--estimator", choices=list(ESTIMATORS), default="cheaper quarter")
    parser.add_argument("--alpha", type=float, default=0.01, help="one-sided error of all looks (default: 0.01)")
    parser.add_argument("--model", action="store_true", help="simulated processes instead of banks")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = [
        (
            "condition",
            "interval",
            "weights",
            *(f"{e:+.0%} at {t:.0%}: slower/pass, pairs" for t, e in CASES),
            "effective",
        )
    ]
    for name, (base, head, effective) in (
        simulated() if options.model else sources(options.results, options.estimator)
    ).items():
        for interval in options.interval or ["both"]:
            for weights in options.weights or [(1.0,) * len(LOOKS)]:
                looks = looked(base, head, interval, options.alpha, weights)
                outcomes = [ended(looks, threshold, effect) for threshold, effect in CASES]
                rows.append(
                    (
                        name,
                        interval,
                        ",".join(f"{w:g}" for w in weights),
                        *(f"{100 * o.slower:.2f}/{100 * o.passed:.1f}, {o.pairs:.1f}" for o in outcomes),
                        str(effective),
                    )
                )
    print(aligned(rows))


if __name__ == "__main__":
    main()
