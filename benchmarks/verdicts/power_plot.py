"""Draws the power of a budget, from the runs of ``simulate --table budget``: ``docs/power.svg``.

python -m benchmarks.verdicts.power_plot --results build/simulated --svg docs/power.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.intervals import wilson
from benchmarks.verdicts.simulate import RESULTS, Cell, Run, cells, code_hash, results

WIDTH, HEIGHT = 330, 250
LEFT, TOP, BOTTOM, RIGHT = 46, 40, 40, 10
BUDGETS = (2.0, 5.0, 10.0, 20.0)
COLOURS = ("#c0392b", "#2471a3")
STYLE = "text{font:11px sans-serif;fill:#333}.t{font-weight:bold}.g{stroke:#ddd}.w{stroke-width:1;opacity:.5}"


@dataclass(frozen=True, slots=True)
class Point:
    """``found`` of ``tried`` with ``budget`` seconds of CPU per side."""

    budget: float
    found: int
    tried: int


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    colour: str
    dash: str
    points: tuple[Point, ...]


def panels(done: Iterable[tuple[Cell, Sequence[Run]]]) -> dict[str, list[Line]]:
    """One for each change; a line for each noise and length of a process."""
    found: dict[str, dict[tuple[float, float], list[Point]]] = {}
    for cell, runs in done:
        if not runs:
            continue
        what = "one function" if cell.change == "slower_leaf" else "everything"
        same = cell.change == "unchanged"
        title = "unchanged: PASS" if same else f"{what} +{100 * cell.size:g} %: REGRESSED"
        hits = sum(r.verdict == ("PASS" if same else "REGRESSED") for r in runs)
        lines = found.setdefault(title, {})
        key = cell.weather.process_sd, cell.weather.seconds
        lines.setdefault(key, []).append(Point(cell.most * cell.weather.seconds, hits, len(runs)))
    return {title: [_line(*key, points) for key, points in lines.items()] for title, lines in found.items()}


def _line(sd: float, seconds: float, points: list[Point]) -> Line:
    colour = COLOURS[sd > 0.02]
    name = f"sd {100 * sd:g} %, processes of {seconds:g} s"
    return Line(name, colour, "" if seconds >= 0.5 else "5 3", tuple(sorted(points, key=lambda p: p.budget)))


def svg(drawn: dict[str, list[Line]]) -> str:
    """The panels in two columns, the legend below; plain text."""
    legend = {line.name: line for lines in drawn.values() for line in lines}
    height = HEIGHT * ((len(drawn) + 1) // 2)
    body = [part for i, (title, lines) in enumerate(drawn.items()) for part in _panel(i, title, lines)]
    for i, line in enumerate(legend.values()):
        x, y = LEFT + (i % 2) * WIDTH, height + 12 + i // 2 * 18
        body.append(f'<line x1="{x}" y1="{y}" x2="{x + 30}" y2="{y}" {_stroke(line)}/>')
        body.append(f'<text x="{x + 36}" y="{y + 4}">{escape(line.name)}</text>')
    size = f'width="{2 * WIDTH}" height="{height + 50}" viewBox="0 0 {2 * WIDTH} {height + 50}"'
    inner = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{inner}\n</svg>\n'
    )


def _panel(number: int, title: str, lines: Sequence[Line]) -> Iterator[str]:
    left, top = (number % 2) * WIDTH + LEFT, number // 2 * HEIGHT + TOP
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(budget: float) -> float:
        return left + wide * (BUDGETS.index(budget) + 0.5) / len(BUDGETS)

    def y(part: float) -> float:
        return top + high * (1 - part)

    yield f'<text class="t" x="{left}" y="{top - 12}">{escape(title)}</text>'
    for percent in (0, 25, 50, 75, 100):
        at = y(percent / 100)
        yield f'<line class="g" x1="{left}" y1="{at:.1f}" x2="{left + wide}" y2="{at:.1f}"/>'
        yield f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{percent} %</text>'
    for budget in BUDGETS:
        yield f'<text x="{x(budget):.1f}" y="{top + high + 16}" text-anchor="middle">{budget:g} s</text>'
    yield f'<text x="{left + wide / 2}" y="{top + high + 31}" text-anchor="middle">CPU per side, at most</text>'
    for line in lines:
        places = " ".join(f"{x(p.budget):.1f},{y(p.found / p.tried):.1f}" for p in line.points)
        yield f'<polyline points="{places}" fill="none" {_stroke(line)}/>'
        for p in line.points:
            low, up = wilson(p.found, p.tried)
            place = f"{x(p.budget):.1f}"
            yield f'<line class="w" x1="{place}" y1="{y(low):.1f}" x2="{place}" y2="{y(up):.1f}" {_stroke(line)}/>'
            yield f'<circle cx="{place}" cy="{y(p.found / p.tried):.1f}" r="2.5" fill="{line.colour}"/>'


def _stroke(line: Line) -> str:
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return f'stroke="{line.colour}" stroke-width="1.5"{dash}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where simulate keeps its runs")
    parser.add_argument("--svg", type=Path, default=Path("docs/power.svg"), metavar="FILE")
    parser.add_argument("--source", default=code_hash(), metavar="HASH", help="runs of another version of the code")
    options = parser.parse_args()
    chosen = [cell for cell in cells() if cell.table == "budget"]
    found = results(options.results / "runs.jsonl", chosen, options.source)
    drawn = panels((cell, found[cell.key]) for cell in chosen)
    if not drawn:
        raise SystemExit(f"{options.results} has no runs of this version: run simulate.py --table budget first")
    options.svg.write_text(svg(drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
