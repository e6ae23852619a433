"""The decisions of ``Trial`` and ``Screen`` on simulated processes, for which the truth is known.

    python -m benchmarks.verdicts.simulate --results build/simulated

Programs, changes and noise are those of ``worlds``: 50 to 500 frames, ten rounds per process, of which five are
sampled, about 450 samples in half a second. Every run is a new program. What counts as the right culprit is written
down in ``worlds``, with the change: for a slower leaf the leaf, for a function called more often that function (not its
caller, not a callee), for a new function that one. Finished runs are kept, one per line, and not repeated while neither
the code that decides nor this code has changed; ``--first N`` takes the first N runs of every cell.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

import pytest_flame
from benchmarks.trial import append_result
from benchmarks.verdicts import worlds
from benchmarks.verdicts.worlds import Weather
from pytest_flame import fold
from pytest_flame.baseline import sessions
from pytest_flame.gate.trial import Screen, Trial
from pytest_flame.model import Judgement, Limits, Recording
from pytest_flame.stats.whole import compare_pairs

PACKAGE = Path(pytest_flame.__file__).parent
DECIDING = ("gate/trial.py", "compare.py", "judge.py", "fold.py", "stats/*.py")
RESULTS = Path("build/simulated")


@dataclass(frozen=True, slots=True)
class Cell:
    """What the runs of one cell of a table have in common."""

    table: str
    change: str = "unchanged"
    size: float = 0.0
    """Of the change, as a share of the test."""
    threshold: float = 0.05
    most: int = 20
    """Pairs of each stage."""
    tests: int = 20
    """In the same session."""
    frames: int = 0
    """0: between 50 and 500."""
    recordings: int = 0
    """Of the stored baseline; 0: interleaved."""
    weather: Weather = field(default_factory=Weather)
    counted: bool = False
    """With exact counts of calls on both sides."""
    runs: int = 100

    @property
    def key(self) -> str:
        return json.dumps({**asdict(self), "runs": None}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Run:
    """What was decided, and the truth. Widths are of log intervals of the whole test."""

    mode: str
    """The cell's key."""
    source: str
    seed: int
    verdict: str
    suspected: bool
    pairs: int
    """All that were measured; processes of head if the baseline is stored."""
    searched: int
    truth: float
    """Head over base."""
    low: float
    high: float
    named: bool
    right: bool
    """The first culprit is one of the right ones."""
    reason: str
    alone: float = math.nan
    """Width of the interval from the same number of pairs as the printed one, with a single look."""
    longest: float = math.nan
    """The same from all pairs the search may take."""

    @property
    def regressed(self) -> bool:
        return self.verdict == "REGRESSED"

    @property
    def covers(self) -> bool:
        return self.low <= self.truth <= self.high

    @property
    def width(self) -> float:
        return math.log(self.high / self.low) if self.low > 0 and self.high < math.inf else math.inf


# --- one run -------------------------------------------------------------------------------------------------


def run(cell: Cell, seed: int, source: str = "") -> Run:
    rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(cell.key.encode()).digest()[:6])])
    frames = cell.frames or round(math.exp(rng.uniform(math.log(50), math.log(500))))
    case = worlds.case(cell.change, cell.size, frames, rng)
    return (_stored if cell.recordings else _interleaved)(cell, seed, source, case, rng)


def _limits(cell: Cell) -> Limits:
    return Limits(threshold=cell.threshold)


def _interleaved(cell: Cell, seed: int, source: str, case: worlds.Case, rng: np.random.Generator) -> Run:
    machine = worlds.Machine(cell.weather, rng, 2 * cell.most)
    exact = worlds.counted(case, rng) if cell.counted else None
    trial = Trial(_limits(cell), cell.most, cell.tests, 10.0, exact)
    pairs = machine.pairs(case.base, case.head)
    release = "2.0" if case.upgraded else "1.0"
    base, head = worlds.recording(case.base, ()), worlds.recording(case.head, (), release)
    more = True
    while more:
        base, head = _with_next(base, head, pairs)
        more = trial.wants_more(base, head)
    assert trial.judgement is not None
    measured = len(head.processes)
    found = _found(cell, seed, source, case, trial.judgement)
    count = len(trial.judgement.head.processes) if trial.judgement.head else measured
    alone = _width(base, head, slice(measured - count, None), cell)
    while len(head.processes) < cell.most:
        base, head = _with_next(base, head, pairs)
    suspicion = trial.suspicion
    return replace(
        found,
        suspected=suspicion is not None,
        pairs=measured,
        searched=suspicion.after if suspicion else measured,
        alone=alone,
        longest=_width(base, head, slice(0, cell.most), cell),
    )


def _stored(cell: Cell, seed: int, source: str, case: worlds.Case, rng: np.random.Generator) -> Run:
    base = worlds.recorded(case.base, cell.most, cell.weather, rng)
    for _ in range(cell.recordings - 1):
        base = sessions.added(base, worlds.recorded(case.base, cell.most, cell.weather, rng))
    whole = worlds.recorded(case.head, cell.most, cell.weather, rng)
    screen = Screen(base, _limits(cell), cell.most, 10.0)
    count = next(n for n in range(1, cell.most + 1) if not screen.wants_more(None, _first(whole, n)))
    assert screen.judgement is not None
    return replace(_found(cell, seed, source, case, screen.judgement), pairs=count, searched=count)


def _found(cell: Cell, seed: int, source: str, case: worlds.Case, judgement: Judgement) -> Run:
    comparison = judgement.comparison
    assert comparison is not None
    culprits = comparison.culprits
    return Run(
        mode=cell.key,
        source=source,
        seed=seed,
        verdict=judgement.verdict.value,
        suspected=judgement.verdict.value == "REGRESSED",
        pairs=0,
        searched=0,
        truth=case.ratio,
        low=comparison.low,
        high=comparison.high,
        named=bool(culprits),
        right=bool(culprits) and culprits[0].frame in case.culprits,
        reason=judgement.reason,
    )


def _with_next(base: Recording, head: Recording, pairs: Iterator[worlds.Pair]) -> tuple[Recording, Recording]:
    one, other = next(pairs)
    return replace(base, processes=(*base.processes, one)), replace(head, processes=(*head.processes, other))


def _first(recording: Recording, count: int) -> Recording:
    return replace(recording, processes=recording.processes[:count])


def _width(base: Recording, head: Recording, which: slice, cell: Cell) -> float:
    costs = (np.array([fold.cost(p) for p in side.processes[which]], dtype=np.float64) for side in (base, head))
    whole = compare_pairs(*costs, threshold=cell.threshold, alpha=_limits(cell).alpha, most=cell.most)
    return math.log(whole.high / whole.low)


# --- a design of fixed length, to compare with ---------------------------------------------------------------


def fixed_power(pairs: int, cell: Cell, alpha: float, runs: int = 500) -> float:
    """How often ``pairs`` pairs show a slowdown of the whole test with a single look."""
    rng = np.random.default_rng(pairs)
    found = 0
    for _ in range(runs):
        base, head = worlds.costs_of_pairs(pairs, cell.size, cell.weather, rng)
        found += compare_pairs(base, head, threshold=cell.threshold, alpha=alpha, most=pairs).low > 1 + cell.threshold
    return found / runs


# --- all of them ---------------------------------------------------------------------------------------------


def cells() -> list[Cell]:
    rough = {"outliers": 0.1, "drift": 0.05}
    calm, bad = Weather(0.015), Weather(0.015, outliers=0.1, drift=0.05)
    noises = [Weather(sd, **more) for sd in (0.015, 0.03) for more in ({}, rough)]
    identical = [
        Cell("identical", threshold=threshold, most=most, weather=weather, runs=400)
        for most in (10, 20)
        for threshold in (0.05, 0.0)
        for weather in noises
    ]
    lengths = [
        Cell("lengths", "everything", 0.1, most=most, weather=weather, runs=200)
        for most in (10, 20)
        for weather in noises
    ]
    power = [
        Cell("power", change, size, threshold, weather=Weather(sd, **more), runs=100)
        for size, threshold in ((0.03, 0.0), (0.05, 0.0), (0.1, 0.05), (0.2, 0.05))
        for change in ("slower_leaf", "everything")
        for sd in (0.01, 0.02, 0.03, 0.04)
        for more in ({}, rough)
    ]
    culprits = [
        Cell("culprit", change, size, weather=weather, runs=200)
        for change in ("slower_leaf", "slower_caller", "slower_class", "slower_library", "more_calls", "new_frame")
        for size in (0.1, 0.2)
        for weather in (calm, bad)
    ]
    counted = [
        Cell("counted", change, size, weather=weather, counted=True, runs=200)
        for change in ("slower_leaf", "slower_caller", "more_calls")
        for size in (0.1, 0.2)
        for weather in (calm, bad)
    ]
    moves = [
        Cell("moved", change, size, weather=weather, runs=300)
        for change in ("renamed", "renamed_class", "faster_class", "extracted", "inlined", "inlined_faster")
        for size in (0.04, 0.1)
        for weather in (calm, bad)
    ]
    hidden = [Cell("masked", "masked", 0.05, weather=weather, runs=200) for weather in (calm, bad)]
    family = [Cell("family", frames=100, most=most, weather=bad, runs=2000) for most in (10, 20)]
    stored = [
        Cell("stored", change, size, recordings=n, weather=replace(calm, session_sd=sd), most=10, runs=200)
        for change, size in (("unchanged", 0.0), ("everything", 0.1), ("slower_leaf", 0.1))
        for n in (1, 3, 5, 10)
        for sd in (0.007, 0.014)
    ]
    budget = [
        Cell("budget", change, size, most=round(budget / seconds), weather=Weather(sd, seconds, **rough), runs=100)
        for change, size in (("unchanged", 0.0), ("slower_leaf", 0.05), ("everything", 0.1), ("everything", 0.15))
        for seconds in (0.5, 0.25)
        for budget in (2, 5, 10, 20)
        for sd in (0.015, 0.03)
    ]
    return [*identical, *lengths, *power, *culprits, *counted, *moves, *hidden, *family, *stored, *budget]


def code_hash() -> str:
    """Of the code that decides and of the code that simulates."""
    digest = hashlib.sha256()
    paths = [path for pattern in DECIDING for path in sorted(PACKAGE.glob(pattern))]
    for path in (*paths, Path(__file__), Path(worlds.__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def results(path: Path, chosen: list[Cell], source: str) -> dict[str, list[Run]]:
    """Finished runs by their cell's key."""
    found: dict[str, list[Run]] = {cell.key: [] for cell in chosen}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            one = Run(**json.loads(line))
            if one.source == source and one.mode in found:
                found[one.mode].append(one)
    return found


def simulate(path: Path, chosen: list[Cell], first: int | None, source: str, jobs: int) -> dict[str, list[Run]]:
    """All runs that are missing, the first of every cell before the second of any."""
    found = results(path, chosen, source)
    done = {(key, one.seed) for key, runs in found.items() for one in runs}
    waiting = [
        (cell, seed)
        for seed in range(max(cell.runs for cell in chosen))
        for cell in chosen
        if seed < min(cell.runs, first or cell.runs) and (cell.key, seed) not in done
    ]
    with ProcessPoolExecutor(jobs) if jobs > 1 else nullcontext() as executor:
        for one in _all(waiting, source, executor):
            append_result(path, one)
            found[one.mode].append(one)
    return found


def _all(waiting: list[tuple[Cell, int]], source: str, executor: Executor | None) -> Iterator[Run]:
    if executor is None:
        yield from (run(cell, seed, source) for cell, seed in waiting)
        return
    for start in range(0, len(waiting), 200):
        futures: list[Future[Run]] = [executor.submit(run, *one, source) for one in waiting[start : start + 200]]
        yield from (future.result() for future in futures)


def main() -> None:
    from benchmarks.verdicts.simulated_tables import SOURCES, TABLES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="finished runs are kept there")
    parser.add_argument("--first", type=int, metavar="N", help="only the first N runs of every cell")
    parser.add_argument("--table", action="append", choices=list(TABLES), help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to use")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    wanted = options.table or list(TABLES)
    sources = {table for name in wanted for table in SOURCES.get(name, (name,))}
    chosen = [cell for cell in cells() if cell.table in sources]
    source = code_hash()
    found = simulate(options.results / "runs.jsonl", chosen, options.first, source, options.jobs)
    for name in wanted:
        done = [(cell, found[cell.key]) for cell in chosen if cell.table in SOURCES.get(name, (name,))]
        print(TABLES[name](done), end="\n\n")


if __name__ == "__main__":
    main()
