"""Shared by the sampler's benchmarks: results, one per line, to resume from; a description of the machine; loads to
run."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MS = 1_000_000


# --- results --------------------------------------------------------------------------------------------------------


def source_hash() -> str:
    """One hash of the sampler and of these benchmarks: results of another version are not mixed in."""
    digest = hashlib.sha256()
    folders = (ROOT / "native", ROOT / "pytest_flame" / "sampling", Path(__file__).parent)
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".c", ".h"}]
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


class Series:
    """A file of results, one JSON object per line; a series resumes from those of this version of the sources."""

    def __init__(self, path: Path, keep_others: bool = False) -> None:
        self._path = path
        self._source = source_hash()
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            self.rows = [row for row in found if keep_others or row["source"] == self._source]
            if len(self.rows) < len(found):
                print(f"{len(found) - len(self.rows)} results of other versions in {path} are not used")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        row = {"source": self._source, "python": platform.python_version(), **row}
        self.rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def having(self, **values: Any) -> list[dict[str, Any]]:
        return [row for row in self.rows if all(row.get(name) == value for name, value in values.items())]


# --- the machine -----------------------------------------------------------------------------------------------------


def machine() -> str:
    """One line for the top of a table."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    load = os.getloadavg()[0]
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
        f"CPython {platform.python_version()}, load average {load:.1f}, sources {source_hash()}"
    )


# --- loads ----------------------------------------------------------------------------------------------------------


def at_depth(depth: int, work: Callable[[], object]) -> None:
    """Runs ``work`` with this many Python frames below it."""
    if depth > 1:
        at_depth(depth - 1, work)
    else:
        work()


def python_loop(turns: int = 200_000) -> None:
    for _ in range(turns):
        pass


def fibonacci(n: int = 20) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def documents(count: int = 400) -> None:
    """Native code, allocation, regular expressions, generators: caches as real programs leave them."""
    rows = [{"name": f"n{i}", "values": list(range(i % 40)), "z": [str(i)] * 9} for i in range(count)]
    text = json.dumps(rows)
    json.loads(text, object_hook=lambda d: dict(sorted(d.items())))
    re.sub(r"\d+", lambda m: m[0].zfill(4), text)
    sum(x * 2 for x in (y + 1 for y in range(10 * count)))


def system_calls(count: int = 2000) -> None:
    with Path(os.devnull).open("rb", buffering=0) as file:
        for _ in range(count):
            os.fstat(file.fileno())


def arrays() -> None:
    import numpy as np

    values = np.arange(40_000, dtype=float)
    for _ in range(8):
        np.sort(values[::-1])
        np.sqrt(values).sum()


LOADS: dict[str, Callable[[], object]] = {
    "python": fibonacci,
    "documents": documents,
    "system calls": system_calls,
    "numpy": arrays,
}


def load_named(names: Iterable[str]) -> list[str]:
    unknown = set(names) - LOADS.keys()
    if unknown:
        sys.exit(f"no such load: {', '.join(sorted(unknown))} (there are: {', '.join(LOADS)})")
    return list(names)
