"""No sampled stack is one that the program never had: twelve workloads, compared with what ``sys.setprofile`` sees.

    python -m benchmarks.sampler.stacks [--samples 50000] [--results build/stacks.jsonl]
    sh ci/pythons.sh run 3.14 python -m benchmarks.sampler.stacks        (any other interpreter)

20 kHz, each workload by itself until there are enough samples, then once more with a walker that is broken on purpose
(it names each leaf's caller wrongly). Exit status 1 if a stack is impossible, if the broken walker is not noticed, or
if 0.2 % or more of all samples could not be read.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.sampler.series import MS, ROOT, Series, machine
from benchmarks.sampler.stack_truth import ALL_PIECES, impossible_stacks, possible_stacks, sampled_stacks, workload
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler

RUNGS = {
    "perf": SamplerInfo("perf-sigtrap", "task-clock", True, 20_000),
    "timer": SamplerInfo("timer", "cpu-clock-looks", True, 20_000),
}
PERIOD_NS = MS // 20
UNREADABLE = 0.002
AT_A_TIME_NS = 100 * MS


def times_of(piece: Callable[[], Any]) -> int:
    """How often the workload runs for one start of the sampler."""
    workload([piece])
    began = time.process_time_ns()
    workload([piece])
    return max(1, AT_A_TIME_NS // (time.process_time_ns() - began))


def sampled(rung: str, piece: Callable[[], Any], samples: int) -> dict[str, Any]:
    times = times_of(piece)
    possible = set().union(*(possible_stacks([piece]) for _ in range(3)))
    row: dict[str, Any] = {"rung": rung, "workload": piece.__name__, "possible": len(possible), "asked": samples}
    for walker, enough in (("own", samples), ("broken", max(500, samples // 50))):
        with NativeSampler(RUNGS[rung], with_fault=walker == "broken") as sampler:
            raw = sampled_stacks(sampler, PERIOD_NS, enough, [piece], times)
        wrong, counts = impossible_stacks(raw, possible), raw.counts
        row[walker] = {
            "taken": counts.taken,
            "stacks": len(raw.stacks),
            "impossible": sum(s.count for s in wrong),
            "unwindable": counts.unwindable,
            "lost": counts.lost + counts.overflowed,
            "examples": [";".join(f.qualname for f in s.frames) for s in wrong[:3]] if walker == "own" else [],
        }
    return row


def shown(row: dict[str, Any]) -> bool:
    own, broken = row["own"], row["broken"]
    unreadable = own["unwindable"] / (own["taken"] + own["unwindable"])
    faults = [
        *(["IMPOSSIBLE"] if own["impossible"] else []),
        *(["FAULT UNNOTICED"] if not broken["impossible"] else []),
    ]
    print(
        f"{row['python']:<9}{row['rung']:<7}{row['workload']:<18}{own['impossible']:>4} impossible of "
        f"{own['taken']:>6} ({own['stacks']:>5} different), unwindable {unreadable:7.3%}, lost {own['lost']}; broken: "
        f"{broken['impossible']} of {broken['taken']}  {' '.join(faults)}",
        flush=True,
    )
    for example in own["examples"]:
        print(f"    {example}")
    return not faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000, help="for each workload")
    parser.add_argument("--rung", choices=RUNGS, default="perf")
    parser.add_argument("--workload", action="append", choices=[piece.__name__ for piece in ALL_PIECES])
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "stacks.jsonl")
    options = parser.parse_args()
    print(machine())
    series, good, rows = Series(options.results), True, list[dict[str, Any]]()
    for piece in ALL_PIECES:
        if options.workload and piece.__name__ not in options.workload:
            continue
        key = {"rung": options.rung, "workload": piece.__name__, "asked": options.samples}
        if not series.having(**key, python=platform.python_version()):
            series.add(sampled(options.rung, piece, options.samples))
        rows.append(series.having(**key, python=platform.python_version())[-1])
        good &= shown(rows[-1])
    taken, unwindable = (sum(row["own"][name] for row in rows) for name in ("taken", "unwindable"))
    unreadable = unwindable / (taken + unwindable)
    print(f"together {taken} samples, unwindable {unreadable:.3%}{'' if unreadable < UNREADABLE else '  TOO MANY'}")
    good &= unreadable < UNREADABLE
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
