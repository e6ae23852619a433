"""What the gate costs for a suite: of a commit that changes comments only, or one module of ten.

    python -m benchmarks.suite.cost --tests 250 500 1000
    python -m benchmarks.suite.cost --tests 500 --change module

The suite is made up (``generated.py``). Time and CPU are those of the run with all its processes; the memory is the
largest of the process that the user started. An exact pass is one execution of every test on one side: a run in which
all is proved makes two. Its cost is that of the run, divided by two and by that of pytest alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.suite import generated
from benchmarks.suite.projects import environment

CHANGES: Final = {"comments": generated.change_comments, "module": generated.change_module}
GOALS: Final = {"comments": 30.0, "module": 300.0}
"""Seconds, for 500 tests."""
RATIO: Final = 3.0
MEMORY_MB: Final = 200
PASSES: Final = 2


@dataclass(frozen=True, slots=True)
class Cost:
    wall_s: float
    cpu_s: float
    memory_mb: float


def run(words: Sequence[str], folder: Path) -> Cost:
    """Raises ``CalledProcessError`` if it cannot be run; failed tests are no error."""
    began, before = time.monotonic(), os.times()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *words], cwd=folder, env=environment(), stdout=subprocess.DEVNULL
    )
    largest = [0.0]
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(process.pid, largest, ended))
    watching.start()
    code = process.wait()
    ended.set()
    watching.join()
    if code not in (0, 1):
        raise subprocess.CalledProcessError(code, process.args)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.monotonic() - began, cpu, largest[0])


def _watch(pid: int, largest: list[float], ended: threading.Event) -> None:
    """Of this process alone: resources of ended children would be those of its largest descendant."""
    while not ended.wait(0.1):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                largest[0] = max(largest[0], int(line.split()[1]) / 1024)


def measured(folder: Path, tests: int, change: str) -> str:
    generated.make(folder, tests)
    plain = run(["-q", "-p", "no:cacheprovider"], folder)
    CHANGES[change](folder)
    result = folder.with_name("result.json")
    options = ["-q", "-p", "pytest_flame.plugin", "--flame", "--flame-against=HEAD", f"--flame-json={result}"]
    gated = run(options, folder)
    verdicts = Counter(test["verdict"] for test in json.loads(result.read_text(encoding="utf-8"))["tests"])
    listed = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
    goal = f" (goal {GOALS[change]:.0f} s)" if tests == 500 else ""
    memory = f" (goal {MEMORY_MB} MB)" if tests == 1000 else ""
    lines = [
        f"{tests} tests, {change} changed: {listed}",
        f"  pytest alone {plain.wall_s:.1f} s, {plain.cpu_s:.1f} s of CPU",
        f"  gated {gated.wall_s:.1f} s{goal}, {gated.cpu_s:.1f} s of CPU, {1000 * gated.wall_s / tests:.0f} ms a test",
        f"  memory of the controller {gated.memory_mb:.0f} MB{memory}",
    ]
    if change == "comments":
        ratio = gated.cpu_s / PASSES / plain.cpu_s
        lines.append(f"  CPU of an exact pass over pytest alone {ratio:.1f} (goal {RATIO:.0f})")
        lines.append(f"  CPU of an exact pass {1000 * gated.cpu_s / PASSES / tests:.0f} ms a test")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, nargs="+", default=[500])
    parser.add_argument("--change", choices=sorted(CHANGES), default="comments")
    options: Any = parser.parse_args(arguments)
    for tests in options.tests:
        with tempfile.TemporaryDirectory() as folder:
            print(measured(Path(folder, "project"), tests, options.change), flush=True)


if __name__ == "__main__":
    main()
