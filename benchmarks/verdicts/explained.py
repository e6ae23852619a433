"""Draws the pictures of ``docs/how-sure.md``: simulated processes, judged by the gate's own functions.

python -m benchmarks.verdicts.explained --folder docs/how-sure
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pytest_flame.stats.looks import plan_looks
from pytest_flame.stats.whole import Whole, compare_pairs

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 700, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 44, 46
BASE, HEAD, WRONG, GREY = "#2471a3", "#c0392b", "#c0392b", "#777"
STYLE = "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#ddd}.d{stroke:#777;stroke-dasharray:4 3}"

COST: Final = 1e10
"""What a process of base costs on average: 10 ms, in picoseconds."""
THRESHOLD, ALPHA, PAIRS = 0.05, 0.01, 20
RUNS: Final = 100
"""Intervals in their picture."""


@dataclass(frozen=True, slots=True)
class Machine:
    """How costs scatter: sd of the natural logarithm, of each process, and of what a pair has in common."""

    process_sd: float
    shared_sd: float


QUIET, BUSY = Machine(0.01, 0.01), Machine(0.04, 0.06)


def processes(rng: np.random.Generator, machine: Machine, pairs: int, slower: float) -> tuple[Floats, Floats]:
    """Costs of both sides, each of shape ``(pairs,)``; head is ``slower`` (0.05 is 5 %)."""
    shared = rng.normal(0, machine.shared_sd, pairs)
    base = COST * np.exp(shared + rng.normal(0, machine.process_sd, pairs))
    head = COST * (1 + slower) * np.exp(shared + rng.normal(0, machine.process_sd, pairs))
    return base, head


def compared(base: Floats, head: Floats, alpha: float = ALPHA) -> Whole:
    return compare_pairs(base, head, threshold=THRESHOLD, alpha=alpha, most=len(base))


# --- why a pair ---------------------------------------------------------------------------------------------------


def pair_picture(seed: int = 1) -> str:
    """The same drifting machine twice: base first and then head, and in pairs. Head is 5 % slower in both."""
    rng = np.random.default_rng(seed)
    moments = np.arange(24)
    drift = -0.12 * moments / 24  # the machine gets faster
    noise = rng.normal(0, 0.008, 24)
    one_after_other = np.exp(drift + noise) * np.where(moments < 12, 1.0, 1.05)
    alternating = np.exp(drift + noise) * np.where(moments % 2 == 0, 1.0, 1.05)
    parts = []
    for number, (title, costs, is_head) in enumerate(
        (
            ("Base first, then head", one_after_other, moments >= 12),
            ("In pairs", alternating, moments % 2 == 1),
        )
    ):
        left = LEFT + number * 330
        x, y = _scale(0, 23, left, left + 270), _scale(0.86, 1.08, HEIGHT - BOTTOM, TOP)
        gap = costs[is_head].mean() / costs[~is_head].mean() - 1
        parts.append(_text(left, TOP - 20, f"{title}: head seems {100 * gap:+.0f} %".replace("-", "−"), "t"))
        for cost in (0.9, 0.95, 1.0, 1.05):
            parts.append(f'<line class="g" x1="{left}" y1="{y(cost):.1f}" x2="{left + 270}" y2="{y(cost):.1f}"/>')
            parts.append(_text(left - 6, y(cost) + 4, f"{10 * cost:.1f} ms", anchor="end"))
        for i in range(0, 24, 2) if number else ():
            parts.append(_line(x(i), y(costs[i]), x(i + 1), y(costs[i + 1]), GREY))
        for i, cost in enumerate(costs):
            parts.append(_dot(x(i), y(cost), HEAD if is_head[i] else BASE))
        parts.append(_text(left + 135, HEIGHT - BOTTOM + 20, "time: one dot for each process", anchor="middle"))
    parts.append(_legend(HEIGHT - 6, ((BASE, "base"), (HEAD, "head, really 5 % slower"))))
    return _svg(parts)


# --- what an interval means ---------------------------------------------------------------------------------------


def interval_picture(seed: int = 4) -> str:
    """Many comparisons of the same two versions, head really 3 % slower: their intervals, and where the truth is."""
    rng = np.random.default_rng(seed)
    truth, wholes = 0.03, []
    for _ in range(RUNS):
        wholes.append(compared(*processes(rng, QUIET, 7, 0.03)))
    end = WIDTH - RIGHT - 100
    low, high = _scale(0, RUNS - 1, LEFT, end), _scale(-0.02, 0.08, HEIGHT - BOTTOM, TOP)
    missed = sum(not w.low - 1 <= truth <= w.high - 1 for w in wholes)
    parts = [_text(LEFT, TOP - 20, f"{RUNS} runs of one comparison: {RUNS - missed} intervals hold the truth", "t")]
    for percent in (-2, 0, 2, 4, 6, 8):
        y = high(percent / 100)
        parts.append(f'<line class="g" x1="{LEFT}" y1="{y:.1f}" x2="{end}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{percent:+d} %".replace("-", "−").replace("+0", "0"), anchor="end"))
    for value, name in ((truth, "the truth, +3 %"), (THRESHOLD, "tolerated, +5 %")):
        parts.append(f'<line class="d" x1="{LEFT}" y1="{high(value):.1f}" x2="{end}" y2="{high(value):.1f}"/>')
        parts.append(_text(end + 6, high(value) + 4, name))
    for i, whole in enumerate(wholes):
        colour = BASE if whole.low - 1 <= truth <= whole.high - 1 else WRONG
        parts.append(_line(low(i), high(whole.low - 1), low(i), high(whole.high - 1), colour))
        parts.append(_dot(low(i), high(whole.ratio - 1), colour))
    caption = "each line is the 98 % interval of 7 pairs, its dot the measured difference"
    parts.append(_text((LEFT + end) / 2, HEIGHT - BOTTOM + 24, caption, anchor="middle"))
    return _svg(parts)


# --- why twice ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """``fails`` one simulated test, given what head really costs more."""

    name: str
    fails: Callable[[np.random.Generator, Machine, float], bool]


def _means(rng: np.random.Generator, machine: Machine, slower: float) -> bool:
    shift = rng.normal(0, machine.shared_sd)  # what the machine did between the two recordings
    base, head = processes(rng, Machine(machine.process_sd, 0.0), 5, slower)
    return bool(head.mean() / base.mean() * math.exp(shift) > 1 + THRESHOLD)


def _means_of_pairs(rng: np.random.Generator, machine: Machine, slower: float) -> bool:
    base, head = processes(rng, machine, 5, slower)
    return bool(np.mean(head / base) > 1 + THRESHOLD)


def _once(rng: np.random.Generator, machine: Machine, slower: float) -> bool:
    looks = plan_looks(PAIRS, ALPHA)
    base, head = processes(rng, machine, PAIRS, slower)
    return any(compared(base[:n], head[:n], looks.alpha(n)).low > 1 + THRESHOLD for n in looks.counts)


def _twice(rng: np.random.Generator, machine: Machine, slower: float) -> bool:
    return _once(rng, machine, slower) and _once(rng, machine, slower)


RULES: Final = (
    Rule("5 processes of base, later 5 of head; fails if their mean is more than 5 % higher", _means),
    Rule("5 pairs; fails if their mean is more than 5 % higher", _means_of_pairs),
    Rule("up to 20 pairs; fails if the whole interval lies above 5 %", _once),
    Rule("the same, and then again on fresh pairs", _twice),
)


def failures(slower: float, tests: int, seed: int = 3) -> list[int]:
    """Of so many tests on a busy machine, whose head costs this much more, how many each rule fails."""
    counts = []
    for rule in RULES:
        rng = np.random.default_rng(seed)
        counts.append(sum(rule.fails(rng, BUSY, slower) for _ in range(tests)))
    return counts


def twice_picture(tests: int) -> str:
    """Two bars for each rule: unchanged tests that it fails, and tests that got slower by just what is tolerated."""
    both = list(zip(failures(0.0, tests), failures(THRESHOLD, tests), strict=True))
    parts = [_text(20, TOP - 20, f"Of {tests:,} tests that may not fail, on a busy machine, this many do", "t")]
    x = _scale(0, max(max(pair) for pair in both) or 1, 20, WIDTH - 120)
    for i, (rule, counts) in enumerate(zip(RULES, both, strict=True)):
        top = TOP + i * 57
        parts.append(_text(20, top + 8, rule.name))
        for row, (count, colour) in enumerate(zip(counts, (BASE, HEAD), strict=True)):
            y = top + 13 + 17 * row
            parts.append(f'<rect x="20" y="{y}" width="{max(x(count) - 20, 1):.1f}" height="13" fill="{colour}"/>')
            parts.append(_text(x(count) + 8, y + 11, f"{count:,}"))
    parts.append(_legend(HEIGHT - 10, ((BASE, "unchanged"), (HEAD, "slower by 5 %, just tolerated"))))
    return _svg(parts)


# --- what would have been caught ----------------------------------------------------------------------------------


def found(machine: Machine, pairs: int, slower: float, tests: int, seed: int = 5) -> float:
    """Part of the tests, slower by this much, whose interval lies above the threshold after so many pairs."""
    rng = np.random.default_rng(seed)
    return sum(compared(*processes(rng, machine, pairs, slower)).low > 1 + THRESHOLD for _ in range(tests)) / tests


def caught_picture(tests: int) -> str:
    """How often a slowdown is found, by its size and the number of pairs; where 95 % are."""
    x, y = _scale(0, 0.15, LEFT, WIDTH - RIGHT - 120), _scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts = [_text(LEFT, TOP - 20, "How often a slowdown is seen, by its size", "t")]
    for percent in (0, 25, 50, 75, 95):
        at = y(percent / 100)
        kind = "d" if percent == 95 else "g"
        parts.append(f'<line class="{kind}" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT - 120}" y2="{at:.1f}"/>')
        parts.append(_text(LEFT - 6, at + 4, f"{percent} %", anchor="end"))
    sizes = np.arange(0, 0.1501, 0.01)
    for pairs, colour in ((5, "#e67e22"), (10, "#16a085"), (20, BASE)):
        shares = [found(QUIET, pairs, size, tests) for size in sizes]
        places = " ".join(f"{x(size):.1f},{y(share):.1f}" for size, share in zip(sizes, shares, strict=True))
        parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
        enough = float(np.interp(0.95, shares, sizes))
        parts.append(_dot(x(enough), y(0.95), colour))
        label = TOP + 70 + 22 * (5, 10, 20).index(pairs)
        parts.append(_dot(WIDTH - RIGHT - 105, label - 4, colour))
        parts.append(_text(WIDTH - RIGHT - 96, label, f"{pairs} pairs: +{100 * enough:.1f} %"))
    for percent in (0, 5, 10, 15):
        parts.append(_text(x(percent / 100), HEIGHT - BOTTOM + 18, f"+{percent} %", anchor="middle"))
    parts.append(_text(x(0.075), HEIGHT - BOTTOM + 36, "true slowdown; 5 % is tolerated", anchor="middle"))
    return _svg(parts)


# --- drawing ------------------------------------------------------------------------------------------------------


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * (float(value) - low) / (high - low)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="1.5"/>'


def _legend(y: float, entries: Sequence[tuple[str, str]]) -> str:
    return "".join(
        _dot(LEFT + 200 * i, y - 4, colour) + _text(LEFT + 200 * i + 10, y, name)
        for i, (colour, name) in enumerate(entries)
    )


def _svg(parts: Sequence[str]) -> str:
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        f'<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{inner}\n</svg>\n'
    )


def pictures(tests: int) -> Iterator[tuple[str, str]]:
    """Names and SVG; ``tests`` is how many comparisons stand behind each bar and point."""
    yield "pair.svg", pair_picture()
    yield "interval.svg", interval_picture()
    yield "twice.svg", twice_picture(tests)
    yield "caught.svg", caught_picture(max(tests // 5, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("docs/how-sure"), metavar="DIR")
    parser.add_argument("--tests", type=int, default=5000, metavar="N", help="simulated tests for each bar")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures(options.tests):
        (options.folder / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
