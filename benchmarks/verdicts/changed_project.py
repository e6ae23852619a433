"""A project of three independent workloads, the ways its code may change, and the right answer to each.

Every workload has all four leaves. The right answer is written here, with the change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.verdicts import shop
from benchmarks.verdicts.shop import SHARES, Calibration, function, once, source

LEAVES = tuple(SHARES)

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
    """Plain names of the frames, any of which is the right first culprit; none: nothing may be named, and the test
    passes."""
    accepted_native: tuple[str, ...] = ()
    """Parts of the names of native frames that are also right."""

    @property
    def is_regression(self) -> bool:
        return bool(self.accepted)

    @property
    def growth(self) -> float:
        """Share of the whole; for changes of size only."""
        return sum(share - SHARES[leaf] for leaf, share in self.sizes.items())

    def accepts(self, frame: str) -> bool:
        """The plain name of a frame as the result names it: ``module:qualname`` or ``library:symbol``."""
        plain = re.split(r"[:.]", frame)[-1]
        return plain in self.accepted or any(part in frame for part in self.accepted_native)


def _twice(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    return once(r"^( +)weigh\(\)\n", r"\1weigh()\n\1weigh()\n", source)


def _new_frame(source: str, workload: str, rounds: Mapping[str, int]) -> str:
    called = once(r"^( +)weigh\(\)\n", r"\1weigh()\n\1audit()\n", source)
    return called + "\n\n" + function(source, "weigh").replace("weigh", "audit")


def _renamed(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    return re.sub(r"\bweigh\b", "heft", source)


def _inlined(source: str, _workload: str, _rounds: Mapping[str, int]) -> str:
    leaf = function(source, "tally")
    body = leaf.partition("\n")[2].replace("return ", "")
    lines = [line.removeprefix("    ") for line in body.splitlines()]
    without = source.replace(leaf, "").replace("\n\n\n\n\n", "\n\n\n")
    return once(r"^( +)tally\(\)\n", lambda match: "".join(f"{match[1]}{line}\n" for line in lines), without)


def _extracted(source: str, workload: str, _rounds: Mapping[str, int]) -> str:
    return shop.extracted(source, workload)


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
        Kind("extract", "part of a function becomes a separate one", rewrite=_extracted),
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


def changed(workload: str, calibration: Calibration, kind: Kind) -> str:
    """The workload's source after the change."""
    text = source(workload, calibration.rounds(kind.sizes))
    return text if kind.rewrite is None else kind.rewrite(text, workload, calibration.rounds({}))


def write_repository(project: Path, calibrations: Mapping[str, Calibration], kind: Kind) -> None:
    """Two commits: tag ``base``, and tag ``head``, which is checked out and has ``kind`` applied to all workloads."""
    base = {f"shop/{name}.py": source(name, one.rounds({})) for name, one in calibrations.items()}
    head = {f"shop/{name}.py": changed(name, one, kind) for name, one in calibrations.items()}
    shop.write_repository(project, {**PROJECT, **base}, head, kind.what)
