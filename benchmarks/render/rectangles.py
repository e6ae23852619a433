"""Are the rectangles those of flamegraph.pl? Names, widths and nesting, on folded files and on synthetic profiles.

    python -m benchmarks.render.rectangles --perl FlameGraph/flamegraph.pl [--made-up 20000] [FILE.folded…]

A synthetic profile is drawn twice: the head alone, and the head with the difference of each function's self cost.

flamegraph.pl (https://github.com/brendangregg/FlameGraph) merges neighbours of the lines sorted as text, so a function
whose lines are not adjacent is drawn as several boxes side by side; together they must be as wide as ours, and the
number of split functions is printed. Positions are compared if both draw the siblings in the same order. Exit status 1
if anything else differs.
"""

from __future__ import annotations

import argparse
import html
import io
import re
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.render.profiles import make_pair
from pytest_flame.formats import collapsed, folded
from pytest_flame.formats.content import Bounds, Content
from pytest_flame.formats.labels import Naming
from pytest_flame.model import Frame, Stack
from pytest_flame.render.layout import Tree, Width, build_tree

Path_ = tuple[str, ...]
"""Names from the root."""
Costs = Mapping[Stack, int]

_GROUP = re.compile(
    r"<title>(?P<name>.*) \((?P<samples>[\d,]+) samples, [\d.]+%(?:; (?P<delta>[-+\d.]+)%)?\)</title>"
    r'<rect x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" width="(?P<width>[\d.]+)"'
)
_ROW = 16.0
_MARGIN = 10.0
_PX_PER_SAMPLE = 10
"""The picture is so wide that its coordinates, written to a tenth, are exact."""
_HALF_DIGIT = 0.005001
_ANNOTATION = re.compile(r"_\[[kwij]\]$")


@dataclass(frozen=True)
class Rectangle:
    """``start`` and ``samples`` as the input counts them."""

    path: Path_
    start: int
    samples: int
    delta_percent: float | None = None
    """Growth of the function's self cost in percent of the picture."""


@dataclass(frozen=True)
class Outcome:
    nodes: int
    split: int
    """Functions that flamegraph.pl draws as more than one box."""
    same_order: bool
    differences: tuple[str, ...]


# --- theirs --------------------------------------------------------------------------------------------------


def drawn_by(script: Path, text: str, total: int) -> list[Rectangle]:
    """flamegraph.pl's picture of folded text whose counts add up to ``total``."""
    with tempfile.NamedTemporaryFile("w", suffix=".folded", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        width = str(total * _PX_PER_SAMPLE + 2 * int(_MARGIN))
        done = subprocess.run(
            ["perl", str(script), "--width", width, "--minwidth", "0", "--hash", file.name],
            capture_output=True,
            check=True,
        )
    return read_picture(done.stdout.decode("utf-8"))


def read_picture(svg: str) -> list[Rectangle]:
    """The rectangles of flamegraph.pl's picture, each with the path given by its position, without the root ``all``."""
    rows: dict[int, list[tuple[float, float, re.Match[str]]]] = defaultdict(list)
    matches = list(_GROUP.finditer(svg.replace("</title>\n", "</title>")))
    bottom = max(float(match["y"]) for match in matches)
    for match in matches:
        rows[round((bottom - float(match["y"])) / _ROW)].append((float(match["x"]), float(match["width"]), match))
    found: list[Rectangle] = []
    callers: list[tuple[float, float, Path_]] = [(_MARGIN, float("inf"), ())]
    for depth in sorted(rows)[1:]:
        starts, here = [start for start, _, _ in callers], []
        for x, width, match in sorted(rows[depth], key=lambda row: row[:2]):
            caller = callers[bisect_right(starts, x + 0.06) - 1]
            if x + width > caller[1] + 0.06:
                raise ValueError(f"{match['name']} at depth {depth} sticks out of {caller[2]}")
            path = (*caller[2], html.unescape(match["name"]))
            samples = int(match["samples"].replace(",", ""))
            start = round((x - _MARGIN) / _PX_PER_SAMPLE)
            if round(width / _PX_PER_SAMPLE) != samples:
                raise ValueError(f"{path} is {width} px wide for {samples} samples")
            found.append(Rectangle(path, start, samples, float(match["delta"]) if match["delta"] else None))
            if width:
                here.append((x, x + width, path))
        callers = here
    return found


# --- ours ----------------------------------------------------------------------------------------------------


def shown(frame: Frame) -> str:
    """A frame's name in flamegraph.pl's picture: as in the file, without the suffixes that choose a colour."""
    return _ANNOTATION.sub("", f"{frame.module}:{frame.qualname}" if frame.module and frame.qualname else max(frame))


def shown_foreign(frame: Frame) -> str:
    """The same for a file in which a suffix marks kernel functions."""
    return shown(Frame("", frame.qualname) if frame.module == "kernel" else frame)


def drawn_by_us(tree: Tree, width: Width, name: Callable[[Frame], str] = shown) -> list[Rectangle]:
    """The boxes of a tree, with self cost left of the callees as in flamegraph.pl."""
    weight, own = tree.weight(width), tree.self_weight(width)
    names = [name(frame) for frame in tree.frames]
    start = np.cumsum(own) - own
    paths: list[Path_] = []
    for node, parent in enumerate(tree.parent.tolist()):
        paths.append((*(paths[parent] if parent >= 0 else ()), names[tree.frame[node]]))
    delta = 100 * (tree.head_self - tree.base_self) / max(tree.total(width), 1)
    return [
        Rectangle(path, int(x), int(wide), float(percent))
        for path, x, wide, percent in zip(paths, start, weight, delta, strict=True)
        if wide
    ]


# --- both ----------------------------------------------------------------------------------------------------


def compare(ours: Sequence[Rectangle], theirs: Sequence[Rectangle]) -> Outcome:
    """Every way in which two pictures differ, except for split boxes and siblings in another order."""
    wide = {box.path: box.samples for box in ours}
    boxes = Counter(box.path for box in theirs)
    samples: Counter[Path_] = Counter()
    for box in theirs:
        samples[box.path] += box.samples
    differences = [f"{';'.join(path)} is drawn by only one of the two" for path in wide.keys() ^ boxes.keys()]
    differences += [
        f"{';'.join(path)} is {samples[path]} wide there and {wide[path]} here"
        for path in wide.keys() & boxes.keys()
        if samples[path] != wide[path]
    ]
    deltas = {box.path: box.delta_percent for box in theirs if boxes[box.path] == 1 and box.delta_percent is not None}
    differences += [
        f"{';'.join(box.path)} grew by {deltas[box.path]} % there and {box.delta_percent} % here"
        for box in ours
        if box.path in deltas and abs(deltas[box.path] - (box.delta_percent or 0.0)) > _HALF_DIGIT
    ]
    split = sum(count > 1 for count in boxes.values())
    order = [box.path for box in sorted(theirs, key=lambda box: (box.start, len(box.path)))]
    same_order = order == [box.path for box in ours]
    if same_order:
        place = {box.path: box.start for box in theirs}
        differences += [
            f"{';'.join(box.path)} begins at {place[box.path]} there and {box.start} here"
            for box in ours
            if place[box.path] != box.start
        ]
    return Outcome(len(wide), split, same_order, tuple(differences))


def check(script: Path, text: str) -> Outcome:
    """flamegraph.pl and the project's layout on the same folded text."""
    costs = folded.loads(text)
    tree = build_tree({}, costs)
    tree.check()
    return compare(drawn_by_us(tree, Width.HEAD), drawn_by(script, text, sum(costs.values())))


def check_foreign(script: Path, text: str) -> Outcome:
    """The same for another tool's file, as the ``flame`` command reads it."""
    # Labels as they are written, as flamegraph.pl draws them.
    found = collapsed.read(Content(io.BytesIO(text.encode()), "", Bounds()), Naming(functions=False))
    tree = build_tree({}, {stack: count // found.metric.scale for stack, count in found.costs.items()})
    ours = drawn_by_us(tree, Width.HEAD, shown_foreign)
    return compare(ours, drawn_by(script, text, tree.total(Width.HEAD)))


def check_pair(script: Path, base: Costs, head: Costs) -> Outcome:
    """Both on two profiles, as ``difffolded.pl`` joins them: two counts per line.

    Stacks without cost in head are left out: flamegraph.pl gives them no width, and two of them, or one and a box that
    ends at the same place, overwrite each other.
    """
    base = {stack: base.get(stack, 0) for stack, cost in head.items() if cost}
    lines = [f"{';'.join(map(folded.encode_frame, stack))} {before} {head[stack]}\n" for stack, before in base.items()]
    tree = build_tree(base, {stack: head[stack] for stack in base})
    return compare(drawn_by_us(tree, Width.HEAD), drawn_by(script, "".join(lines), tree.total(Width.HEAD)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perl", type=Path, required=True, help="path of flamegraph.pl")
    parser.add_argument("--made-up", type=int, default=0, metavar="NODES", help="size of a synthetic profile")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    script = options.perl
    checks: list[tuple[str, Callable[[], Outcome]]] = [
        (path.name, partial(check, script, path.read_text(encoding="utf-8"))) for path in options.files
    ]
    if options.made_up:
        pair = make_pair(options.made_up)
        checks.append(("synthetic", lambda: check(script, folded.dumps(pair.head))))
        checks.append(("synthetic, both sides", lambda: check_pair(script, pair.base, pair.head)))
    if not checks:
        parser.error("nothing to compare: name folded files or give --made-up")
    longest = max(len(name) for name, _ in checks)
    print(f"{'input':{longest}}  {'boxes':>8}  {'split there':>11}  {'order':>6}  differences")
    wrong = 0
    for name, run in checks:
        outcome = run()
        wrong += bool(outcome.differences)
        order = "same" if outcome.same_order else "other"
        print(f"{name:{longest}}  {outcome.nodes:>8}  {outcome.split:>11}  {order:>6}  {len(outcome.differences)}")
        for difference in outcome.differences[:5]:
            print(f"    {difference}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
