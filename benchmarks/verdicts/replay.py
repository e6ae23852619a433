"""The verdicts themselves, replayed over banks: false alarms, what is found, and at what price.

    python benchmarks/verdicts/replay.py --results build/banks --judge gate --judge min --threshold 0.05

Pairs of a bank are handed to a judge one after the other until it has decided; the next comparison begins where the
last one ended. So all comparisons of one pass are independent, and none is counted twice; further passes draw anew
which process of a pair is the base, and serve to average only. A slowdown is put into the head's processes: into the
clock and, with ``--frame hottest``, into the samples of the hottest function.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from bank import RESULTS, Entry, banks
from inject import hottest, slowed
from rules import RULES, Floats

from pytest_flame.model import Frame, Process, Recording, Verdict

sys.path.insert(0, str(Path(__file__).parents[1]))
from trial import aligned
from wilson import shown

BUDGET = 20
"""Pairs. Rules of other tools have no looks: they get all of them."""
Pair: TypeAlias = tuple[Recording, Recording]
"""One process of base and one of head, each a recording of its own."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a judge said. ``low`` and ``high`` bound head over base, where the judge gives bounds."""

    verdict: Verdict
    low: float = 0.0
    high: float = float("inf")
    named: str = ""
    """The first culprit."""


Judge: TypeAlias = Callable[[Iterator[Pair]], Decision]
"""Takes as many pairs as it needs. Raises ``StopIteration`` where there are no more."""


# --- judges ------------------------------------------------------------------------------------------------


def peer(name: str, threshold: float, budget: int) -> Judge:
    """Another tool's rule, after all pairs. It knows no third verdict."""

    def judge(pairs: Iterator[Pair]) -> Decision:
        taken = [next(pairs) for _ in range(budget)]
        base, head = ([_costs(side.processes[0]) for side in sides] for sides in zip(*taken, strict=True))
        return Decision(Verdict.REGRESSED if RULES[name].slower(base, head, threshold) else Verdict.PASS)

    return judge


def _costs(process: Process) -> Floats:
    return np.array([r.cpu_ns / r.iterations for r in process.rounds])


def judges(threshold: float, budget: int = BUDGET) -> Mapping[str, Judge]:
    return {name: peer(name, threshold, budget) for name in RULES}


# --- replaying ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """What is put into the head."""

    effect: float
    frame: Frame | None


class Stream:
    """The pairs of a bank from one place on; ``place`` moves along."""

    def __init__(self, entries: Sequence[Entry], case: Case, seed: int) -> None:
        self.entries = entries
        self.case = case
        self.place = 0
        self._draw = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Pair]:
        return self

    def __next__(self) -> Pair:
        if 2 * self.place + 1 >= len(self.entries):
            raise StopIteration
        first, second = (entry.recording for entry in self.entries[2 * self.place : 2 * self.place + 2])
        self.place += 1
        base, head = (first, second) if self._draw.integers(2) else (second, first)
        return base, _with_process(head, slowed(head.processes[0], self.case.effect, self.case.frame, self._draw))


def _with_process(recording: Recording, process: Process) -> Recording:
    return replace(recording, processes=(process,))


@dataclass
class Tally:
    """Comparisons of one judge in one condition. ``independent`` of them share no process with another one."""

    comparisons: int = 0
    independent: int = 0
    pairs: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    covered: int = 0
    named: Counter[str] = field(default_factory=Counter)

    def add(self, decision: Decision, pairs: int, truth: float, *, independent: bool) -> None:
        self.comparisons += 1
        self.independent += independent
        self.pairs += pairs
        self.verdicts[decision.verdict] += 1
        self.covered += decision.low <= truth <= decision.high
        if decision.named:
            self.named[decision.named] += 1

    def __iadd__(self, other: Tally) -> Tally:
        self.comparisons += other.comparisons
        self.independent += other.independent
        self.pairs += other.pairs
        self.verdicts += other.verdicts
        self.covered += other.covered
        self.named += other.named
        return self

    def share(self, verdict: Verdict) -> str:
        """Averaged over passes; its interval counts independent comparisons only."""
        if self.comparisons == 0:
            return "–"
        part = self.verdicts[verdict] / self.comparisons
        return f"{100 * part:.1f}: {shown(round(part * self.independent), self.independent)}"


def replay(entries: Sequence[Entry], judge: Judge, case: Case, passes: int) -> Tally:
    tally = Tally()
    for number in range(passes):
        stream = Stream(entries, case, number)
        # Later passes begin elsewhere: not always the same processes meet.
        stream.place = number % max(1, min(passes, len(entries) // 4))
        while True:
            began = stream.place
            try:
                decision = judge(stream)
            except StopIteration:
                break
            tally.add(decision, stream.place - began, 1 + case.effect, independent=number == 0)
    return tally


HEADINGS = ("condition", "judge", "effect", "REGRESSED", "PASS", "INCONCLUSIVE", "covered", "pairs", "named")


def row(condition: str, judge: str, effect: float, tally: Tally) -> tuple[str, ...]:
    n = max(tally.comparisons, 1)
    return (
        condition,
        judge,
        f"{effect:+.0%}",
        *(tally.share(verdict) for verdict in (Verdict.REGRESSED, Verdict.PASS, Verdict.INCONCLUSIVE)),
        f"{100 * tally.covered / n:.1f}",
        f"{tally.pairs / n:.1f}",
        ", ".join(f"{name} {count}" for name, count in tally.named.most_common(2)) or "–",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the banks (default: {RESULTS})")
    parser.add_argument("--bank", action="append", default=[], help="only banks whose name contains this")
    parser.add_argument("--workload", action="append", default=[], help="only this workload")
    parser.add_argument("--judge", action="append", choices=[*judges(0)], help="this one (again: this one too)")
    parser.add_argument("--threshold", type=float, default=0.05, help="growth that fails a test (default: 0.05)")
    parser.add_argument("--pairs", type=int, default=BUDGET, help=f"a comparison's budget (default: {BUDGET})")
    parser.add_argument("--effect", type=float, action="append", help="put into the head (default: 0)")
    parser.add_argument("--frame", choices=["all", "hottest"], default="all", help="whose cost grows (default: all)")
    parser.add_argument("--passes", type=int, default=8, help="over each bank (default: 8)")
    parser.add_argument("--detail", action="store_true", help="one line for each workload")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = [HEADINGS]
    everywhere: dict[tuple[str, float], Tally] = {}
    by_bank: dict[str, list[tuple[str, list[Entry]]]] = {}
    for bank, workload, entries in banks(options.results):
        if workload in (options.workload or [workload]) and any(part in bank for part in options.bank or [bank]):
            by_bank.setdefault(bank, []).append((workload, entries))
    for name, judge in judges(options.threshold, options.pairs).items():
        if name not in (options.judge or [name]):
            continue
        for effect in options.effect or [0.0]:
            for bank, series in by_bank.items():
                total = Tally()
                for workload, entries in series:
                    frame = hottest(e.process for e in entries) if options.frame == "hottest" else None
                    tally = replay(entries, judge, Case(effect, frame), options.passes)
                    if options.detail:
                        rows.append(row(f"{bank} {workload}", name, effect, tally))
                    total += tally
                rows.append(row(bank, name, effect, total))
                everywhere.setdefault((name, effect), Tally()).__iadd__(total)
    rows += [row("all together", name, effect, tally) for (name, effect), tally in everywhere.items()]
    print(aligned(rows))


if __name__ == "__main__":
    main()
