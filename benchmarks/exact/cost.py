"""CPU time of a real suite's tests, with the exact pass and with cProfile, over that without either.

    python -m benchmarks.exact.cost [--repeats 5] FOLDER [ARGUMENTS OF PYTEST]

``FOLDER`` has the suite, as an unpacked source distribution does. Each process runs all of it; the ways take turns, and
the smallest CPU time of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WAYS = ("plain", "exact", "cProfile")
CHECKOUT = Path(__file__).parents[2]


def run(way: str, folder: Path, arguments: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "benchmarks.exact.suite", way, "-q", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of pytest")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way in WAYS:
            runs[way].append(run(way, options.folder, options.arguments))
    print(f"{'':>10} {'tests':>6} {'bodies s':>9} {'ratio':>6} {'whole s':>8} {'ratio':>6} {'calls':>11}")
    plain = [min(r[key] for r in runs["plain"]) for key in ("body_ns", "whole_ns")]
    for way in WAYS:
        body, whole = (min(r[key] for r in runs[way]) for key in ("body_ns", "whole_ns"))
        print(
            f"{way:>10} {runs[way][0]['tests']:>6} {body / 1e9:>9.2f} {body / plain[0]:>6.2f} "
            f"{whole / 1e9:>8.2f} {whole / plain[1]:>6.2f} {runs[way][0]['calls'] or '':>11}"
        )
    for what in runs["exact"][0]["unknown"]:
        print(f"cannot be accounted for: {what}")


if __name__ == "__main__":
    main()
