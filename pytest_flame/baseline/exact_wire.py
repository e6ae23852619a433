"""An exact pass as a worker sends it, and as it may be kept: JSON with nothing left out.

Each frame appears once; the calls of an execution are ``[frame, count]`` and ``[caller, callee, count]`` with indexes
into ``frames``. The hashes of a footprint are objects, name → hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.baseline.json_text import JsonObject
from pytest_flame.errors import IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import Calls, Exact, Footprint, Frame

SCHEMA: Final = "pytest-flame/exact/1"


def encode(exact: Exact) -> str:
    """``decode(parse(text))`` gives back an equal one."""
    executions = [exact.first] if exact.again is None else [exact.first, exact.again]
    functions = {frame for calls in executions for frame in calls.functions}
    frames = sorted(functions | {frame for calls in executions for edge in calls.edges for frame in edge})
    index = {frame: number for number, frame in enumerate(frames)}
    document: JsonObject = {
        "schema": SCHEMA,
        "footprint": _encode_footprint(exact.footprint),
        "rests_on": exact.rests_on,
        "frames": [folded.encode_frame(frame) for frame in frames],
        "executions": [_encode_calls(calls, index) for calls in executions],
    }
    return json.dumps(document, separators=(",", ":"))


def decode(document: JsonObject) -> Exact:
    """A document as an exact pass, every value checked. Raises ``Malformed`` with the path of the invalid value."""
    root = Field(document, "")
    root.keys("schema", "footprint", "rests_on", "frames", "executions")
    if root["schema"].text() != SCHEMA:
        root["schema"].fail(f"is not {SCHEMA}")
    frames = [folded.decode_frame(entry.text()) for entry in root["frames"].items()]
    if len(set(frames)) != len(frames):
        root["frames"].fail("has a duplicate entry")
    first, *again = [_decode_calls(entry, frames) for entry in root["executions"].items(1, 2)]
    exact = Exact(_decode_footprint(root["footprint"]), first, again[0] if again else None, root["rests_on"].text())
    try:
        exact.check()
    except IntegrityError as error:
        raise Malformed(error.what) from error
    return exact


def encode_footprint(footprint: Footprint) -> str:
    """One that several tests share, by itself."""
    return json.dumps({"schema": SCHEMA, "footprint": _encode_footprint(footprint)}, separators=(",", ":"))


def decode_footprint(document: JsonObject) -> Footprint:
    """Raises ``Malformed``."""
    root = Field(document, "")
    root.keys("schema", "footprint")
    return _decode_footprint(root["footprint"])


def _encode_footprint(footprint: Footprint) -> JsonObject:
    return {
        "code": dict(sorted(footprint.code.items())),
        "files": dict(sorted(footprint.files.items())),
        "libraries": dict(sorted(footprint.libraries.items())),
        "unknown": list(footprint.unknown),
    }


def _encode_calls(calls: Calls, index: Mapping[Frame, int]) -> JsonObject:
    return {
        "functions": sorted([index[frame], count] for frame, count in calls.functions.items()),
        "edges": sorted([index[caller], index[callee], count] for (caller, callee), count in calls.edges.items()),
    }


def _decode_calls(entry: Field, frames: list[Frame]) -> Calls:
    entry.keys("functions", "edges")
    functions: dict[Frame, int] = {}
    for part in entry["functions"].items():
        index, count = part.items(2)
        frame = _frame(index, frames)
        if frame in functions:
            part.fail("repeats a function")
        functions[frame] = count.integer(low=1)
    edges: dict[tuple[Frame, Frame], int] = {}
    for part in entry["edges"].items():
        caller, callee, count = part.items(3)
        edge = (_frame(caller, frames), _frame(callee, frames))
        if edge in edges:
            part.fail("repeats an edge")
        edges[edge] = count.integer(low=1)
    return Calls(functions, edges)


def _frame(index: Field, frames: list[Frame]) -> Frame:
    return frames[index.integer(high=len(frames) - 1)]


def _decode_footprint(entry: Field) -> Footprint:
    entry.keys("code", "files", "libraries", "unknown")
    return Footprint(
        code=entry["code"].texts(),
        files=entry["files"].texts(),
        libraries=entry["libraries"].texts(),
        unknown=tuple(what.text() for what in entry["unknown"].items()),
    )
