"""What a two-sided profile costs to draw, from a thousand functions in the tree to a million: time, memory, bytes.

    python -m benchmarks.render.growth [--nodes 1000 10000 100000 1000000] [--tests 1000] [--keep build/render]

Profiles are generated (profiles.py), each size in a fresh process. ``tree`` is profiles to tree, ``boxes`` the layout
of a static picture, ``svg`` and ``page`` everything from the recordings of both sides to the text of the file. Times
are CPU seconds, the smallest of the repeats. The last line is a report of many tests, five of them regressed, each with
its own small graph. ``--keep`` names a folder for the pages, which latency.py opens in a browser. Exit status 1 if ten
times as many functions cost more than ``--most`` times as much.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from benchmarks.render.profiles import judged, make_pair, run_of
from pytest_flame.model import Verdict
from pytest_flame.render.html import result_html
from pytest_flame.render.layout import build_tree, lay_out
from pytest_flame.render.svg import differential_svg

T = TypeVar("T")
STEPS = ("tree", "boxes", "svg", "page")
FUNCTIONS_A_TEST = 200
SETTLED = 10_000
"""Below this size, the fixed cost is too large a part of the total to tell anything about growth."""


def timed(work: Callable[[], T], repeats: int) -> tuple[float, T]:
    best, result = float("inf"), None
    for _ in range(repeats):
        began = time.process_time()
        result = work()
        best = min(best, time.process_time() - began)
    assert result is not None
    return best, result


def measure(nodes: int, repeats: int, keep: Path | None) -> dict[str, float]:
    pair = make_pair(nodes)
    tree_s, tree = timed(lambda: build_tree(pair.base, pair.head), repeats)
    boxes_s, _ = timed(lambda: lay_out(tree), repeats)
    judgement = judged(pair)
    svg_s, svg = timed(lambda: differential_svg(judgement), repeats)
    page_s, page = timed(lambda: result_html(run_of(judgement)), repeats)
    if keep:
        (keep / f"{nodes}.page.html").write_text(page, encoding="utf-8")
    return {
        "nodes": len(tree),
        "stacks": len(pair.base) + len(pair.head),
        "deep": sum(map(len, pair.head)) / len(pair.head),
        "tree": tree_s,
        "boxes": boxes_s,
        "svg": svg_s,
        "page": page_s,
        "svg_bytes": len(svg.encode()),
        "page_bytes": len(page.encode()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def report(tests: int, keep: Path | None) -> str:
    """A run of many tests: what its page costs."""
    judgements = [judged(make_pair(FUNCTIONS_A_TEST, seed)) for seed in range(10)]
    run = run_of(
        *(
            replace(
                judgements[i % 10],
                test_id=f"tests/test_made_up.py::test_{i}",
                verdict=Verdict.REGRESSED if i < 5 else Verdict.PASS,
            )
            for i in range(tests)
        )
    )
    seconds, page = timed(lambda: result_html(run), 1)
    if keep:
        (keep / f"{tests}.tests.html").write_text(page, encoding="utf-8")
    size = len(page.encode()) / 1e6
    return f"report of {tests:,} tests, {FUNCTIONS_A_TEST} functions each: {seconds:.1f} s, {size:.1f} MB"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=float, default=20.0, help="most growth of time for ten times the functions")
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    if options.one:
        print(json.dumps(measure(options.nodes[0], options.repeats, options.keep)))
        return 0
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, CPython {sys.version.split()[0]}")
    print(
        f"{'functions':>10}{'stacks':>10}{'deep':>6}"
        + "".join(f"{step + ' s':>9}" for step in STEPS)
        + f"{'µs each':>9}",
        end="",
    )
    print(f"{'svg MB':>8}{'page MB':>9}{'peak MB':>9}")
    rows = []
    for nodes in options.nodes:
        command = [sys.executable, "-m", "benchmarks.render.growth", "--one"]
        command += ["--nodes", str(nodes), "--repeats", str(options.repeats)]
        command += ["--keep", str(options.keep)] if options.keep else []
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(row)
        print(
            f"{row['nodes']:10,}{row['stacks']:10,}{row['deep']:6.1f}"
            + "".join(f"{row[step]:9.3f}" for step in STEPS)
            + f"{row['page'] / row['nodes'] * 1e6:9.1f}{row['svg_bytes'] / 1e6:8.2f}{row['page_bytes'] / 1e6:9.2f}"
            + f"{row['peak_mb']:9.0f}",
            flush=True,
        )
    steep = False
    for small, large in pairwise(rows):
        if small["nodes"] < SETTLED:
            continue
        tenfold = [(large[step] / small[step]) * 10 / (large["nodes"] / small["nodes"]) for step in STEPS]
        steep |= max(tenfold[STEPS.index("tree")], tenfold[STEPS.index("page")]) > options.most
        grown = ", ".join(f"{step} × {factor:.1f}" for step, factor in zip(STEPS, tenfold, strict=True))
        print(f"ten times as many functions, {small['nodes']:,} to {large['nodes']:,}: {grown}")
    if options.tests:
        print(report(options.tests, options.keep))
    return 1 if steep else 0


if __name__ == "__main__":
    sys.exit(main())
