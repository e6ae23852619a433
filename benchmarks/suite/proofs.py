"""Does the exact pass find every commit that changes what a test executes?

    python -m benchmarks.suite.proofs jinja REPOSITORY PACKAGES --commits 40 --results build/suite/jinja.jsonl

``REPOSITORY`` is the project's git directory, ``PACKAGES`` a folder with what it requires (``pip install --target``).
At each of the latest commits that change its code or tests, ``slow_tracer`` finds what the tests of ``--files`` of its
test files execute, drawn once. Of the tests that execute something else than at the commit before, those with the
smallest difference are given to the exact pass on both commits, and as many of those that execute the same. Runs are
appended to the results; started again, the script does only what is missing there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.suite.projects import ENVIRONMENT, PROJECTS, Project, environment, git, passes
from pytest_flame.measure.counting import Passes
from pytest_flame.measure.job import Status
from pytest_flame.model import Counted, ExactComparison, differences
from pytest_flame.trees.scratch import Scratch, scratch_directory

CHECKOUT: Final = Path(__file__).parents[2]
SIDES: Final = ("one", "two")
"""Commits before and after; folders of equal length."""

Executed = Mapping[str, frozenset[tuple[str, str]]]
"""Test id → what it executes, of the tests that pass."""


@dataclass(frozen=True, slots=True)
class Found:
    """One test at one commit and the one before. ``executes``: how many functions the slow tracer finds to differ.
    ``same_code`` is the gate's answer; ``same_inputs`` without regard to what cannot be accounted for."""

    test: str
    executes: int
    same_code: bool
    same_inputs: bool
    why_not: str

    @property
    def wrong(self) -> bool:
        return bool(self.executes) and (self.same_code or self.same_inputs)


@dataclass(frozen=True, slots=True)
class Commit:
    """``tests``, ``changed``: passing tests of both commits, and those of them that execute something else.
    ``uncounted``: how the tests ended that the exact pass did not count."""

    commit: str
    tests: int
    changed: int
    found: tuple[Found, ...]
    uncounted: tuple[str, ...]
    functions: tuple[str, ...]
    """Some that differ, by the slow tracer."""

    @classmethod
    def from_json(cls, line: str) -> Self:
        data = json.loads(line)
        data["found"] = tuple(Found(**one) for one in data["found"])
        return cls(**data)


def executed(project: Project, tree: Path, packages: Path, scratch: Path, files: Sequence[str]) -> Executed:
    """By the slow tracer; files that the tree does not have are left out."""
    output = scratch / "traced.jsonl"
    words = [sys.executable, "-m", "benchmarks.suite.slow_tracer", str(output), str(tree), ",".join(project.modules)]
    words += [file for file in files if (tree / file).exists()]
    words += ["--", "-q", f"--basetemp={scratch / 'traced'}", *project.arguments(tree, packages)]
    paths = os.pathsep.join(map(str, (CHECKOUT, packages)))
    with (scratch / "traced.txt").open("w") as said:
        subprocess.run(
            words, cwd=tree, env={**environment(), "PYTHONPATH": paths}, stdout=said, stderr=said, check=True
        )
    shared: frozenset[tuple[str, str]] = frozenset()
    found = {}
    for line in output.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if "shared" in message:
            shared = frozenset(map(tuple, message["shared"]))
        elif message["passed"]:
            found[message["test"]] = shared | frozenset(map(tuple, message["added"]))
    return found


def is_own(name: str) -> bool:
    """Whether a function is the project's, or made by it. Libraries are the same at every commit, so that what a test
    executes can differ in them only after it has differed here; which of their functions run also depends on when
    threads and objects end."""
    return not name.startswith(("/", "<frozen "))


def compared(test: str, executes: int, before: Passes, after: Passes) -> Found | str:
    """How it ended, if one side could not be counted."""
    base, head = before.footprints(test), after.footprints(test)
    if base is None or head is None:
        ends = [f"{r.status.value}: {r.message}" for side in (before, after) for r in side.results[test]]
        return next(end for end in ends if not end.startswith(Status.COUNTED.value))
    differing = [what for (one, _), (two, _) in zip(base, head, strict=True) for what in differences(one, two)]
    exact = ExactComparison(Counted.of(base), Counted.of(head), tuple(dict.fromkeys(differing)))
    same_inputs = exact.base.digests == exact.head.digests and exact.same_calls
    return Found(test, executes, exact.same_code, same_inputs, exact.why_not)


def chosen(changes: Mapping[str, int], most: int, seed: str) -> list[str]:
    """``most`` tests of those that changed, with the smallest change, and ``most`` of the others, from few files."""
    drawn = random.Random(seed)
    tests = sorted(changes)
    drawn.shuffle(tests)
    differ = sorted((test for test in tests if changes[test]), key=lambda test: changes[test])[:most]
    same = [test for test in tests if not changes[test]]
    files = {test.partition("::")[0] for test in differ or same[:1]}
    same.sort(key=lambda test: test.partition("::")[0] not in files)
    return [*differ, *same[:most]]


@dataclass
class Series:
    """Commits one after the other: what a commit's tests execute is found once."""

    project: Project
    repository: Path
    packages: Path
    scratch: Scratch
    most: int
    files: Sequence[str] = ()
    traced: dict[str, Executed] = field(default_factory=dict)

    def trace(self, commit: str) -> Executed:
        if commit not in self.traced:
            tree = self.scratch.path / "all"  # the same folder for every commit
            self.project.export(self.repository, commit, tree)
            self.traced[commit] = executed(self.project, tree, self.packages, self.scratch.path, self.files)
        return self.traced[commit]

    def commit(self, before: str, commit: str) -> Commit:
        for side, at in zip(SIDES, (before, commit), strict=True):
            self.project.export(self.repository, at, self.scratch.path / side)
        one, two = self.trace(before), self.trace(commit)
        self.traced = {before: one}
        differing = {
            test: {name for name, _ in one[test] ^ two[test] if is_own(name)} for test in one.keys() & two.keys()
        }
        changes = {test: len(names) for test, names in differing.items()}
        tests = chosen(changes, self.most, commit)
        sides = {
            side: self.project.launcher(
                self.scratch.path / side, self.packages, self.scratch.path / f"{side}-", self.scratch
            )
            for side in SIDES
        }
        counted = passes(tests, sides)
        results = [compared(test, changes[test], *(counted[side] for side in SIDES)) for test in tests]
        return Commit(
            commit,
            len(changes),
            sum(map(bool, changes.values())),
            tuple(r for r in results if isinstance(r, Found)),
            tuple(r for r in results if isinstance(r, str)),
            tuple(sorted({name for names in differing.values() for name in names})[:10]),
        )


def table(commits: Sequence[Commit]) -> str:
    found = [one for commit in commits for one in commit.found]
    changed, same = [f for f in found if f.executes], [f for f in found if not f.executes]
    changing = [c for c in commits if c.changed]
    rows = [
        ("commits", len(commits)),
        ("  that change what a test executes", len(changing)),
        ("  of these found", sum(any(f.executes and not f.same_inputs for f in c.found) for c in changing)),
        ("tests that execute something else", len(changed)),
        ("  said to be the same code (must be 0)", sum(f.same_code for f in changed)),
        ("  with equal inputs, but for what is unknown (must be 0)", sum(f.same_inputs for f in changed)),
        ("tests that execute the same", len(same)),
        ("  proved", sum(f.same_code for f in same)),
        ("  with equal inputs, but something unknown", sum(f.same_inputs and not f.same_code for f in same)),
        ("tests that were not counted", sum(len(c.uncounted) for c in commits)),
    ]
    why = Counter(f.why_not.partition(":")[2].strip()[:100] or f.why_not for f in same if not f.same_code)
    lines = [f"{name:<60} {number:>6}" for name, number in rows]
    lines += [f"not proved, {number} times: {text}" for text, number in why.most_common(12)]
    lines += [
        f"not counted, {n} times: {t}" for t, n in Counter(u for c in commits for u in c.uncounted).most_common(5)
    ]
    lines += [
        f"WRONG {c.commit[:10]} {f.test}: {f.executes} differ, {c.functions}"
        for c in commits
        for f in c.found
        if f.wrong
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", choices=sorted(PROJECTS))
    parser.add_argument("repository", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--until", default="HEAD", metavar="REF", help="the last commit")
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--files", type=int, default=6, help="how many test files are traced")
    parser.add_argument("--tests", type=int, default=4, help="changed tests per commit, and as many unchanged ones")
    parser.add_argument("--results", type=Path, required=True)
    options: Any = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    project, repository = PROJECTS[options.project], options.repository
    commits = project.commits(repository, options.until, options.commits + 1)
    listed = git(repository, "ls-tree", "-r", "--name-only", commits[0], "--", "tests").split()
    files = [file for file in listed if Path(file).name.startswith("test_") and file.endswith(".py")]
    files = sorted(random.Random(0).sample(files, min(options.files, len(files))))
    text = options.results.read_text(encoding="utf-8") if options.results.exists() else ""
    done = {one.commit: one for one in map(Commit.from_json, text.splitlines())}
    with scratch_directory() as scratch:
        series = Series(project, repository, options.packages.resolve(), scratch, options.tests, files)
        for before, commit in [*pairwise(commits)][::-1]:
            if commit in done:
                continue
            one = done[commit] = series.commit(before, commit)
            with options.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps(asdict(one)) + "\n")
            wrong = sum(f.wrong for f in one.found)
            print(
                f"{commit[:10]} {one.changed} of {one.tests} tests changed, {len(one.found)} counted, {wrong} wrong",
                flush=True,
            )
    print(f"\n{project.name}: {', '.join(files)}\n{table([done[c] for c in commits[1:] if c in done])}")


if __name__ == "__main__":
    main()
