"""Do other tools alarm when they should, and only then? On the same machine, in the same hour, at equal cost.

    python -m benchmarks.verdicts.peers --results build/peers --repeats 20 --budget 10
    python -m benchmarks.verdicts.peers --results build/peers --neighbour --tool pyperf --tool pytest-flame
    python -m benchmarks.verdicts.peers --results build/peers --table

Every repeat makes a repository with two commits for each workload and change, and runs each tool in random order, one
after the other. Answers go to ``decisions.jsonl``, outputs to ``raw``; when started again, it does only what is
missing. Each tool is installed into its own environment in ``environments``. ``--verify`` measures the true ratio of
every change with many pairs and adds it to the table.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.verdicts.conditions import Condition, neighbours
from benchmarks.verdicts.peers_project import Change, write_repository
from benchmarks.verdicts.peers_results import Cell, Decision, Results
from benchmarks.verdicts.peers_tables import report
from benchmarks.verdicts.peers_tools import TOOLS, Trial, decide, install, version
from benchmarks.verdicts.shop import WORKLOADS


def ask(results: Results, cell: Cell, tool_version: str) -> Decision:
    tool = TOOLS[cell.tool]
    environments = results.folder / "environments"
    venv = install(tool, environments)
    calibration = results.calibration(cell.workload)
    raw = results.folder / "raw" / cell.slug / cell.tool
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        project = Path(scratch) / "shop"
        write_repository(project, cell.workload, calibration, Change(cell.change))
        trial = Trial(project, raw, venv, cell.budget, calibration.whole, environments)
        with neighbours(Condition(cell.condition)):
            decided = decide(tool, trial)
    return Decision(cell, tool_version, dict(decided.answers), decided.broken, dict(decided.cpu), decided.seconds)


def cells(
    tools: Sequence[str],
    workloads: Sequence[str],
    changes: Sequence[Change],
    condition: Condition,
    budget: float,
    repeats: Iterable[int],
) -> list[Cell]:
    """Repeats are the outer loop, so that an interrupted series has everything; tools run in random order."""
    found = []
    for repeat, workload, change in itertools.product(repeats, workloads, changes):
        order = random.Random(f"{repeat} {workload} {change}").sample(list(tools), len(tools))
        found += [Cell(tool, workload, str(change), str(condition), budget, repeat) for tool in order]
    return found


def run(results: Results, wanted: Sequence[Cell]) -> None:
    """Decisions of another version of a tool are kept, but not counted for this one."""
    environments = results.folder / "environments"
    versions = {name: version(TOOLS[name], install(TOOLS[name], environments)) for name in {c.tool for c in wanted}}
    done = {(decision.cell, decision.version) for decision in results.read()}
    missing = [cell for cell in wanted if (cell, versions[cell.tool]) not in done]
    for number, cell in enumerate(missing, start=1):
        decision = ask(results, cell, versions[cell.tool])
        results.append(decision)
        said = "; ".join(f"{rule}: {'ALARM ' if a.alarmed else ''}{a.said}" for rule, a in decision.answers.items())
        print(
            f"{number}/{len(missing)} {cell.tool} {cell.slug} ({decision.seconds:.0f} s, "
            f"{decision.measuring:.1f} CPU s per side): {decision.broken or said}",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="keep everything here, and resume")
    parser.add_argument("--repeats", type=int, default=20, help="decisions for each tool, workload and change")
    parser.add_argument("--first", type=int, default=0, help="number of the first repeat (default: 0)")
    parser.add_argument(
        "--budget", type=float, default=10, metavar="SECONDS", help="CPU seconds per side (default: 10)"
    )
    parser.add_argument("--tool", action="append", choices=list(TOOLS), metavar="NAME", help=", ".join(TOOLS))
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="default: all")
    parser.add_argument("--change", action="append", choices=[c.slug for c in Change], help="default: all")
    parser.add_argument("--neighbour", action="store_true", help="keep one core busy meanwhile")
    parser.add_argument(
        "--verify", type=int, metavar="PAIRS", help="measure the true ratios with this many pairs first"
    )
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    results = Results(options.results.resolve())
    workloads = options.workload or list(WORKLOADS)
    changes = [change for change in Change if not options.change or change.slug in options.change]
    if not options.table:
        if options.verify:
            results.verify(workloads, changes, options.verify)
        condition = Condition.NEIGHBOUR if options.neighbour else Condition.QUIET
        repeats = range(options.first, options.first + options.repeats)
        run(results, cells(options.tool or list(TOOLS), workloads, changes, condition, options.budget, repeats))
    print(f"\n95 % Wilson intervals in percent\n\n{report(results.read(), results.read_verified())}")


if __name__ == "__main__":
    main()
