"""The interpreter's own test files under fast sampling: every test must end as it does without.

    python -m benchmarks.sampler.stress [--frequency 20000] [--results build/stress.jsonl] [test_json …]

Each file of CPython's ``test`` package runs in two fresh processes, alone and sampled from its first line to its last,
by ``test.libregrtest``; the outcomes of the single tests are compared. If they differ, both are run again: a test that
differs again is a failure, another one is printed as unstable. Without names: ``stress_files.txt``, files that need no
network and little time. The ``test`` package comes with Python's sources and pyenv; Debian has it in
libpython3.X-testsuite.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.sampler.series import ROOT, Series, machine

TARGET = Path(__file__).with_name("stress_target.py")
FILES = Path(__file__).with_name("stress_files.txt").read_text(encoding="utf-8").split()
SECONDS = 900
SIGNALLED = {-number: number.name for number in signal.Signals}


def run_file(file: str, frequency: int) -> dict[str, Any]:
    """Outcome by test, how the process ended, and what was sampled."""
    with tempfile.TemporaryDirectory(prefix="stress-") as name:
        folder = Path(name)
        command = [sys.executable, str(TARGET), file, str(folder / "junit.xml")]
        command += [str(frequency), str(folder / "counts.json")] if frequency else []
        began = time.monotonic()
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
            ended, said = SIGNALLED.get(done.returncode, str(done.returncode)), (done.stdout + done.stderr)[-2000:]
        except subprocess.TimeoutExpired as e:
            ended, said = f"not ended after {SECONDS} s", (e.stdout or b"")[-2000:]
        row = {
            "ended": ended,
            "outcomes": outcomes(folder / "junit.xml"),
            "seconds": round(time.monotonic() - began, 1),
            "said": said.decode(errors="replace"),
        }
        if (folder / "counts.json").exists():
            row["counts"] = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        return row


def outcomes(path: Path) -> dict[str, str]:
    """By test: passed, or what JUnit calls it otherwise."""
    if not path.exists():
        return {}
    found = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        marks = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        found[case.get("name", "")] = marks[0] if marks else "passed"
    return found


def differences(alone: dict[str, Any], sampled: dict[str, Any]) -> list[str]:
    found = []
    if alone["ended"] != sampled["ended"]:
        found.append(f"the process: {alone['ended']} alone, {sampled['ended']} sampled")
    one, other = alone["outcomes"], sampled["outcomes"]
    for test in sorted(one.keys() | other.keys()):
        if one.get(test) != other.get(test):
            found.append(f"{test}: {one.get(test, 'not run')} alone, {other.get(test, 'not run')} sampled")
    return found


def stress(file: str, frequency: int) -> dict[str, Any]:
    alone, sampled = run_file(file, 0), run_file(file, frequency)
    found = differences(alone, sampled)
    unstable = []
    if found:
        first = found
        alone, sampled = run_file(file, 0), run_file(file, frequency)
        second = differences(alone, sampled)
        found = [text for text in first if text in second]
        unstable = [text for text in first + second if text not in found]
    return {
        "tests": len(sampled["outcomes"]),
        "passed": sum(outcome == "passed" for outcome in sampled["outcomes"].values()),
        "counts": sampled.get("counts"),
        "seconds": [alone["seconds"], sampled["seconds"]],
        "differences": found,
        "unstable": unstable,
        "said": sampled["said"] if found else "",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", help="files of the test package, as for python -m test")
    parser.add_argument("--frequency", type=int, default=20_000)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "stress.jsonl")
    options = parser.parse_args()
    if find_spec("test.libregrtest") is None:
        sys.exit("this Python has no test package (Debian: apt-get install libpython3.X-testsuite)")
    print(machine())
    series, python = Series(options.results), platform.python_version()
    files = options.files or [file for file in FILES if find_spec(f"test.{file}") is not None]
    rows = []
    for file in files:
        key = {"file": file, "frequency": options.frequency}
        if not series.having(**key, python=python):
            series.add(key | stress(file, options.frequency))
        row = series.having(**key, python=python)[-1]
        rows.append(row)
        counts = row["counts"] or {}
        print(f"{file:<28}{row['passed']:>5} of {row['tests']:>5} passed   {counts.get('taken', 0):>8} samples, "
              f"{counts.get('unwindable', 0):>5} unwindable   {row['seconds'][0]:6.1f} s, {row['seconds'][1]:6.1f} s "
              f"sampled{'  DIFFERENT' if row['differences'] else ''}", flush=True)  # fmt: skip
        for text in row["differences"]:
            print(f"    {text}")
        for text in row["unstable"]:
            print(f"    unstable: {text}")
    different = sum(len(row["differences"]) for row in rows)
    taken, unwindable = (sum((row["counts"] or {}).get(name, 0) for row in rows) for name in ("taken", "unwindable"))
    tests, share = sum(row["tests"] for row in rows), unwindable / max(1, taken)
    print(
        f"{python}, {options.frequency} Hz: {len(rows)} files, {tests} tests, {taken} samples, "
        f"{unwindable} unwindable ({share:.3%}), {different} different outcomes"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
