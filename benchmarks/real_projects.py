"""Is the gate right about third-party libraries?

    python -m benchmarks.real_projects --repeats 5 --keep build/real-projects

Each library is fetched in pinned versions and copied into its own project, where its package is the project's code and
``libraries/test_*.py`` uses it. Three kinds of cases, each gated ``--repeats`` times: the same code again; two
releases, one of which is slower; a busy loop of a size chosen beforehand in an existing function. The expected results
are in ``LIBRARIES``, written from diffs and profiles before the first run. Runs are appended to ``results.jsonl`` in
the kept directory; started again, the script does only what is missing there. Nothing that was measured is left out of
the table: a run that broke counts as a miss.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any, Self

from benchmarks import trial
from benchmarks.injection import BusyLoop, part_per_round, rounds_for, seconds_by_side
from benchmarks.intervals import shown
from benchmarks.trial import (
    ROOT,
    Outcome,
    aligned,
    append_result,
    copy_project,
    read_results,
    source_hash,
    working_folder,
)

USES = ROOT / "benchmarks" / "libraries"
SIZES = (0.05, 0.10, 0.25)
"""Of the injected slowdowns, as shares of the test's cost."""
IDENTICAL = "identical"


@dataclass(frozen=True, slots=True)
class Releases:
    """``head`` does more than ``base`` on ``test``; ``culprits`` are patterns of the frames that do."""

    base: str
    head: str
    test: str
    culprits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """``packages`` and ``requires`` (pinned, pure Python) become the project's own code."""

    name: str
    version: str
    packages: tuple[str, ...]
    uses: str
    tests: tuple[str, ...]
    loop: BusyLoop
    releases: tuple[Releases, ...]
    requires: tuple[str, ...] = ()


LIBRARIES = (
    Library(
        "sqlparse",
        "0.5.0",
        ("sqlparse",),
        "test_sqlparse.py",
        ("test_split", "test_format"),
        BusyLoop("sqlparse/lexer.py", "Lexer.is_keyword", "test_split"),
        # Two more expressions are tried at every token: "asc" and "desc" left the dictionary of keywords.
        (Releases("0.5.0", "0.5.3", "test_split", ("sqlparse.lexer:Lexer.get_tokens",)),),
    ),
    Library(
        "markdown-it-py",
        "4.0.0",
        ("markdown_it", "mdurl"),
        "test_markdown_it.py",
        ("test_document", "test_prose", "test_dense"),
        BusyLoop("markdown_it/rules_block/state_block.py", "StateBlock.isEmpty", "test_document"),
        # 4.0 looks for the end of plain text with one expression instead of character by character: a start costs
        # more, a character less. Dense markup pays for it, long prose gains; back to 3.0 it is the other way round.
        (
            Releases("3.0.0", "4.0.0", "test_dense", ("markdown_it.rules_inline.text:text",)),
            Releases("4.0.0", "3.0.0", "test_prose", ("markdown_it.rules_inline.text:text",)),
        ),
        requires=("mdurl==0.1.2",),
    ),
    Library(
        "tomlkit",
        "0.14.0",
        ("tomlkit",),
        "test_tomlkit.py",
        ("test_parse", "test_dumps", "test_build"),
        BusyLoop("tomlkit/container.py", "ends_with_whitespace", "test_build"),
        (
            # Whether a table only holds tables is no longer read off their number: children are looked at, by keys
            # made again for it.
            Releases(
                "0.13.0",
                "0.13.1",
                "test_build",
                ("tomlkit.items:Table.is_super_table", "tomlkit.items:SingleKey.*"),
            ),
            # Emptied arrays of tables are looked for in every scope that is written.
            Releases(
                "0.14.0",
                "0.15.2",
                "test_dumps",
                (
                    "tomlkit.container:_header_less_aots",
                    "tomlkit.container:_is_empty_aot",
                    "tomlkit.container:_emits_header",
                    "tomlkit.container:Container._render_table",
                ),
            ),
            # 0.15 no longer copies a table deeply each time a sub-table is added; back to 0.14 it does.
            Releases("0.15.2", "0.14.0", "test_parse", ("copy:*", "tomlkit.container:Container.append")),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One change and the expected result. ``change`` turns a copy of the base into the head."""

    library: Library
    name: str
    base: str
    tests: tuple[str, ...]
    expected: str
    culprits: tuple[str, ...] = ()
    head: str | None = None
    size: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Names the case in the results."""
        return self.library.name, f"{self.name} {'/'.join(self.tests)}"

    def test_id(self, test: str) -> str:
        return f"tests/{self.library.uses}::{test}"

    def right(self, outcome: Outcome) -> bool:
        return outcome.verdict == self.expected

    def named(self, outcome: Outcome) -> bool:
        """The culprit named first must be one that does more; if nothing does, nothing may be named."""
        if not self.culprits:
            return self.right(outcome) and outcome.culprit is None
        return self.right(outcome) and any(fnmatchcase(outcome.culprit or "", pattern) for pattern in self.culprits)


def cases(library: Library) -> list[Case]:
    loop = library.loop
    found = [Case(library, IDENTICAL, library.version, library.tests, "PASS")]
    for pair in library.releases:
        name = f"{pair.base} → {pair.head}"
        found.append(Case(library, name, pair.base, (pair.test,), "REGRESSED", pair.culprits, head=pair.head))
    for size in SIZES:
        name = f"{100 * size:+.0f} % injected"
        found.append(Case(library, name, library.version, (loop.test,), "REGRESSED", (loop.frame,), size=size))
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """One case gated once."""

    library: str
    case: str
    repeat: int
    mode: str
    source: str
    seconds: float
    tests: dict[str, Outcome] = field(default_factory=dict)
    broken: str | None = None

    @classmethod
    def from_json(cls, line: str) -> Self:
        data = json.loads(line)
        data["tests"] = {test_id: Outcome(**outcome) for test_id, outcome in data["tests"].items()}
        return cls(**data)

    @property
    def key(self) -> tuple[str, str]:
        return self.library, self.case

    def outcome(self, test_id: str) -> Outcome:
        return self.tests.get(test_id) or Outcome("no result", self.broken or "not in the result file")


# --- one session -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """Where libraries, projects and results are kept, and how heads are gated."""

    folder: Path
    mode: str
    options: tuple[str, ...]
    timeout: float
    source: str

    @property
    def results(self) -> Path:
        return self.folder / "results.jsonl"

    def fetched(self, library: Library, version: str) -> Path:
        """The sources of one version, fetched once."""
        target = self.folder / "fetched" / f"{library.name}-{version}"
        if not target.is_dir():
            partial = target.with_name(target.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            wanted = [f"{library.name}=={version}", *library.requires]
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
            subprocess.run([*command, "--target", str(partial), *wanted], check=True)
            partial.rename(target)
        return target

    def place(self, library: Library, version: str, project: Path) -> None:
        """Replace the library's packages in ``project`` by those of ``version``."""
        for package in library.packages:
            copy_project(self.fetched(library, version) / package, project / package)

    def base(self, case: Case) -> Path:
        """The project with the base version, recorded once; an incomplete one is made again."""
        base = self.folder / f"{case.library.name}-{case.base}" / "base"
        ready = base / ("flame-baselines")
        stamp = base.parent / f"{self.mode}-{self.source}"
        if not (stamp.exists() and ready.is_dir()):
            shutil.rmtree(base, ignore_errors=True)
            (base / "tests").mkdir(parents=True)
            shutil.copy(USES / case.library.uses, base / "tests")
            (base / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n', encoding="utf-8")
            self.place(case.library, case.base, base)
            print(f"recording baselines of {case.library.name} {case.base}", flush=True)
            used = {test for one in cases(case.library) if one.base == case.base for test in one.tests}
            options = [*self.options, f"--flame-sampler={self.mode}", *map(case.test_id, sorted(used))]
            trial.record_baselines(base, options, 10 * self.timeout)
            stamp.touch()
        return base

    def head(self, case: Case) -> Path:
        """A copy of the base with the change made, on a path as long as the base's."""
        base = self.base(case)
        head = base.with_name("head")
        copy_project(base, head)
        if case.head is not None:
            self.place(case.library, case.head, head)
        if case.size is not None:
            case.library.loop.insert(head, rounds_for(case.size, self.part_per_round(case)))
        return head

    def part_per_round(self, case: Case) -> float:
        """The cost of a round of the library's busy loop, found once by plain timing."""
        base = self.base(case)

        def compute() -> float:
            return part_per_round(case.library.loop, base, base.with_name("plain"), case.library.uses)

        return float(remembered(base.parent / f"loop-{self.source}.json", compute))

    def plain(self, case: Case) -> float | None:
        """Head over base by plain timing of the test function, without the gate. None if nothing was changed."""
        if case.name == IDENTICAL:
            return None
        base = self.base(case)

        def compute() -> float:
            head = self.head(case)
            slow, fast = seconds_by_side(head, base, case.library.uses, case.tests[0])
            return slow / fast

        name = "".join(c if c.isalnum() or c == "." else "-" for c in case.key[1])
        return float(remembered(base.parent / f"plain-{name}-{self.source}.json", compute))

    def gate(self, case: Case, repeat: int, seed: int) -> Run:
        head = self.head(case)
        sampler = [f"--flame-sampler={self.mode}"]
        options = [*self.options, *sampler, f"--flame-seed={seed}"]
        tests = [case.test_id(test) for test in case.tests]
        gated = trial.gate(head, options, tests, self.folder / "result.json", self.timeout)
        return Run(*case.key, repeat, self.mode, self.source, gated.seconds, gated.tests, gated.broken)


def remembered(path: Path, compute: Callable[[], Any]) -> Any:
    """What ``compute`` returned the first time; later read from ``path``."""
    if not path.exists():
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(compute()), encoding="utf-8")
        partial.replace(path)
    return json.loads(path.read_text(encoding="utf-8"))


def run_missing(session: Session, chosen: Sequence[Case], repeats: int) -> list[Run]:
    """All runs, old and new. Repeats are the outer loop, so that an interrupted series covers every case."""
    runs = read_results(session.results, Run.from_json, session.mode, session.source)
    done = {(run.key, run.repeat) for run in runs}
    missing = [(r, i, case) for r in range(repeats) for i, case in enumerate(chosen) if (case.key, r) not in done]
    for number, (repeat, place, case) in enumerate(missing, start=1):
        run = session.gate(case, repeat, seed=1000 * repeat + place)
        append_result(session.results, run)
        runs.append(run)
        said = ", ".join(f"{test} {run.outcome(case.test_id(test)).verdict}" for test in case.tests)
        print(f"{number}/{len(missing)} {' '.join(case.key)} #{repeat} ({run.seconds} s): {said}", flush=True)
    keys = {case.key for case in chosen}
    return [run for run in runs if run.key in keys and run.repeat < repeats]


# --- the table ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation against one outcome."""

    case: Case
    test: str
    repeat: int
    outcome: Outcome

    @property
    def right(self) -> bool:
        return self.case.right(self.outcome)

    @property
    def named(self) -> bool:
        return self.case.named(self.outcome)


def judge(runs: Iterable[Run], chosen: Sequence[Case]) -> list[Judged]:
    by_key = {case.key: case for case in chosen}
    return [
        Judged(by_key[run.key], test, run.repeat, run.outcome(by_key[run.key].test_id(test)))
        for run in runs
        for test in by_key[run.key].tests
    ]


def percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100 * (ratio - 1):+.1f} %"


def table(runs: Sequence[Run], chosen: Sequence[Case], plain: dict[tuple[str, str], float | None]) -> str:
    judged = judge(runs, chosen)
    rows = [("library", "test", "case", "expected", "right", "culprit first", "median effect", "plain timing")]
    for case in chosen:
        for test in case.tests:
            own = [j for j in judged if j.case is case and j.test == test]
            ratios = [j.outcome.ratio for j in own if j.outcome.ratio is not None]
            rows.append(
                (
                    case.library.name,
                    test,
                    case.name,
                    case.expected,
                    shown(sum(j.right for j in own), len(own)),
                    shown(sum(j.named for j in own), len(own)) if case.culprits else "–",
                    percent(median(ratios)) if ratios else "–",
                    percent(plain.get(case.key)),
                )
            )
    return aligned(rows)


def totals(runs: Sequence[Run], chosen: Sequence[Case]) -> str:
    judged = judge(runs, chosen)
    same = [j for j in judged if not j.case.culprits]
    releases = [j for j in judged if j.case.head is not None]
    injected = [j for j in judged if j.case.size is not None]
    counts = [
        ("identical code passed", sum(j.right for j in same), len(same)),
        ("identical code alarmed", sum(j.outcome.verdict == "REGRESSED" for j in same), len(same)),
        ("releases found", sum(j.right for j in releases), len(releases)),
        ("releases, culprit first", sum(j.named for j in releases), len(releases)),
        ("injected found", sum(j.right for j in injected), len(injected)),
        ("injected, culprit first", sum(j.named for j in injected), len(injected)),
    ]
    return aligned([(name, shown(k, n)) for name, k, n in counts])


def misses(runs: Sequence[Run], chosen: Sequence[Case]) -> str:
    """Every outcome that was not as expected, one per line."""
    return "\n".join(
        f"{j.case.library.name} {j.case.name} #{j.repeat} {j.test}: {j.outcome.verdict} "
        f"({j.outcome.culprit or 'nobody'}): {j.outcome.reason}"
        for j in judge(runs, chosen)
        if not j.named
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="runs of each case (default: 5)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="libraries whose name contains NAME"
    )
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="cases whose name contains NAME")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep copies and results here, and resume from them")
    parser.add_argument("--sampler", choices=["auto", "perf", "timer"], default="auto", help="the sampler's rung")
    parser.add_argument("--cpu", metavar="LIST", help="run the measured processes on these CPUs only")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="of one gated run (default: 600)")
    options = parser.parse_args(arguments)
    libraries = [one for one in LIBRARIES if not options.only or any(part in one.name for part in options.only)]
    if not libraries:
        parser.error(f"no library is named {', '.join(options.only)}; there are {', '.join(i.name for i in LIBRARIES)}")
    found = [case for library in libraries for case in cases(library)]
    chosen = [case for case in found if not options.case or any(part in case.name for part in options.case)]
    if not chosen:
        parser.error(f"no case is named {', '.join(options.case)}; there are {', '.join(c.name for c in found)}")
    flame = (f"--flame-cpu={options.cpu}",) if options.cpu else ()
    with working_folder(options.keep, "real-projects-") as folder:
        session = Session(folder, options.sampler, flame, options.timeout, source_hash(USES))
        runs = run_missing(session, chosen, options.repeats)
        plain = {case.key: session.plain(case) for case in chosen}
    print(f"\nsampler {options.sampler}, {len(runs)} runs, 95 % Wilson intervals in percent\n")
    print(f"{table(runs, chosen, plain)}\n")
    print(f"{totals(runs, chosen)}\n\nmisses:\n{misses(runs, chosen) or 'none'}")


if __name__ == "__main__":
    main()
