"""Which estimator of a process, and which interval over processes? Candidates replayed over banks.

    python -m benchmarks.verdicts.choose --results build/banks --pairs 10
    python -m benchmarks.verdicts.choose --model

Windows of consecutive pairs move along each bank; within each pair, chance decides which process is the base. Since all
processes ran the same code, every answer "slower" is a false alarm, and since all candidates move with the data, a
slowdown of the head by a factor is injected exactly by moving the bounds. Overlapping windows are averaged over;
intervals count only windows that do not overlap. ``--model`` replays simulated processes instead: a spread of 3 %, some
disturbed by a factor of 1.3–1.6, and drift.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.intervals import shown
from benchmarks.trial import aligned
from benchmarks.verdicts.bank import RESULTS, Entry, banks
from benchmarks.verdicts.candidates import ESTIMATORS, INTERVALS, Estimator, Floats, Interval

THRESHOLDS = (0.0, 0.02, 0.05)
EFFECTS = (0.03, 0.05, 0.10)
SWAPS = 8
"""Number of random assignments of sides for each window."""


@dataclass(frozen=True, slots=True)
class Series:
    """Log costs of the processes of one bank and workload, in the order they ran: shape ``(pairs, 2)``."""

    bank: str
    workload: str
    logs: Floats

    def windows(self, pairs: int, draw: np.random.Generator) -> tuple[Floats, Floats]:
        """Base and head of many comparisons, each of shape ``(comparisons, pairs)``."""
        starts = np.repeat(np.arange(len(self.logs) - pairs + 1), SWAPS)
        taken = self.logs[starts[:, None] + np.arange(pairs)]
        swapped = draw.integers(0, 2, (len(starts), pairs)).astype(bool)
        base = np.where(swapped, taken[:, :, 1], taken[:, :, 0])
        head = np.where(swapped, taken[:, :, 0], taken[:, :, 1])
        return base, head

    def effective(self, pairs: int) -> int:
        return len(self.logs) // pairs


@dataclass(frozen=True, slots=True)
class Bounds:
    """One candidate's answers to all comparisons of one condition; ``effective`` of these are independent."""

    low: Floats
    high: Floats
    effective: int

    def alarms(self, threshold: float, effect: float = 0.0) -> float:
        """Share that is called slower than ``threshold`` when head is slower by ``effect``."""
        return float(np.mean(self.low + np.log1p(effect) > np.log1p(threshold)))

    def passes(self, threshold: float) -> float:
        return float(np.mean(self.high < np.log1p(threshold)))

    @property
    def coverage(self) -> float:
        return float(np.mean((self.low <= 0) & (self.high >= 0)))

    @property
    def width(self) -> float:
        """Median distance between the bounds, if there are bounds."""
        finite = np.isfinite(self.high - self.low)
        return float(np.median((self.high - self.low)[finite])) if finite.any() else np.inf


# --- banks -------------------------------------------------------------------------------------------------


def round_costs(entries: Sequence[Entry], *, costing_only: bool, seconds: float, merge: int) -> Floats:
    """Cost per iteration, shape ``(processes, rounds)``, NaN if a process has fewer.

    ``seconds`` of CPU are taken from the start of each process; ``merge`` rounds are counted as one.
    """
    rows = []
    for entry in entries:
        rounds = entry.process.rounds
        cpu = np.array([r.cpu_ns for r in rounds], dtype=np.float64)
        iterations = np.array([r.iterations for r in rounds], dtype=np.float64)
        if merge > 1:
            whole = len(cpu) // merge * merge
            cpu, iterations = (x[:whole].reshape(-1, merge).sum(axis=1) for x in (cpu, iterations))
            kept = np.ones(len(cpu), dtype=bool)
        else:
            costing = entry.process.timing.plain_cost is None
            kept = np.array([r.sampled == costing or not costing_only for r in rounds])
        inside = np.cumsum(cpu) <= max(seconds * 1e9, cpu[:3].sum())
        rows.append((cpu / iterations)[kept & inside] - entry.process.loop_cost / 1000)
    longest = max(map(len, rows))
    return np.array([np.pad(row, (0, longest - len(row)), constant_values=np.nan) for row in rows])


def estimated(rounds: Floats, estimator: Estimator) -> Floats:
    return np.log(estimator(rounds)).reshape(-1, 2)


# --- a model of a calm and of a disturbed machine ----------------------------------------------------------


def modelled(draw: np.random.Generator, pairs: int, *, sd: float, disturbed: float, drift: float) -> Floats:
    """Log costs of processes, shape ``(pairs, 2)``; ``drift`` is the sd of a random walk's step from pair to pair."""
    logs = draw.normal(0, sd, (pairs, 2)) + np.cumsum(draw.normal(0, drift, pairs))[:, None]
    hit = draw.random((pairs, 2)) < disturbed
    return logs + np.where(hit, np.log(draw.uniform(1.3, 1.6, (pairs, 2))), 0.0)


MODELS: Mapping[str, Mapping[str, float]] = {
    "1 %": {"sd": 0.01, "disturbed": 0.0, "drift": 0.0},
    "3 %": {"sd": 0.03, "disturbed": 0.0, "drift": 0.0},
    "3 %, 5 % disturbed": {"sd": 0.03, "disturbed": 0.05, "drift": 0.0},
    "3 %, 10 % disturbed": {"sd": 0.03, "disturbed": 0.10, "drift": 0.0},
    "1 %, 10 % disturbed": {"sd": 0.01, "disturbed": 0.10, "drift": 0.0},
    "1 %, drift 1 %": {"sd": 0.01, "disturbed": 0.0, "drift": 0.01},
    "1 %, drift 3 %": {"sd": 0.01, "disturbed": 0.0, "drift": 0.03},
    "1 %, drift 3 %, 10 % disturbed": {"sd": 0.01, "disturbed": 0.10, "drift": 0.03},
}


# --- tables ------------------------------------------------------------------------------------------------


def judged(series: Sequence[Series], interval: Interval, pairs: int, alpha: float) -> Bounds:
    draw = np.random.default_rng(pairs)
    sides = [one.windows(pairs, draw) for one in series if len(one.logs) >= pairs]
    if not sides:
        return Bounds(np.array([]), np.array([]), 0)
    base, head = (np.concatenate(side) for side in zip(*sides, strict=True))
    low, high = interval(base, head, alpha)
    return Bounds(low, high, sum(one.effective(pairs) for one in series))


HEADINGS = (
    *(f"alarms {t:.0%}" for t in THRESHOLDS),
    "coverage",
    "width",
    *(f"+{e:.0%} at 0 %" for e in EFFECTS[:2]),
    "+10% at 5 %",
    "passes 5 %",
    "effective",
)


def cells(bounds: Bounds) -> Iterator[str]:
    n = bounds.effective
    for threshold in THRESHOLDS:
        yield f"{100 * bounds.alarms(threshold):.2f}"
    yield f"{100 * bounds.coverage:.1f}"
    yield f"{100 * bounds.width:.2f}"
    for effect in EFFECTS[:2]:
        yield f"{100 * bounds.alarms(0, effect):.1f}"
    yield f"{100 * bounds.alarms(0.05, 0.10):.1f}"
    yield f"{100 * bounds.passes(0.05):.1f}"
    yield f"{n}, alarms 0 %: {shown(round(bounds.alarms(0) * n), n)}" if n else "–"


def spread(series: Sequence[Series]) -> tuple[float, float]:
    """Sd of the difference within a pair over √2, robust and plain, in percent: medians over workloads."""
    robust, plain = [], []
    for one in series:
        d = (one.logs[:, 1] - one.logs[:, 0]) / np.sqrt(2)
        robust.append(1.4826 * float(np.median(abs(d - np.median(d)))))
        plain.append(float(d.std(ddof=1)))
    return 100 * float(np.median(robust)), 100 * float(np.median(plain))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the banks (default: {RESULTS})")
    parser.add_argument("--bank", action="append", default=[], help="only banks whose name contains this")
    parser.add_argument("--workload", action="append", default=[], help="only this workload")
    parser.add_argument("--pairs", type=int, default=10, help="pairs of processes in a comparison (default: 10)")
    parser.add_argument("--alpha", type=float, default=0.01, help="one-sided level of each bound (default: 0.01)")
    parser.add_argument("--seconds", type=float, default=60, help="only the first seconds of each process")
    parser.add_argument("--merge", type=int, default=1, help="count this many neighbouring rounds as one")
    parser.add_argument("--all-rounds", action="store_true", help="also those that do not estimate a cost")
    parser.add_argument("--estimator", action="append", choices=list(ESTIMATORS), help="only this one")
    parser.add_argument("--interval", action="append", choices=list(INTERVALS), help="only this one")
    parser.add_argument("--model", action="store_true", help="simulated processes instead of banks")
    options = parser.parse_args(arguments)
    estimators = options.estimator or list(ESTIMATORS)
    intervals = options.interval or list(INTERVALS)
    rows: list[tuple[str, ...]] = [("condition", "estimator", "interval", *HEADINGS)]
    if options.model:
        for name, model in MODELS.items():
            draw = np.random.default_rng(1)
            series = [Series(name, "model", modelled(draw, options.pairs, **model)) for _ in range(4000)]
            for interval in intervals:
                rows.append(
                    (name, "–", interval, *cells(judged(series, INTERVALS[interval], options.pairs, options.alpha)))
                )
    else:
        found: dict[str, list[tuple[str, Floats]]] = {}
        for bank, workload, entries in banks(options.results):
            wanted = not options.bank or any(part in bank for part in options.bank)
            if wanted and len(entries) >= 2 * options.pairs and workload in (options.workload or [workload]):
                costs = round_costs(
                    entries, costing_only=not options.all_rounds, seconds=options.seconds, merge=options.merge
                )
                found.setdefault(bank, []).append((workload, costs))
        for bank, workloads in found.items():
            for estimator in estimators:
                series = [Series(bank, w, estimated(costs, ESTIMATORS[estimator])) for w, costs in workloads]
                robust, plain = spread(series)
                for interval in intervals:
                    bounds = judged(series, INTERVALS[interval], options.pairs, options.alpha)
                    label = f"{estimator} (sd {robust:.2f}, {plain:.2f})"
                    rows.append((bank, label, interval, *cells(bounds)))
    print(aligned(rows))


if __name__ == "__main__":
    main()
