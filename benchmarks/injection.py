"""A busy loop of a chosen size in an existing function, and plain timing without the gate."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trial import copy_project

PROBE = 2000
"""Rounds of the loop that is timed to find the cost of a round."""
PROCESSES = 5
TIMING = """
import importlib, sys, time
body = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
seconds = []
until = time.process_time() + 0.6
while time.process_time() < until or len(seconds) < 9:
    start = time.process_time()
    body()
    seconds.append(time.process_time() - start)
print(sorted(seconds)[len(seconds) // 2])
"""


@dataclass(frozen=True, slots=True)
class BusyLoop:
    """Inserted at the start of the body of ``qualname`` in ``path``, to slow down ``test``."""

    path: str
    qualname: str
    test: str

    @property
    def frame(self) -> str:
        return f"{self.path.removesuffix('.py').replace('/', '.')}:{self.qualname}"

    def insert(self, project: Path, rounds: int) -> None:
        file = project / self.path
        file.write_text(with_loop(file.read_text(encoding="utf-8"), self.qualname, rounds), encoding="utf-8")


def with_loop(source: str, qualname: str, rounds: int) -> str:
    """``source`` with a loop of this many empty rounds before the first statement of ``qualname`` that does something.

    It runs over zero bytes because all rounds cost the same there: a ``range`` makes new integers above 256.
    """
    body: list[ast.stmt] = ast.parse(source).body
    line = 0
    for name in qualname.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef)
        found = next((node for node in body if isinstance(node, kinds) and node.name == name), None)
        if found is None:
            raise ValueError(f"no {qualname} in the source: stopped at {name}")
        body, line = found.body, found.lineno
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(body) > 1:
        first = body[1]
    if first.lineno == line:
        raise ValueError(f"{qualname} stands on one line")
    lines = source.splitlines(keepends=True)
    loop = f"{' ' * first.col_offset}for _busy in bytes({rounds}): pass\n"
    return "".join([*lines[: first.lineno - 1], loop, *lines[first.lineno - 1 :]])


def seconds_by_side(head: Path, base: Path, uses: str, test: str) -> tuple[float, float]:
    """CPU seconds of one call of ``test`` on both sides: the fastest of fresh processes, which alternate."""
    sides: dict[Path, list[float]] = {head: [], base: []}
    for _ in range(PROCESSES):
        for project, seconds in sides.items():
            command = [sys.executable, "-c", TIMING, uses.removesuffix(".py"), test]
            environment = os.environ | {"PYTHONPATH": str(project / "tests")}
            done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)
            seconds.append(float(done.stdout))
    return min(sides[head]), min(sides[base])


def part_per_round(loop: BusyLoop, base: Path, scratch: Path, uses: str) -> float:
    """What one round of the loop adds to ``loop.test``, as a share of its cost; ``scratch`` is overwritten.

    Taken from a loop so long that noise does not matter.
    """
    copy_project(base, scratch)
    loop.insert(scratch, PROBE)
    slow, fast = seconds_by_side(scratch, base, uses, loop.test)
    return (slow / fast - 1) / PROBE


def rounds_for(size: float, per_round: float) -> int:
    """Raises ``ValueError`` if even one round is more than ``size``."""
    if not 0 < per_round <= size:
        raise ValueError(f"one round adds {per_round:.2%}: no loop is as short as {size:.0%}")
    return round(size / per_round)
