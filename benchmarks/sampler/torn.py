"""How many samples do samplers throw away or get wrong? py-spy, Austin, Tachyon and pytest-flame, on one program.

    python -m benchmarks.sampler.torn [--repeats 5] [--seconds 5] [--results build/torn.jsonl]
    sh ci/pythons.sh run 3.15 python -m benchmarks.sampler.torn --tool flame --tool tachyon --tool tachyon-blocking

``discarded`` is what the tool itself says it threw away; ``torn`` are stacks it kept that the program cannot have, by
the names of their functions, checked against everything ``sys.setprofile`` sees of it. Tools run in random order. Exit
status 1 if pytest-flame has a torn stack or discards as much as any other tool.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.sampler.series import ROOT, Series, machine

TARGET = (sys.executable, "-m", "benchmarks.sampler.torn_target")
OF_RUNPY = {"_run_module_as_main", "_run_code"}
FRAMES_OUTSIDE = OF_RUNPY | {"<module>", "main", "for_ever", "sampled", "no_automatic_gc", "__enter__", "__exit__"}


@dataclass(frozen=True, slots=True)
class Sampled:
    """Stacks root first by plain function names, how often each, and what the tool says about the rest."""

    stacks: dict[tuple[str, ...], int]
    discarded: int


class NotRun(Exception):
    """A tool that is missing or does not work with this interpreter, and its message."""


@contextmanager
def target(folder: Path) -> Iterator[int]:
    process = subprocess.Popen([*TARGET, str(folder / "possible.json")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the target has ended")
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def ask(command: list[str], seconds: float, fine: tuple[int, ...] = (0,)) -> str:
    if shutil.which(command[0]) is None:
        raise NotRun(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode not in fine:
        raise NotRun(f"exit status {done.returncode}: {' '.join((done.stdout + done.stderr).split())[-200:]}")
    return done.stdout + done.stderr


def beside_python(name: str) -> str:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def plain(name: str) -> str:
    return name.rpartition(".")[2].strip()


def collapsed(path: Path, frame_name: Callable[[str], str | None]) -> dict[tuple[str, ...], int]:
    """Folded stacks; ``frame_name`` gives the function's name, None for what is not a frame."""
    stacks: dict[tuple[str, ...], int] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        text, _, count = line.rpartition(" ")
        stack = tuple(plain(name) for part in text.split(";") if (name := frame_name(part)) is not None)
        stacks[stack] = stacks.get(stack, 0) + int(count)
    return stacks


def flame(folder: Path, rate: int, seconds: float) -> Sampled:
    arguments = [str(folder / "possible.json"), str(rate), str(seconds), str(folder / "samples.json")]
    ask([*TARGET, *arguments], seconds)
    found = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    inside = {("workload", *stack.split(";")): count for stack, count in found["stacks"].items() if stack}
    return Sampled(inside, found["discarded"])


def py_spy(folder: Path, rate: int, seconds: float, *options: str) -> Sampled:
    out = folder / "py-spy.txt"
    command = [beside_python("py-spy"), "record", "--rate", str(rate), "--duration", f"{seconds:.0f}"]
    with target(folder) as pid:
        said = ask([*command, "--format=raw", "--nolineno", f"--output={out}", f"--pid={pid}", *options], seconds)
    errors = re.search(r"Errors: (\d+)", said)
    stacks = collapsed(out, lambda part: re.sub(r" \([^()]*\)$", "", part))
    return Sampled(stacks, int(errors[1]) if errors else 0)


def py_spy_nonblocking(folder: Path, rate: int, seconds: float) -> Sampled:
    return py_spy(folder, rate, seconds, "--nonblocking")


def austin(folder: Path, rate: int, seconds: float) -> Sampled:
    out = folder / "austin.txt"
    command = [beside_python("austin"), "-i", f"{1_000_000 // rate}us", "-x", f"{seconds:.0f}", "-o", str(out)]
    with target(folder) as pid:
        said = ask([*command, "-p", str(pid)], seconds)
    text = out.read_text(encoding="utf-8")
    errors = re.search(r"Error rate[^\d]*(\d+)/(\d+)", said + text)
    invalid = sum(1 for line in text.splitlines() if ":INVALID:" in line)
    stacks: dict[tuple[str, ...], int] = {}
    for line in text.splitlines():
        if line.startswith("P") and ":INVALID:" not in line:
            parts = line.rpartition(" ")[0].split(";")
            stack = tuple(plain(part.split(":")[1]) for part in parts if part.count(":") >= 2)
            stacks[stack] = stacks.get(stack, 0) + 1
    return Sampled(stacks, (int(errors[1]) if errors else 0) + invalid)


def tachyon(folder: Path, rate: int, seconds: float, *options: str) -> Sampled:
    out = folder / "tachyon.txt"
    command = [
        sys.executable,
        "-m",
        "profiling.sampling",
        "attach",
        f"--sampling-rate={rate}",
        f"--duration={seconds:.0f}",
    ]
    with target(folder) as pid:
        said = ask([*command, "--collapsed", "--no-gc", "--output", str(out), *options, str(pid)], seconds)
    rate_text = re.search(r"Error rate:\s*([\d.]+)", said)
    total = re.search(r"Captured ([\d,]+) samples", said)
    stacks = collapsed(out, lambda part: None if part.startswith("tid:") else part.split(":")[-2])
    if total is None:
        raise NotRun(f"no count of samples: {' '.join(said.split())[-200:]}")
    captured = int(total[1].replace(",", ""))
    share = float(rate_text[1]) / 100 if rate_text else 0.0
    return Sampled(stacks, round(captured * share))


def tachyon_blocking(folder: Path, rate: int, seconds: float) -> Sampled:
    return tachyon(folder, rate, seconds, "--blocking")


TOOLS: dict[str, Callable[[Path, int, float], Sampled]] = {
    "flame": flame,
    "py-spy": py_spy,
    "py-spy-nonblocking": py_spy_nonblocking,
    "austin": austin,
    "tachyon": tachyon,
    "tachyon-blocking": tachyon_blocking,
}


def is_torn(stack: tuple[str, ...], possible: set[tuple[str, ...]]) -> bool:
    if "workload" in stack:
        # Only what is below the last one: above it is the target's own start.
        inside = stack[len(stack) - stack[::-1].index("workload") :]
        return bool(inside) and inside not in possible
    return not set(stack) <= FRAMES_OUTSIDE


def measure(tool: str, rate: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="torn-") as name:
        folder = Path(name)
        try:
            found = TOOLS[tool](folder, rate, seconds)
        except NotRun as e:
            return {"broken": str(e)}
        possible = {tuple(stack) for stack in json.loads((folder / "possible.json").read_text(encoding="utf-8"))}
    torn = {stack: count for stack, count in found.stacks.items() if is_torn(stack, possible)}
    return {
        "kept": sum(found.stacks.values()),
        "torn": sum(torn.values()),
        "discarded": found.discarded,
        "examples": [";".join(stack) for stack in list(torn)[:3]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--tool", action="append", choices=TOOLS)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "torn.jsonl")
    options = parser.parse_args()
    print(machine())
    series, python = Series(options.results), platform.python_version()
    cells = [(tool, rate) for rate in options.rate or (1000, 10_000) for tool in options.tool or TOOLS]
    for repeat in range(options.repeats):
        for tool, rate in random.Random(repeat).sample(cells, len(cells)):
            key = {"tool": tool, "rate": rate, "repeat": repeat, "seconds": options.seconds}
            if not series.having(**key, python=python):
                series.add(key | measure(tool, rate, options.seconds))
    bad: dict[tuple[str, int], float] = {}
    for tool, rate in cells:
        rows = series.having(tool=tool, rate=rate, seconds=options.seconds, python=python)
        good = [row for row in rows if "broken" not in row]
        label = f"{python:<9}{tool:<20}{rate:>6} Hz  "
        if not good:
            print(f"{label}not run: {rows[0]['broken']}")
            continue
        kept, torn, discarded = (sum(row[name] for row in good) for name in ("kept", "torn", "discarded"))
        bad[tool, rate] = (torn + discarded) / max(1, kept + discarded)
        print(f"{label}{kept:>7} kept, {torn:>5} torn ({torn / max(1, kept):6.2%}), {discarded:>5} discarded "
              f"({discarded / max(1, kept + discarded):6.2%})")  # fmt: skip
        for example in next((row["examples"] for row in good if row["examples"]), []):
            print(f"    {example}")
    torn_own = sum(row.get("torn", 0) for row in series.having(tool="flame", python=python))
    beaten = [cell for cell in bad if cell[0] != "flame" and bad[cell] < bad.get(("flame", cell[1]), 0)]
    for tool, rate in beaten:
        print(f"{tool} at {rate} Hz lost fewer than pytest-flame")
    return 1 if torn_own or beaten else 0


if __name__ == "__main__":
    sys.exit(main())
