"""The tables of ``simulate``: counts with their Wilson intervals."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.intervals import shown, wilson
from benchmarks.trial import aligned
from benchmarks.verdicts.worlds import Weather

if TYPE_CHECKING:
    from benchmarks.verdicts.simulate import Cell, Run

Done: TypeAlias = "Sequence[tuple[Cell, list[Run]]]"
LENGTHS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40)
"""Pairs of fixed designs that are tried."""
FAMILY = 20
"""Tests of one session."""


def identical(done: Done) -> str:
    rows = [("pairs ≤", "threshold", "processes", "REGRESSED", "suspected", "PASS", "INCONCLUSIVE", "pairs, mean")]
    for cell, runs in done:
        rows.append(
            (
                str(cell.most),
                percent(cell.threshold),
                weather(cell.weather),
                rate(runs, lambda r: r.regressed),
                rate(runs, lambda r: r.suspected),
                rate(runs, lambda r: r.verdict == "PASS"),
                rate(runs, lambda r: r.verdict == "INCONCLUSIVE"),
                mean(r.pairs for r in runs),
            )
        )
    return titled("Identical code", rows)


def power(done: Done) -> str:
    rows = [("change", "threshold", "processes", "REGRESSED", "suspected", "lost in confirmation", "pairs, mean")]
    for cell, runs in done:
        seen = [r for r in runs if r.suspected]
        rows.append(
            (
                f"{cell.change} {percent(cell.size)}",
                percent(cell.threshold),
                weather(cell.weather),
                rate(runs, lambda r: r.regressed),
                rate(runs, lambda r: r.suspected),
                rate(seen, lambda r: not r.regressed),
                mean(r.pairs for r in runs),
            )
        )
    return titled("Power", rows)


def coverage(done: Done) -> str:
    """Of the whole test's printed interval, by how the run ended."""
    runs = [(cell, r) for cell, all_runs in done for r in all_runs]
    rows = [("runs", "covered", "too high", "too low", "width / looked at once", "width / all pairs, once")]
    groups: dict[str, Callable[[Cell, Run], bool]] = {
        "all": lambda c, r: True,
        "calm": lambda c, r: not c.weather.outliers,
        "rough": lambda c, r: c.weather.outliers > 0,
        "ended in the search": lambda c, r: not r.suspected,
        "confirmed": lambda c, r: r.suspected and r.regressed,
        "not confirmed": lambda c, r: r.suspected and not r.regressed,
    }
    for name, belongs in groups.items():
        some = [r for c, r in runs if belongs(c, r)]
        bounded = [r for r in some if math.isfinite(r.width)]
        rows.append(
            (
                name,
                rate(some, lambda r: r.covers),
                str(sum(r.low > r.truth for r in some)),
                str(sum(r.high < r.truth for r in some)),
                f"{median(r.width / r.alone for r in bounded):.2f}" if bounded else "–",
                f"{median(r.width / r.longest for r in bounded):.2f}" if bounded else "–",
            )
        )
    return titled("Coverage of the printed interval (nominal 98 %)", rows)


def culprit(done: Done) -> str:
    rows = [("change", "processes", "REGRESSED", "right culprit first", "of those that name one", "pairs, mean")]
    for cell, runs in done:
        found = [r for r in runs if r.regressed]
        rows.append(
            (
                f"{cell.change} {percent(cell.size)}",
                weather(cell.weather),
                rate(runs, lambda r: r.regressed),
                rate(found, lambda r: r.right),
                rate([r for r in found if r.named], lambda r: r.right),
                mean(r.pairs for r in runs),
            )
        )
    return titled("Culprits", rows)


def masked(done: Done) -> str:
    return titled("Masked: +5 % of the test in one leaf, as much less in another branch", _plain(done))


def moved(done: Done) -> str:
    return titled("Moved: the same cost under another name or in another place", _plain(done))


def _plain(done: Done) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("change", "processes", "REGRESSED", "right culprit first", "INCONCLUSIVE", "PASS", "pairs, mean")
    ]
    for cell, runs in done:
        rows.append(
            (
                f"{cell.change} {percent(cell.size)}",
                weather(cell.weather),
                rate(runs, lambda r: r.regressed),
                rate(runs, lambda r: r.regressed and r.right),
                rate(runs, lambda r: r.verdict == "INCONCLUSIVE"),
                rate(runs, lambda r: r.verdict == "PASS"),
                mean(r.pairs for r in runs),
            )
        )
    return rows


def family(done: Done) -> str:
    rows = [
        ("pairs ≤", "tests REGRESSED", "tests suspected", f"sessions of {FAMILY} with any REGRESSED", "pairs, mean")
    ]
    for cell, runs in done:
        whole = len(runs) // FAMILY
        sessions = [runs[i * FAMILY : (i + 1) * FAMILY] for i in range(whole)]
        rows.append(
            (
                str(cell.most),
                rate(runs, lambda r: r.regressed),
                rate(runs, lambda r: r.suspected),
                shown(sum(any(r.regressed for r in session) for session in sessions), whole),
                mean(r.pairs for r in runs),
            )
        )
    return titled(f"{FAMILY} tests × 100 frames, identical code, rough", rows)


def stored(done: Done) -> str:
    rows = [("change", "recordings", "session sd", "REGRESSED", "INCONCLUSIVE", "PASS", "covered", "processes, mean")]
    for cell, runs in done:
        rows.append(
            (
                f"{cell.change} {percent(cell.size)}",
                str(cell.recordings),
                percent(cell.weather.session_sd),
                rate(runs, lambda r: r.regressed),
                rate(runs, lambda r: r.verdict == "INCONCLUSIVE"),
                rate(runs, lambda r: r.verdict == "PASS"),
                rate(runs, lambda r: r.covers),
                mean(r.pairs for r in runs),
            )
        )
    return titled("Screen: head against a stored baseline (REGRESSED is a suspicion)", rows)


def budget(done: Done) -> str:
    header = (
        "change",
        "CPU per side",
        "processes",
        "found",
        "lost in confirmation",
        "PASS",
        "INCONCLUSIVE",
        "CPU used",
    )
    rows: list[tuple[str, ...]] = [header]
    for cell, runs in done:
        seconds = cell.weather.seconds
        rows.append(
            (
                f"{cell.change} {percent(cell.size)}",
                f"{cell.most * seconds:g} s",
                f"{cell.most} × {seconds:g} s, {weather(cell.weather)}",
                rate(runs, lambda r: r.regressed),
                rate([r for r in runs if r.suspected], lambda r: not r.regressed),
                rate(runs, lambda r: r.verdict == "PASS"),
                rate(runs, lambda r: r.verdict == "INCONCLUSIVE"),
                f"{fmean(2 * r.pairs for r in runs) * seconds:.1f} s" if runs else "–",
            )
        )
    return titled("Power by budget", rows)


def lengths(done: Done) -> str:
    """Pairs for identical code, compared with the fixed length that finds +10 % of everything equally often."""
    from benchmarks.verdicts.simulate import fixed_power

    header = (
        "pairs ≤",
        "processes",
        "finds +10 %",
        "pairs, identical",
        "fixed at 1 %",
        "ratio",
        "fixed at 0.01 %",
        "ratio",
    )
    rows: list[tuple[str, ...]] = [header]
    unchanged = {(c.most, c.weather): runs for c, runs in done if c.change == "unchanged" and c.threshold > 0}
    for cell, runs in done:
        same = unchanged.get((cell.most, cell.weather), [])
        if cell.change == "unchanged" or not runs or not same:
            continue
        reached = sum(r.regressed for r in runs) / len(runs)
        used = fmean(r.pairs for r in same)
        row = [str(cell.most), weather(cell.weather), rate(runs, lambda r: r.regressed), f"{used:.1f}"]
        for alpha in (0.01, 1e-4):
            enough = min(reached, 0.99)
            place = bisect_left(LENGTHS, enough, key=lambda n: fixed_power(n, cell, alpha))
            needed = LENGTHS[min(place, len(LENGTHS) - 1)]
            row += [("> " if place == len(LENGTHS) else "") + str(needed), f"{used / needed:.2f}"]
        rows.append(tuple(row))
    return titled("Against a fixed number of pairs of the same power (one look, no confirmation)", rows)


TABLES: dict[str, Callable[[Done], str]] = {
    "identical": identical,
    "lengths": lengths,
    "power": power,
    "coverage": coverage,
    "culprit": culprit,
    "counted": culprit,
    "masked": masked,
    "moved": moved,
    "family": family,
    "stored": stored,
    "budget": budget,
}


SOURCES: dict[str, tuple[str, ...]] = {
    "lengths": ("lengths", "identical"),
    "coverage": ("identical", "lengths", "power", "culprit", "moved", "masked", "budget"),
}
"""Whose runs a table is made from, if not only its own."""


# --- cells of tables -----------------------------------------------------------------------------------------


def titled(title: str, rows: Sequence[Sequence[str]]) -> str:
    return f"{title}\n\n{aligned(rows)}"


def rate(runs: Sequence[Run], counts: Callable[[Run], bool]) -> str:
    if not runs:
        return "–"
    hits = sum(map(counts, runs))
    low, high = wilson(hits, len(runs))
    return f"{hits}/{len(runs)} = {100 * hits / len(runs):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def mean(values: Iterable[float]) -> str:
    known = list(values)
    return f"{fmean(known):.1f}" if known else "–"


def percent(value: float) -> str:
    return f"{100 * value:g} %"


def weather(w: Weather) -> str:
    return f"sd {percent(w.process_sd)}{', rough' if w.outliers else ''}"
