"""The cost of a body in a process of the gate, compared with a bare loop in a large frame in its own process.

    python -m benchmarks.cost.worker [--pairs 10] [--rounds 20] [--only json,regex] [--limit 1.03]
    sh ci/pythons.sh run 3.14 python -m benchmarks.cost.worker

Runs three processes in random order again and again, with one hash seed. Prints the ratio of the costs, worker over
bare loop, with its 95 % interval; the same for a worker that takes no samples, which shows the effect of the process
alone; and page faults per iteration, in the worker and in the loop. Exit status 1 if the interval of a ratio, sampling
included, is above the limit.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cost.processes import ROUNDS, Cost, calibrated, in_bare_loop, in_worker
from pytest_flame.measure.job import Plan
from pytest_flame.stats.student import quantile

SUBJECTS = Path(__file__).with_name("subjects.py")
NEEDS = ("pyparsing==3.0.9",)
"""In addition to what the package itself needs."""
WORKER, UNSAMPLED, BARE = SIDES = ("worker", "unsampled", "bare")


def names() -> list[str]:
    lines = SUBJECTS.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("def test_").partition("(")[0] for line in lines if line.startswith("def test_")]


def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of the pairs' ratios, and its 95 % interval."""
    logs = [math.log(a / b) for a, b in zip(over, under, strict=True)]
    middle = statistics.fmean(logs)
    reach = math.inf
    if len(logs) > 1:
        reach = float(quantile(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle), math.exp(middle - reach), math.exp(middle + reach)


def shown(interval: tuple[float, float, float]) -> str:
    return "{:.3f} [{:.3f}, {:.3f}]".format(*interval)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10, help="of each body (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each process (%(default)s)")
    parser.add_argument("--only", default="", help=f"of {', '.join(names())}; separated by commas, all by default")
    parser.add_argument("--limit", type=float, default=1.03, help="of worker over bare loop (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else names()
    rng = random.Random(options.seed)
    costs: dict[str, dict[str, list[Cost]]] = {name: {side: [] for side in SIDES} for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        libraries = project / "libraries"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--target", str(libraries), *NEEDS], check=True)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(libraries), os.environ.get("PYTHONPATH"))))
        (project / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        file = Path(shutil.copy(SUBJECTS, project / "test_subjects.py"))
        found = {name: calibrated(project, f"test_subjects.py::test_{name}") for name in chosen}
        plans = {name: Plan(plan.iterations, options.rounds) for name, plan in found.items()}
        for _ in range(options.pairs):
            for name in rng.sample(chosen, len(chosen)):
                seed, plan = rng.randrange(1 << 32), plans[name]
                for side in rng.sample(SIDES, len(SIDES)):
                    if side == BARE:
                        cost = in_bare_loop(file, f"test_{name}", plan, seed)
                    else:
                        test = f"test_subjects.py::test_{name}"
                        cost = in_worker(project, test, plan, seed, sampling=side == WORKER)
                    costs[name][side].append(cost)
    print(f"CPython {'.'.join(map(str, sys.version_info[:3]))}, {options.pairs} pairs, worker over bare loop")
    print(f"{'body':16}{'bare loop':>12}  {'worker / bare loop':24}{'not sampling':24}{'faults':>8}{'':>8}")
    beyond = False
    for name in chosen:
        worker, unsampled, loop = (costs[name][side] for side in SIDES)
        sampled = ratio([c.ns for c in worker], [c.ns for c in loop])
        without = ratio([c.ns for c in unsampled], [c.ns for c in loop])
        faults = [statistics.median(c.faults for c in side) for side in (worker, loop)]
        bare = f"{statistics.median(c.ns for c in loop) / 1000:.1f} µs"
        print(f"{name:16}{bare:>12}  {shown(sampled):24}{shown(without):24}{faults[0]:8.1f}{faults[1]:8.1f}")
        beyond |= sampled[1] > options.limit
    return int(beyond)


if __name__ == "__main__":
    raise SystemExit(main())
