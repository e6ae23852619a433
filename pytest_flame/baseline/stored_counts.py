"""Exact passes as a baseline keeps them: a digest of all that the test rests on, and the calls its own code makes.

The functions are named once, in order; ``called`` are ``[function, times]`` and ``calls`` ``[caller, callee, times]``,
with the places of the names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pytest_flame.baseline.fields import Field
from pytest_flame.baseline.json_text import JsonObject
from pytest_flame.formats import folded
from pytest_flame.model import Calls, Counted, Frame


def storable(counted: Counted, sources: Iterable[str]) -> Counted:
    """The part that is kept. ``sources`` are the project's files."""
    modules = {".".join(part for part in PurePosixPath(path).with_suffix("").parts) for path in sources}
    names = {module.removesuffix(".__init__") for module in modules}

    def is_own(frame: Frame) -> bool:
        return any(name == frame.module or name.endswith(f".{frame.module}") for name in names)

    return counted.of_callers(is_own)


def encode(counted: Counted) -> JsonObject:
    calls = counted.calls
    frames = sorted({*calls.functions, *counted.unstable, *(frame for edge in calls.edges for frame in edge)})
    index = {frame: number for number, frame in enumerate(frames)}
    return {
        "digest": " ".join(counted.digests),
        "rests_on": [counted.functions, counted.files, counted.libraries],
        **({"unknown": list(counted.unknown)} if counted.unknown else {}),
        "functions": [folded.encode_frame(frame) for frame in frames],
        "called": _flat(sorted((index[frame], count) for frame, count in calls.functions.items())),
        "calls": _flat(sorted((index[a], index[b], count) for (a, b), count in calls.edges.items())),
        **({"unstable": sorted(index[frame] for frame in counted.unstable)} if counted.unstable else {}),
    }


def _flat(rows: Iterable[tuple[int, ...]]) -> list[int]:
    return [number for row in rows for number in row]


def decode(entry: Field) -> Counted:
    """Raises ``Malformed``."""
    entry.keys("digest", "rests_on", "functions", "called", "calls", optional=("unknown", "unstable"))
    functions, files, libraries = (number.integer() for number in entry["rests_on"].items(3))
    frames = [folded.decode_frame(name.text()) for name in entry["functions"].items()]
    called = {frames[i]: count for i, count in _rows(entry["called"], 2, len(frames))}
    edges = {(frames[a], frames[b]): count for a, b, count in _rows(entry["calls"], 3, len(frames))}
    unstable = entry["unstable"].items() if "unstable" in entry.value else []
    return Counted(
        digests=tuple(entry["digest"].text().split(" ")),
        functions=functions,
        files=files,
        libraries=libraries,
        unknown=tuple(text.text() for text in entry["unknown"].items()) if "unknown" in entry.value else (),
        calls=Calls(called, edges),
        unstable=frozenset(frames[number.integer(high=len(frames) - 1)] for number in unstable),
    )


def _rows(entry: Field, width: int, frames: int) -> list[tuple[int, ...]]:
    """Rows of indexes and, last, a count."""
    numbers = entry.items()
    if len(numbers) % width:
        entry.fail(f"is not made of rows of {width}")
    rows = [numbers[i : i + width] for i in range(0, len(numbers), width)]
    return [(*(index.integer(high=frames - 1) for index in row[:-1]), row[-1].integer(low=1)) for row in rows]
