"""The project that is changed: three workloads, each with leaves of known cost.

``weigh`` takes a tenth of the whole, ``stamp`` a fifth, ``tally`` a twentieth, and ``seal`` a tenth in a function
written in C. A leaf only loops: with a different number of rounds, bytecode and layout stay the same.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.trial import git

SUBJECTS = Path(__file__).parent / "subjects"
WORKLOADS = ("recursion", "records", "objects")
SHARES: Mapping[str, float] = {"weigh": 0.10, "stamp": 0.20, "tally": 0.05, "seal": 0.10}
PLACEHOLDERS: Mapping[str, int] = {"weigh": 1001, "stamp": 1002, "tally": 1003, "seal": 1004}
"""The number of rounds (for ``seal``: of bytes) in the sources."""
PROBES: Mapping[str, int] = {"weigh": 400, "stamp": 400, "tally": 800, "seal": 8000}

TIMING = """
import importlib, sys, time
work = importlib.import_module(sys.argv[1]).work
seconds = []
until = time.process_time() + float(sys.argv[2])
while time.process_time() < until or len(seconds) < 5:
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
seconds.sort()
print(seconds[len(seconds) // 4])
"""
"""Lower quartile: other programs only add time."""

EXTRACTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "recursion": (
        (
            "    return fibonacci(18)\n",
            "    return answer(18)\n\n\ndef answer(n: int) -> int:\n    return fibonacci(n)\n",
        ),
    ),
    "records": (
        ("    records = json.loads(json.dumps(RECORDS))\n", "    records = copied()\n"),
        ("def by_tag", "def copied() -> list:\n    return json.loads(json.dumps(RECORDS))\n\n\ndef by_tag"),
    ),
    "objects": (
        ("    return summed(ordered).whole + summed(amounts).whole\n", "    return both(ordered, amounts)\n"),
        (
            "def priced",
            "def both(first: list, second: list) -> int:\n"
            "    return summed(first).whole + summed(second).whole\n\n\ndef priced",
        ),
    ),
}


# --- sources ----------------------------------------------------------------------------------------------------


def source(workload: str, rounds: Mapping[str, int]) -> str:
    """The source of one workload with this many rounds in each leaf; leaves that are not named are not in it."""
    text = (SUBJECTS / f"{workload}.py").read_text(encoding="utf-8")
    for leaf, placeholder in PLACEHOLDERS.items():
        text = once(rf"\b{placeholder}\b", str(rounds[leaf]), text) if leaf in rounds else _without(text, leaf)
    return text


def extracted(text: str, workload: str) -> str:
    """Part of a function becomes a separate function, called once."""
    for old, new in EXTRACTIONS[workload]:
        text = once(re.escape(old), new, text)
    return text


def once(pattern: str, new: str | Callable[[re.Match[str]], str], text: str) -> str:
    """``ValueError`` unless ``pattern`` occurs exactly once in ``text``."""
    found, count = re.subn(pattern, new, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{pattern!r} stands {count} times in the source, not once")
    return found


def function(text: str, name: str) -> str:
    """The text of a function that ends at an empty line or with the file."""
    match = re.search(rf"^def {name}\(.*?(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        raise ValueError(f"no function {name} in the source")
    return match[0].rstrip("\n") + "\n"


def _without(text: str, leaf: str) -> str:
    """Without this function, its calls and the branches that contain only them, and imports and constants only it
    uses."""
    text = once(rf"^(    elif .*:\n)? +{leaf}\(\)\n", "", text.replace(function(text, leaf), ""))
    for name in re.findall(r"^(?:from \w+ )?import (\w+)$|^([A-Z]+) = ", text, re.MULTILINE):
        used = "".join(name)
        if len(re.findall(rf"\b{used}\b", text)) == 1:
            text = once(rf"^(.*import )?{used}\b.*\n", "", text)
    return re.sub(r"\n{4,}", "\n\n\n", text).rstrip("\n") + "\n"


# --- on disk ----------------------------------------------------------------------------------------------------


def write_tree(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_repository(project: Path, base: Mapping[str, str], head: Mapping[str, str], message: str) -> None:
    """Two commits on ``main`` with tags ``base`` and ``head``; ``head`` is checked out and changes only some of the
    files."""
    write_tree(project, base)
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=base")
    git(project, "tag", "base")
    write_tree(project, head)
    git(project, "commit", "--quiet", "--all", "--allow-empty", f"--message={message}")
    git(project, "tag", "head")


# --- measured without a tool ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cost of one call of a workload, in CPU seconds on this machine."""

    rest: float
    """Everything but the leaves' rounds."""
    round: Mapping[str, float]
    """One round of each leaf, in all its calls together."""

    @property
    def whole(self) -> float:
        return self.rest / (1 - sum(SHARES[leaf] for leaf in self.round))

    def rounds(self, sizes: Mapping[str, float]) -> dict[str, int]:
        """Of each leaf, ``sizes`` instead of its usual share."""
        shares = {leaf: sizes.get(leaf, SHARES[leaf]) for leaf in self.round}
        return {leaf: round(share * self.whole / self.round[leaf]) for leaf, share in shares.items()}

    def ratio(self, sizes: Mapping[str, float]) -> float:
        """Head over base after rounding."""
        return self._seconds(self.rounds(sizes)) / self._seconds(self.rounds({}))

    def _seconds(self, rounds: Mapping[str, int]) -> float:
        return self.rest + sum(number * self.round[leaf] for leaf, number in rounds.items())


def seconds(folder: Path, module: str, budget: float) -> float:
    """CPU seconds of one call of ``module.work`` in ``folder``, in one fresh process."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", TIMING, module, str(budget)]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def calibrate(
    scratch: Path,
    workload: str,
    leaves: Collection[str],
    processes: int = 5,
    measure: Callable[[Path, str, float], float] = seconds,
) -> Calibration:
    """Sources that differ only in rounds, alternately in fresh processes; the fastest of each counts."""
    none = dict.fromkeys(leaves, 0)
    variants = {"none": none} | {leaf: none | {leaf: PROBES[leaf]} for leaf in leaves}
    for name, rounds in variants.items():
        write_tree(scratch / name, {"shop/__init__.py": "", f"shop/{workload}.py": source(workload, rounds)})
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(processes):
        for name in variants:
            taken[name].append(measure(scratch / name, f"shop.{workload}", 0.3))
    rest = min(taken["none"])
    return Calibration(rest, {leaf: (min(taken[leaf]) - rest) / PROBES[leaf] for leaf in leaves})


def load_calibrations(path: Path, scratch: Path, leaves: Collection[str]) -> dict[str, Calibration]:
    """Read from ``path``; measured and written if missing, so that a whole series uses the same project."""
    if not path.exists():
        found = {name: calibrate(scratch / name, name, leaves) for name in WORKLOADS}
        text = json.dumps({name: asdict(calibration) for name, calibration in found.items()}, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
    data = json.loads(path.read_text(encoding="utf-8"))
    return {name: Calibration(one["rest"], one["round"]) for name, one in data.items()}
