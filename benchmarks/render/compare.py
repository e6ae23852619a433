"""What the same profile costs in other tools: time, bytes, and how many functions the result still has.

    python -m benchmarks.render.compare --perl FlameGraph/flamegraph.pl [--inferno DIR]
        [--cpython "sh ci/pythons.sh run 3.15 python"] [--nodes 1000 10000 100000] [FILE | BASE HEAD]

Every tool reads the same folded files, generated (profiles.py) or given, and runs as its users run it: a fresh process
that reads the file and writes the picture. ``--inferno`` names the folder with inferno-flamegraph and
inferno-diff-folded. CPython's profiler only draws what it sampled itself: cpython_flamegraph.py passes the stacks to
its collector, in the interpreter that ``--cpython`` names. A tool that is not named is left out. Times are the smallest
of ``--repeats`` runs, of CPU (all processes) and by the clock; "boxes" is how many the file contains, of how many the
profile has.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.render.profiles import make_pair
from pytest_flame.formats import folded
from pytest_flame.render.layout import Width, build_tree

FEEDER = Path(__file__).parent / "cpython_flamegraph.py"


@dataclass(frozen=True)
class Input:
    """``nodes`` of the union, ``head_nodes`` of head alone."""

    name: str
    base: Path | None
    head: Path
    nodes: int
    head_nodes: int


@dataclass(frozen=True)
class Tool:
    name: str
    suffix: str
    command: Callable[[Input, Path], Sequence[str]]
    """A command without a shell that writes its second argument, or to its standard output if it does not name one."""
    boxes: Callable[[str], int]
    two_sided: bool


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    wall_s: float
    size: int
    packed: int
    """With gzip, as a server sends it."""
    boxes: int


# --- the tools -----------------------------------------------------------------------------------------------


def tools(options: argparse.Namespace) -> Iterator[Tool]:
    ours = [sys.executable, "-m", "pytest_flame.cli"]
    if options.perl:
        perl = ["perl", str(options.perl)]
        join = ["perl", str(options.perl.with_name("difffolded.pl"))]
        yield Tool("flamegraph.pl", "svg", lambda i, _: [*perl, str(i.head)], titles, False)
        yield Tool("difffolded.pl + flamegraph.pl", "svg", lambda i, _: piped(join, i, perl), titles, True)
    if options.inferno:
        flames, both = str(options.inferno / "inferno-flamegraph"), str(options.inferno / "inferno-diff-folded")
        yield Tool("inferno", "svg", lambda i, _: [flames, str(i.head)], titles, False)
        yield Tool("inferno, differential", "svg", lambda i, _: piped([both], i, [flames]), titles, True)
    if options.cpython:
        feed = [*shlex.split(options.cpython), str(FEEDER)]
        yield Tool("CPython --flamegraph", "html", lambda i, o: [*feed, str(o), str(i.head)], lines, False)
        yield Tool(
            "CPython --diff-flamegraph", "html", lambda i, o: [*feed, str(o), str(i.head), str(i.base)], lines, True
        )
    for name, suffix, more, count in (
        ("svg, static", "svg", ["--static"], boxes),
        ("svg", "svg", [], scripted),
        ("html", "html", [], carried),
    ):
        draw, diff = [*ours, "draw", *more], [*ours, "diff", *more]
        yield Tool(f"flame draw, {name}", suffix, partial(one_sided, draw), count, False)
        yield Tool(f"flame diff, {name}", suffix, partial(two_sided, diff), count, True)


def one_sided(command: Sequence[str], of: Input, result: Path) -> list[str]:
    return [*command, str(of.head), "-o", str(result)]


def two_sided(command: Sequence[str], of: Input, result: Path) -> list[str]:
    return [*command, str(of.base), str(of.head), "-o", str(result)]


def piped(join: Sequence[str], of: Input, draw: Sequence[str]) -> list[str]:
    return ["sh", "-c", f"{shlex.join([*join, str(of.base), str(of.head)])} | {shlex.join(draw)}"]


def titles(text: str) -> int:
    return text.count("<title>") - 1  # the root "all" is no function


def boxes(text: str) -> int:
    return len(re.findall(r"<rect[^>]*[^/]><title>", text))


def scripted(text: str) -> int:
    """What can be zoomed to, not only what is drawn initially."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return len(json.loads(data[1])["depth"]) if data else boxes(text)


def lines(text: str) -> int:
    return len(re.findall(r'"lineno": ?\d', text))


def carried(text: str) -> int:
    return sum(int(nodes) for nodes in re.findall(r' data-nodes="(\d+)"', text))


class Broken(Exception):
    """A tool that did not draw; the end of its output."""


# --- measuring -----------------------------------------------------------------------------------------------


def measure(tool: Tool, of: Input, folder: Path, repeats: int) -> Cost:
    result = folder / f"{of.name}.{re.sub(r'[^a-zA-Z0-9]+', '-', tool.name)}.{tool.suffix}"
    cpu, wall = [], []
    for _ in range(repeats):
        result.unlink(missing_ok=True)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with Path(f"{result}.out").open("wb") as out:
            done = subprocess.run(tool.command(of, result), stdout=out, stderr=subprocess.PIPE, check=False)
        wall.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise Broken(f"exit status {done.returncode}: {said[-1] if said else 'without a word'}")
        if result.exists():
            Path(f"{result}.out").unlink()
        else:
            Path(f"{result}.out").rename(result)
    text = result.read_text(encoding="utf-8")
    packed = len(gzip.compress(text.encode(), 6))
    return Cost(min(cpu), min(wall), result.stat().st_size, packed, tool.boxes(text))


def made_up(nodes: int, folder: Path) -> Input:
    pair, paths = make_pair(nodes), [folder / f"{nodes}.{side}.folded" for side in ("base", "head")]
    for path, costs in zip(paths, (pair.base, pair.head), strict=True):
        path.write_text(folded.dumps(costs), encoding="utf-8")
    return counted(str(nodes), paths[0], paths[1])


def counted(name: str, base: Path | None, head: Path) -> Input:
    sides = [folded.loads(path.read_text(encoding="utf-8")) if path else {} for path in (base, head)]
    tree = build_tree(*sides)
    return Input(name, base, head, len(tree), int((tree.weight(Width.HEAD) > 0).sum()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perl", type=Path, help="path of flamegraph.pl")
    parser.add_argument("--inferno", type=Path, help="folder of inferno's programs")
    parser.add_argument("--cpython", help="command that runs CPython 3.15")
    parser.add_argument("--nodes", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=Path("build/render"), help="where to write the files")
    parser.add_argument("--only", default="", help="a regular expression of tools")
    parser.add_argument("files", nargs="*", type=Path, help="one folded file, or two to compare")
    options = parser.parse_args(arguments)
    if len(options.files) > 2:
        parser.error("one file, or two to compare")
    folder: Path = options.keep
    folder.mkdir(parents=True, exist_ok=True)
    if options.files:
        base = options.files[0] if len(options.files) == 2 else None
        inputs = [counted(options.files[-1].stem, base, options.files[-1])]
    else:
        inputs = [made_up(nodes, folder) for nodes in options.nodes]
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, CPython {sys.version.split()[0]}")
    failed = False
    for of in inputs:
        size = of.head.stat().st_size
        print(f"\n{of.name}: {of.nodes:,} functions in the tree, {size / 1e6:.1f} MB folded per side")
        print(f"{'':32}{'CPU s':>8}{'wall s':>8}{'MB':>8}{'gzip MB':>9}{'boxes':>10}{'of':>10}")
        for tool in sorted(tools(options), key=lambda tool: tool.two_sided):
            if (tool.two_sided and not of.base) or not re.search(options.only, tool.name):
                continue
            try:
                cost = measure(tool, of, folder, options.repeats)
            except Broken as broken:
                failed = True
                print(f"{tool.name:32}{broken}")
                continue
            every = of.nodes if tool.two_sided else of.head_nodes
            print(
                f"{tool.name:32}{cost.cpu_s:8.2f}{cost.wall_s:8.2f}{cost.size / 1e6:8.2f}{cost.packed / 1e6:9.2f}"
                f"{cost.boxes:10,}{every:10,}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
