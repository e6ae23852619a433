"""A project of three independent workloads, the ways its code may change, and what has to be said of each.

Every workload has four leaves of known cost: ``weigh`` takes a tenth of the whole, ``stamp`` a fifth, ``tally`` a
twentieth, and ``seal`` a tenth in a function written in C. What is right to answer is written here, beside the change.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.verdicts.peers_project import git

SUBJECTS = Path(__file__).parent / "changed_subjects"
WORKLOADS = ("recursion", "records", "objects")
SHARES: Mapping[str, float] = {"weigh": 0.10, "stamp": 0.20, "tally": 0.05, "seal": 0.10}
PLACEHOLDERS: Mapping[str, int] = {"weigh": 1001, "stamp": 1002, "tally": 1003, "seal": 1004}
"""The number of rounds (of ``seal``: of bytes) that stands in the sources."""
PROBES: Mapping[str, int] = {"weigh": 400, "stamp": 400, "tally": 800, "seal": 8000}

TIMING = """
import importlib, sys, time
sys.path.insert(0, sys.argv[1])
work = importlib.import_module("shop." + sys.argv[2]).work
seconds = []
until = time.process_time() + float(sys.argv[3])
while time.process_time() < until or len(seconds) < 5:
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
seconds.sort()
print(seconds[len(seconds) // 4])
"""
"""Lower quartile: what others do meanwhile only adds time."""

PROJECT: Mapping[str, str] = {
    "pyproject.toml": """\
[project]
name = "shop"
version = "1.0"

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
""",
    ".gitignore": "__pycache__/\n.pytest_cache/\nflame-report/\n",
    "shop/__init__.py": "",
    "tests/test_speed.py": """\
import pytest

from shop import objects, records, recursion


@pytest.mark.flame
def test_recursion():
    assert recursion.work() > 0


@pytest.mark.flame
def test_records():
    assert records.work() > 0


@pytest.mark.flame
def test_objects():
    assert objects.work() > 0
""",
}


# --- the kinds of change ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to change all workloads. Fixed before anything was measured."""

    name: str
    what: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    """The new share of a leaf, of the base's whole."""
    rewrite: Callable[[str, str, Mapping[str, int]], str] | None = None
    """Of a workload's source, given its name and the base's rounds of each leaf."""
    accepted: frozenset[str] = frozenset()
    """Plain names of the frames any of which is the right first culprit; none: nothing may be named, and it passes."""
    accepted_native: tuple[str, ...] = ()
    """Parts of the names of native frames that are right as well."""

    @property
    def is_regression(self) -> bool:
        return bool(self.accepted)

    @property
    def growth(self) -> float:
        """Of the whole; of what changes by its size only."""
        return sum(share - SHARES[leaf] for leaf, share in self.sizes.items())

    def accepts(self, frame: str) -> bool:
        """Of a frame as the result names it: ``module:qualname`` or ``library:symbol``."""
        plain = re.split(r"[:.]", frame)[-1]
        return plain in self.accepted or any(part in frame for part in self.accepted_native)


def _twice(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    return _once(r"^( +)weigh\(\)\n", r"\1weigh()\n\1weigh()\n", source)


def _new_frame(source: str, workload: str, rounds: Mapping[str, int]) -> str:
    called = _once(r"^( +)weigh\(\)\n", r"\1weigh()\n\1audit()\n", source)
    return called + "\n\n" + _leaf(source, "weigh").replace("weigh", "audit")


def _renamed(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    return re.sub(r"\bweigh\b", "heft", source)


def _inlined(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    leaf = _leaf(source, "tally")
    body = leaf.partition("\n")[2].replace("return ", "")
    lines = [line.removeprefix("    ") for line in body.splitlines()]
    without = source.replace(leaf, "").replace("\n\n\n\n\n", "\n\n\n")
    return _once(r"^( +)tally\(\)\n", lambda match: "".join(f"{match[1]}{line}\n" for line in lines), without)


_EXTRACTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
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


def _extracted(source: str, workload: str, _rounds: Mapping[str, int]) -> str:
    for old, new in _EXTRACTIONS[workload]:
        source = _once(re.escape(old), new, source)
    return source


_SEALS = ("crc32", "libz", "zlib", "sha256", "SHA256", "libcrypto", "_hashlib", "escape", "_speedups")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("identical", "another commit, the same code"),
        Kind("leaf-20", "+20 %: a leaf of a fifth takes twice as long", {"stamp": 0.40}, accepted=frozenset({"stamp"})),
        Kind("frame-10", "+5 %: half more in a leaf of a tenth", {"weigh": 0.15}, accepted=frozenset({"weigh"})),
        Kind(
            "masked",
            "weigh takes half more, stamp as much less",
            {"weigh": 0.15, "stamp": 0.15},
            accepted=frozenset({"weigh"}),
        ),
        Kind(
            "native",
            "+10 %: a C function is given twice the data",
            {"seal": 0.20},
            accepted=frozenset({"seal"}),
            accepted_native=_SEALS,
        ),
        Kind("extract", "part of a function becomes one of its own", rewrite=_extracted),
        Kind("leaf-10", "+10 %: half more in a leaf of a fifth", {"stamp": 0.30}, accepted=frozenset({"stamp"})),
        Kind(
            "calls-10",
            "+10 %: a leaf of a tenth is called twice as often",
            rewrite=_twice,
            accepted=frozenset({"weigh"}),
        ),
        Kind("rename", "a leaf of a tenth has another name", rewrite=_renamed),
        Kind("new-10", "+10 %: a new function", rewrite=_new_frame, accepted=frozenset({"audit"})),
        Kind("inline", "a leaf of a twentieth becomes part of its caller", rewrite=_inlined),
        Kind("leaf-5", "+5 %: a quarter more in a leaf of a fifth", {"stamp": 0.25}, accepted=frozenset({"stamp"})),
        Kind("frame-5", "+2.5 %: half more in a leaf of a twentieth", {"tally": 0.075}, accepted=frozenset({"tally"})),
    )
}


# --- sources ----------------------------------------------------------------------------------------------------


def source(workload: str, rounds: Mapping[str, int]) -> str:
    """Of one workload with so many rounds in each leaf. The other names in it stay as they are."""
    text = (SUBJECTS / f"{workload}.py").read_text(encoding="utf-8")
    for leaf, placeholder in PLACEHOLDERS.items():
        text = _once(rf"\b{placeholder}\b", str(rounds[leaf]), text)
    return text


def changed(workload: str, calibration: Calibration, kind: Kind) -> str:
    """The workload's source after the change."""
    text = source(workload, calibration.rounds(kind.sizes))
    return text if kind.rewrite is None else kind.rewrite(text, workload, calibration.rounds({}))


def _once(pattern: str, new: str | Callable[[re.Match[str]], str], text: str) -> str:
    """``ValueError`` unless ``pattern`` stands exactly once in ``text``."""
    found, count = re.subn(pattern, new, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{pattern!r} stands {count} times in the source, not once")
    return found


def _leaf(source: str, name: str) -> str:
    """The text of a function that ends at an empty line or with the file."""
    match = re.search(rf"^def {name}\(.*?(?=\n\n|\Z)", source, re.MULTILINE | re.DOTALL)
    if match is None:
        raise ValueError(f"no function {name} in the source")
    return match[0].rstrip("\n") + "\n"


def write_tree(folder: Path, sources: Mapping[str, str]) -> None:
    for name, text in {**PROJECT, **{f"shop/{workload}.py": text for workload, text in sources.items()}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_repository(project: Path, calibrations: Mapping[str, Calibration], kind: Kind) -> None:
    """Two commits on ``main``: tag ``base``, and ``kind`` applied to all workloads, which is checked out."""
    write_tree(project, {name: source(name, one.rounds({})) for name, one in calibrations.items()})
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=base")
    git(project, "tag", "base")
    for name, one in calibrations.items():
        (project / f"shop/{name}.py").write_text(changed(name, one, kind), encoding="utf-8")
    git(project, "commit", "--quiet", "--all", "--allow-empty", f"--message={kind.what}")


# --- measured plainly -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one call of a workload costs, in CPU seconds on this machine."""

    rest: float
    """Everything but the leaves' rounds."""
    round: Mapping[str, float]
    """One round of each leaf, in all its calls together."""

    @property
    def whole(self) -> float:
        return self.rest / (1 - sum(SHARES.values()))

    def rounds(self, sizes: Mapping[str, float]) -> dict[str, int]:
        """Of each leaf, ``sizes`` instead of its usual share."""
        return {leaf: round(sizes.get(leaf, share) * self.whole / self.round[leaf]) for leaf, share in SHARES.items()}


def seconds(folder: Path, workload: str, budget: float) -> float:
    """CPU seconds of one call of the workload in ``folder``, in one fresh process."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", TIMING, str(folder), workload, str(budget)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def calibrate(
    scratch: Path, workload: str, processes: int = 5, measure: Callable[[Path, str, float], float] = seconds
) -> Calibration:
    """Sources that differ only in rounds, by turns in fresh processes; the fastest of each counts."""
    none = dict.fromkeys(SHARES, 0)
    variants = {"none": none} | {leaf: none | {leaf: PROBES[leaf]} for leaf in SHARES}
    for name, rounds in variants.items():
        write_tree(scratch / name, {workload: source(workload, rounds)})
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(processes):
        for name in variants:
            taken[name].append(measure(scratch / name, workload, 0.2))
    rest = min(taken["none"])
    return Calibration(rest, {leaf: (min(taken[leaf]) - rest) / PROBES[leaf] for leaf in SHARES})


def load_calibrations(path: Path, scratch: Path) -> dict[str, Calibration]:
    """From ``path``; measured and written where they are missing, so that a series is of one and the same project."""
    if not path.exists():
        found = {name: calibrate(scratch / name, name) for name in WORKLOADS}
        text = json.dumps({name: {"rest": c.rest, "round": dict(c.round)} for name, c in found.items()}, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
    data = json.loads(path.read_text(encoding="utf-8"))
    return {name: Calibration(one["rest"], one["round"]) for name, one in data.items()}
