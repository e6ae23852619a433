"""What the installed plugin costs a run that does not use it.

    python -m benchmarks.startup [--pairs 40]

Runs pytest on one empty test with the plugin and with ``-p no:flame``, in pairs of random order and with all other
plugins blocked, and prints the median difference of wall and CPU time with its 95 % interval. Exit status 1 if the
interval of the CPU time reaches above the limit (start-up is all CPU, and a busy machine does not disturb it much), or
if a heavy module is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from benchmarks.intervals import median_interval

LIMIT_MS = 10.0
HEAVY = ("scipy", "numpy", "jinja2", "cffi", "_cffi_backend", "elftools", "pytest_flame.sampling._sampler")
"""What a run without ``--flame`` does not need."""


def imported_modules(folder: Path) -> set[str]:
    """``sys.modules`` after a whole pytest run, with no other plugin than pytest's own and this one."""
    (folder / "test_empty.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    script = (
        "import json, pytest, sys\nstatus = pytest.main(sys.argv[1:])\n"
        "print()\nprint(json.dumps([status, sorted(sys.modules)]))"
    )
    command = [sys.executable, "-c", script, "-q", *only_pytest_and_flame()]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    if status != 0:
        raise RuntimeError(f"pytest ended with status {status}:\n{done.stdout}{done.stderr}")
    return set(modules)


def environment(folder: Path) -> dict[str, str]:
    """Bytecode is cached, as for installed packages, and separately from everything else."""
    dropped = ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**inherited, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def only_pytest_and_flame() -> list[str]:
    others = {point.name for point in entry_points(group="pytest11")} - {"flame"}
    return ["-p", "no:cacheprovider", *(argument for name in sorted(others) for argument in ("-p", f"no:{name}"))]


def run_once(folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU time of one pytest run, milliseconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    sides = {"with": only_pytest_and_flame(), "without": [*only_pytest_and_flame(), "-p", "no:flame"]}
    wall: list[float] = []
    cpu: list[float] = []
    plain: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = imported_modules(folder)
        for arguments in sides.values():  # bytecode and the page cache
            run_once(folder, arguments)
        for _ in range(options.pairs):
            order = list(sides)
            rng.shuffle(order)
            times = {side: run_once(folder, sides[side]) for side in order}
            wall.append(times["with"][0] - times["without"][0])
            cpu.append(times["with"][1] - times["without"][1])
            plain.append(times["without"][0])
    print(f"{options.pairs} pairs; pytest alone takes {statistics.median(plain):.0f} ms")
    print(f"  more with the plugin, without --flame (median, 95 % interval; limit {LIMIT_MS:.0f} ms):")
    for label, values in (("CPU", cpu), ("wall", wall)):
        found = median_interval(values)
        print(f"    {label:<4} {found.middle:+.1f} ms [{found.low:+.1f}, {found.high:+.1f}]")
    heavy = [m for m in HEAVY if m in modules]
    own = sorted(m for m in modules if m.partition(".")[0] == "pytest_flame")
    print(f"  heavy modules imported: {', '.join(heavy) or 'none'} (of {', '.join(HEAVY)})")
    print(f"  own modules imported: {', '.join(own)}")
    return 1 if heavy or median_interval(cpu).high > LIMIT_MS else 0


if __name__ == "__main__":
    sys.exit(main())
