"""How much the two processes of a pair differ that run the same code, by the way they were recorded and by estimator.

    python -m benchmarks.verdicts.bank --condition quiet --name turn
    python -m benchmarks.verdicts.bank --condition quiet --name apart --apart
    python -m benchmarks.verdicts.estimators apart turn

Prints the root mean square of the log ratio of the two costs of a pair, per cent, and the variance of each bank as a
ratio to that of the first one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.verdicts.bank import RESULTS, WORKLOADS, read_bank
from pytest_flame.model import Process

Estimator = Callable[[Process, Process], float]
"""Log ratio of two processes' costs."""


def _costs(process: Process) -> list[float]:
    """Of one iteration in the rounds without samples, nanoseconds, ascending."""
    return sorted(r.cpu_ns / r.iterations for r in process.rounds if not r.sampled)


def _of_each(cost: Callable[[Sequence[float]], float]) -> Estimator:
    return lambda one, other: math.log(cost(_costs(other)) / cost(_costs(one)))


def _matched(one: Process, other: Process) -> float:
    """The median over rounds that ran at the same time."""
    rounds = zip(one.rounds, other.rounds, strict=False)
    ratios = [
        math.log(b.cpu_ns / b.iterations * a.iterations / a.cpu_ns) for a, b in rounds if not (a.sampled or b.sampled)
    ]
    return float(np.median(ratios))


ESTIMATORS: Mapping[str, Estimator] = {
    "cheaper quarter": _of_each(lambda costs: float(np.mean(costs[: (len(costs) + 3) // 4]))),
    "cheaper half": _of_each(lambda costs: float(np.mean(costs[: (len(costs) + 1) // 2]))),
    "mean": _of_each(lambda costs: float(np.mean(costs))),
    "median": _of_each(lambda costs: float(np.median(costs))),
    "cheapest": _of_each(lambda costs: costs[0]),
    "matched rounds": _matched,
}


def noise(folder: Path, workload: str, estimator: Estimator) -> tuple[float, int]:
    """Root mean square of the log ratio, and the number of pairs."""
    entries = read_bank(folder, workload)
    pairs = [(a.process, b.process) for a, b in zip(entries[::2], entries[1::2], strict=True)]
    found = [estimator(one, other) for one, other in pairs]
    return (math.sqrt(float(np.mean(np.square(found)))) if found else math.nan), len(found)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("banks", nargs="+", help="names of banks")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of all banks (default: {RESULTS})")
    options = parser.parse_args(arguments)
    for name, estimator in ESTIMATORS.items():
        print(f"{name}:")
        first = math.nan
        for bank in options.banks:
            found = [noise(options.results / bank, workload, estimator) for workload in WORKLOADS]
            variance = float(np.mean([rms**2 for rms, _ in found]))
            first = variance if math.isnan(first) else first
            shown = "  ".join(f"{w} {rms:.1%}" for w, (rms, _) in zip(WORKLOADS, found, strict=True))
            pairs = min(count for _, count in found)
            print(f"  {bank:10} {shown}  variance × {variance / first:.2f}  ({pairs} pairs or more)")


if __name__ == "__main__":
    main()
