"""The verdicts, replayed over banks: false alarms, what is found, and at what cost.

    python -m benchmarks.verdicts.replay --results build/banks --judge gate --judge min --threshold 0.05
    python -m benchmarks.verdicts.replay --results build/banks --judge gate --masked 0.5

A judge gets the processes of a bank one after the other until it has decided; the next comparison begins where the last
one ended, and continues from the beginning at the bank's end, so that long comparisons are not cut off. In the first
pass no two comparisons share a process: only these count as independent. Further passes draw again which process of a
pair is the base, and are used only for averages. A slowdown is injected into the head's processes: into the clock and,
with ``--frame hottest``, into the samples of the hottest function. ``--raw`` keeps every decision.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TextIO

import numpy as np

from benchmarks.intervals import shown
from benchmarks.trial import aligned
from benchmarks.verdicts.bank import RESULTS, Entry, banks, merged
from benchmarks.verdicts.gates import Decision, Judge, Pair, Source, gates, pooled
from benchmarks.verdicts.inject import Change, hottest, masked, slowed
from benchmarks.verdicts.rules import RULES, Floats
from pytest_flame.model import Limits, Process, Recording, Verdict

BUDGET = 20
"""Pairs. Rules of other tools have no looks: they get all of them."""


def peer(name: str, threshold: float, budget: int, *, apart: bool = False) -> Judge:
    """Another tool's rule, after all pairs; with ``apart``, after the same number of processes of base long before and
    of head now.

    It has no third verdict.
    """

    def judge(source: Source) -> Decision:
        if apart:
            base = [_costs(process) for process in source.stored(budget).processes]
            head = [_costs(source.head().processes[0]) for _ in range(budget)]
        else:
            taken = [next(source) for _ in range(budget)]
            base, head = ([_costs(side.processes[0]) for side in sides] for sides in zip(*taken, strict=True))
        return Decision(Verdict.REGRESSED if RULES[name].slower(base, head, threshold) else Verdict.PASS)

    return judge


def _costs(process: Process) -> Floats:
    return np.array([r.cpu_ns / r.iterations for r in process.rounds])


def judges(limits: Limits, budget: int = BUDGET, *, apart: bool = False) -> Mapping[str, Judge]:
    return {**gates(limits, budget), **{name: peer(name, limits.threshold, budget, apart=apart) for name in RULES}}


# --- replaying ---------------------------------------------------------------------------------------------


class Stream:
    """The processes of a bank from one place on, in a circle; ``taken`` of them so far.

    ``before`` are those that a stored baseline is made from, by default the same. A comparison that takes more than
    there are raises ``StopIteration``.
    """

    def __init__(self, entries: Sequence[Entry], change: Change, seed: int, before: Sequence[Entry] = ()) -> None:
        self._entries = entries
        self._before = before
        self._change = change
        self._draw = np.random.default_rng(seed)
        # Later passes begin elsewhere, so that other processes are compared.
        self._first = 2 * int(self._draw.integers(max(1, len(entries) // 2))) if seed else 0
        self._taken_before = 0
        self.taken = 0
        self._began = 0

    @property
    def left(self) -> bool:
        return self.taken < len(self._entries)

    def begin(self) -> None:
        """A comparison: begins with a complete pair."""
        self.taken += self.taken % 2
        self._began = self.taken

    def __iter__(self) -> Iterator[Pair]:
        return self

    def __next__(self) -> Pair:
        first, second = self._take(), self._take()
        base, head = (first, second) if self._draw.integers(2) else (second, first)
        return base, self._slowed(head)

    def head(self) -> Recording:
        return self._slowed(self._take())

    def stored(self, processes: int) -> Recording:
        if not self._before:
            return pooled([self._take() for _ in range(processes)])
        places = range(self._taken_before, self._taken_before + processes)
        self._taken_before += processes
        return pooled([self._before[place % len(self._before)].recording for place in places])

    def _take(self) -> Recording:
        if self.taken - self._began >= len(self._entries):
            raise StopIteration
        self.taken += 1
        return self._entries[(self._first + self.taken - 1) % len(self._entries)].recording

    def _slowed(self, recording: Recording) -> Recording:
        return replace(recording, processes=(slowed(recording.processes[0], self._change, self._draw),))


@dataclass
class Tally:
    """Comparisons of one judge in one condition. ``independent`` of them share no process with another one."""

    comparisons: int = 0
    independent: int = 0
    unfinished: int = 0
    """Times that the bank was too short for the judge; these are not comparisons."""
    pairs: float = 0.0
    length: float = 0.0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    covered: int = 0
    named: Counter[str] = field(default_factory=Counter)

    def add(self, decision: Decision, pairs: float, truth: float, *, independent: bool) -> None:
        self.comparisons += 1
        self.independent += independent
        self.pairs += pairs
        self.length += decision.length
        self.verdicts[decision.verdict] += 1
        self.covered += decision.low <= truth <= decision.high
        if decision.named:
            self.named[decision.named] += 1

    def __iadd__(self, other: Tally) -> Tally:
        self.comparisons += other.comparisons
        self.independent += other.independent
        self.unfinished += other.unfinished
        self.pairs += other.pairs
        self.length += other.length
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


@dataclass(frozen=True, slots=True)
class Decided:
    """One line of ``--raw``. ``taken`` is the place in the bank, counted in processes from the pass's own start."""

    bank: str
    workload: str
    judge: str
    threshold: float
    effect: float
    frame: str
    masked: bool
    number: int
    """Of the pass; those of pass 0 are independent, up to the bank's end."""
    taken: int
    processes: int
    verdict: str
    low: float
    high: float
    named: str
    reason: str


@dataclass(frozen=True, slots=True)
class Series:
    """One workload of one bank; a stored baseline comes from ``before``, which was recorded earlier."""

    bank: str
    workload: str
    entries: Sequence[Entry]
    before: Sequence[Entry] = ()


def replay(
    series: Series, judge: Judge, change: Change, passes: int
) -> Iterator[tuple[int, int, int, Decision | None]]:
    """Pass, place after the comparison, processes it took, what was decided; nothing if the bank was too short."""
    for number in range(passes):
        stream = Stream(series.entries, change, number, series.before)
        while stream.left:
            stream.begin()
            began = stream.taken
            decision: Decision | None
            try:
                decision = judge(stream)
            except StopIteration:
                decision = None
            yield number, stream.taken, stream.taken - began, decision


HEADINGS = (
    "condition",
    "judge",
    "effect",
    "REGRESSED",
    "PASS",
    "INCONCLUSIVE",
    "covered",
    "pairs",
    "as full",
    "n",
    "unfinished",
    "named",
)


def row(condition: str, judge: str, effect: str, tally: Tally) -> tuple[str, ...]:
    n = max(tally.comparisons, 1)
    return (
        condition,
        judge,
        effect,
        *(tally.share(verdict) for verdict in (Verdict.REGRESSED, Verdict.PASS, Verdict.INCONCLUSIVE)),
        f"{100 * tally.covered / n:.1f}",
        f"{tally.pairs / n:.1f}",
        f"{tally.length / n:.1f}" if tally.length else "–",
        f"{tally.comparisons} ({tally.verdicts[Verdict.REGRESSED]} red)",
        str(tally.unfinished or "–"),
        ", ".join(f"{name} {count}" for name, count in tally.named.most_common(2)) or "–",
    )


def _read(options: argparse.Namespace) -> list[Series]:
    found = []
    for bank, workload, entries in banks(options.results):
        wanted = workload in (options.workload or [workload]) and any(part in bank for part in options.bank or [bank])
        if wanted and entries:
            entries = [merged(entry, options.merge) for entry in entries]
            # A baseline from the first half of the bank for heads from the second.
            half = len(entries) // 4 * 2
            found.append(
                Series(bank, workload, *((entries[half:], entries[:half]) if options.apart else (entries, ())))
            )
    return found


def _changes(options: argparse.Namespace, series: Series) -> list[tuple[str, Change]]:
    processes = [entry.process for entry in series.entries]
    if options.masked is not None:
        hidden = masked(processes, options.masked)
        return [(f"masked {options.masked:+.0%}", hidden)] if hidden else []
    frame = hottest(processes) if options.frame == "hottest" else None
    return [(f"{effect:+.0%}", Change(effect, frame)) for effect in options.effect or [0.0]]


def _tables(options: argparse.Namespace, raw: TextIO | None) -> list[tuple[str, ...]]:
    limits = Limits(threshold=options.threshold, frame_threshold=options.frame_threshold, alpha=options.alpha)
    tallies: dict[tuple[str, str, str], Tally] = {}
    for series in _read(options):
        for effect, change in _changes(options, series):
            for name, judge in judges(limits, options.pairs, apart=options.apart).items():
                if name not in (options.judge or [name]):
                    continue
                tally = Tally()
                for number, taken, processes, decision in replay(series, judge, change, options.passes):
                    if decision is None:
                        tally.unfinished += 1
                        continue
                    whole = number == 0 and taken <= len(series.entries)
                    tally.add(decision, processes / 2, change.total, independent=whole)
                    if raw is not None:
                        line = Decided(
                            series.bank, series.workload, name, options.threshold, change.effect,
                            change.frame.name if change.frame else "", change.instead is not None, number, taken,
                            processes, decision.verdict.value, decision.low, decision.high, decision.named,
                            decision.reason,
                        )  # fmt: skip
                        raw.write(json.dumps(asdict(line)) + "\n")
                places = [series.bank, "all together"]
                if options.detail:
                    places.insert(0, f"{series.bank} {series.workload}")
                for place in places:
                    tallies.setdefault((name, effect, place), Tally()).__iadd__(tally)
    ordered = sorted(tallies.items(), key=lambda one: (one[0][2] == "all together", one[0][:2]))
    return [HEADINGS, *(row(place, name, effect, tally) for (name, effect, place), tally in ordered)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"folder of the banks (default: {RESULTS})")
    parser.add_argument("--bank", action="append", default=[], help="only banks whose name contains this")
    parser.add_argument("--workload", action="append", default=[], help="only this workload")
    parser.add_argument("--judge", action="append", choices=[*judges(Limits())], help="this one (may be repeated)")
    parser.add_argument("--threshold", type=float, default=0.05, help="growth that fails a test (default: 0.05)")
    parser.add_argument("--frame-threshold", type=float, default=0.02, help="the same for a function (default: 0.02)")
    parser.add_argument("--alpha", type=float, default=0.01, help="the gate's error (default: 0.01)")
    parser.add_argument("--pairs", type=int, default=BUDGET, help=f"a comparison's budget (default: {BUDGET})")
    parser.add_argument("--effect", type=float, action="append", help="injected into the head (default: 0)")
    parser.add_argument("--frame", choices=["all", "hottest"], default="all", help="whose cost grows (default: all)")
    parser.add_argument(
        "--masked", type=float, help="a function of about 10 %% grows by this much, another one pays for it"
    )
    parser.add_argument("--merge", type=int, default=1, help="count this many neighbouring rounds as one (default: 1)")
    parser.add_argument("--apart", action="store_true", help="base from a bank's first half, head from its second")
    parser.add_argument("--passes", type=int, default=8, help="over each bank (default: 8)")
    parser.add_argument("--detail", action="store_true", help="one line for each workload")
    parser.add_argument("--raw", type=Path, help="add every decision, one per line, to this file")
    options = parser.parse_args(arguments)
    if options.raw is None:
        print(aligned(_tables(options, None)))
    else:
        with options.raw.open("a", encoding="utf-8") as raw:
            print(aligned(_tables(options, raw)))


if __name__ == "__main__":
    main()
