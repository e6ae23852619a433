"""Are the call counts of a real suite the same in every process, and in another checkout?

    python -m benchmarks.suite.counts jinja REPOSITORY PACKAGES --tests 10 --repeats 20

``--tests`` tests, drawn once, are counted ``--repeats`` times with each hash seed, every other time in a checkout on
another path. A function whose calls differ between two hash seeds is named by the gate as not the same in every
process; its calls are not compared.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.suite.projects import ENVIRONMENT, PROJECTS, Project, environment, passes
from pytest_flame.model import Calls, Counted, Footprint
from pytest_flame.trees.scratch import Scratch, scratch_directory

PATHS = ("checkout", "elsewhere")
"""Folders of the two checkouts."""

Pass = tuple[Footprint, Calls]


def test_ids(tree: Path, project: Project, packages: Path) -> list[str]:
    """Of the whole suite."""
    words = [sys.executable, "-m", "pytest", "tests", "--collect-only", "-q", *project.arguments(tree, packages)]
    done = subprocess.run(words, cwd=tree, env=environment(), capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if "::" in line]


def unlike(repeats: Sequence[Sequence[Pass]]) -> list[str]:
    """What is not the same in all repeats of one test: counts but for those named as unstable, footprints."""
    first = repeats[0]
    unstable = {frame for one in repeats for frame in Counted.of(one).unstable}
    found = []
    for number, (footprint, calls) in enumerate(first):
        for other in repeats[1:]:
            edges = {edge for edge, _ in calls.edges.items() ^ other[number][1].edges.items()}
            if edges := {edge for edge in edges if unstable.isdisjoint(edge)}:
                found.append(f"calls: {sorted(edges)[0]}")
            if footprint.digest != other[number][0].digest:
                found.append("footprint")
    return sorted(set(found))


def repeated(project: Project, repository: Path, packages: Path, scratch: Scratch, tests: int, repeats: int) -> str:
    trees = [scratch.path / name for name in PATHS]
    for tree in trees:
        project.export(repository, "HEAD", tree)
    ids = sorted(random.Random(0).sample(test_ids(trees[0], project, packages), tests))
    found: dict[str, list[list[Pass]]] = {test: [] for test in ids}
    for repeat in range(repeats):
        tree = trees[repeat % len(trees)]
        counted = passes(ids, {"one": project.launcher(tree, packages, scratch.path / "o", scratch)})["one"]
        for test in ids:
            if (one := counted.footprints(test)) is not None:
                found[test].append(one)
    complete = {test: runs for test, runs in found.items() if len(runs) == repeats}
    different = {test: what for test, runs in complete.items() if (what := unlike(runs))}
    named = {test for test, runs in complete.items() if any(Counted.of(one).unstable for one in runs)}
    lines = [
        f"{project.name}: {len(complete)} of {len(ids)} tests counted {repeats} times with each of two hash seeds",
        f"  calls per test: {min(calls_of(complete), default=0)} to {max(calls_of(complete), default=0)}",
        f"  tests with functions named as not deterministic: {len(named)}",
        f"  tests whose other counts or footprints differ (must be 0): {len(different)}",
        *(f"  {test}: {', '.join(what)}" for test, what in different.items()),
    ]
    return "\n".join(lines)


def calls_of(runs: dict[str, list[list[Pass]]]) -> list[int]:
    return [sum(one[0][0][1].functions.values()) for one in runs.values()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", choices=sorted(PROJECTS))
    parser.add_argument("repository", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--tests", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=20)
    options: Any = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    project = PROJECTS[options.project]
    with scratch_directory() as scratch:
        print(
            repeated(project, options.repository, options.packages.resolve(), scratch, options.tests, options.repeats)
        )


if __name__ == "__main__":
    main()
