"""A recording as a worker sends it: JSON with nothing left out. Not for keeping; ``stored`` is what is committed.

Each frame appears once, as in folded stacks; stacks are lists of indexes into ``frames``, root first; the samples of a
process are ``[stack, count, weight_ns]`` and its rounds ``[iterations, cpu_ns, wall_ns, sampled, spin_ns,
minor_faults]``; source lines are ``[frame, line, weight_ns]``. Counts that are 0 are left out, and so are unknown
values. The first baselines (``pytest-flame/baseline/1``) were this with two hashes, and are read here, too.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.baseline.json_text import JsonObject
from pytest_flame.errors import IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import (
    CPU,
    GATED,
    Frame,
    Metric,
    Outside,
    Process,
    Recording,
    Round,
    SampleCounts,
    SamplerInfo,
    Session,
    SourceLine,
    Stack,
    StackSample,
)

SCHEMA: Final = "pytest-flame/recording/1"


def encode(recording: Recording) -> str:
    """``decode(parse(text))`` gives back an equal recording of processes that were measured."""
    stacks = sorted({stack for process in recording.processes for stack in process.stacks})
    frames = sorted({frame for stack in stacks for frame in stack} | set(recording.lines) | set(recording.line_weights))
    frame_index = {frame: index for index, frame in enumerate(frames)}
    stack_index = {stack: index for index, stack in enumerate(stacks)}
    document: JsonObject = {
        "schema": SCHEMA,
        "test": recording.test_id,
        "fresh": recording.fresh,
        "metric": recording.metric.name,
        "seed": recording.seed,
        **({"recorded_at": recording.recorded_at} if recording.recorded_at else {}),
        "sampler": encode_sampler(recording.sampler),
        "fingerprint": sorted_texts(recording.fingerprint),
        "sources": sorted_texts(recording.source_hashes),
        "frames": [_encode_frame(frame, recording.lines) for frame in frames],
        "stacks": [[frame_index[frame] for frame in stack] for stack in stacks],
        "processes": [_encode_process(process, stack_index) for process in recording.processes],
    }
    if recording.line_weights:
        document["lines"] = sorted(
            [frame_index[frame], line, weight]
            for frame, weights in recording.line_weights.items()
            for line, weight in weights.items()
        )
    if recording.sessions:
        document["sessions"] = list(map(encode_session, recording.sessions))
    return json.dumps(document, separators=(",", ":"))


def decode(document: JsonObject) -> Recording:
    """A document as a recording, every value checked. Raises ``Malformed`` with the path of the invalid value."""
    root = Field(document, "")
    root.keys(
        *("schema", "test", "fresh", "seed", "sampler", "fingerprint", "sources", "frames", "stacks", "processes"),
        optional=("content_sha256", "folded_sha256", "recorded_at", "sessions", "lines", "metric"),
    )
    frames: list[Frame] = []
    lines: dict[Frame, SourceLine] = {}
    for entry in root["frames"].items():
        frame, line = _decode_frame(entry)
        frames.append(frame)
        if line is not None:
            lines[frame] = line
    _distinct(root["frames"], frames)
    stacks = [_decode_stack(entry, frames) for entry in root["stacks"].items()]
    _distinct(root["stacks"], stacks)
    recording = Recording(
        test_id=root["test"].text(),
        processes=tuple(_decode_process(entry, stacks) for entry in root["processes"].items()),
        sampler=root["sampler"].flat(SamplerInfo),
        fingerprint=root["fingerprint"].texts(),
        source_hashes=root["sources"].texts(),
        lines=lines,
        fresh=root["fresh"].flag(),
        metric=decode_metric(root),
        seed=root["seed"].integer(low=None),
        recorded_at=root["recorded_at"].text() if "recorded_at" in root.value else "",
        sessions=tuple(map(decode_session, root["sessions"].items())) if "sessions" in root.value else (),
        line_weights=_decode_lines(root["lines"], frames) if "lines" in root.value else {},
    )
    try:
        recording.check()
    except IntegrityError as error:
        raise Malformed(error.what) from error
    return recording


# --- one part each ---------------------------------------------------------------------------------------------


def decode_metric(root: Field) -> Metric:
    """Earlier releases named it only where it is not CPU time."""
    if "metric" not in root.value:
        return CPU
    name = root["metric"].text()
    if name not in GATED:
        root["metric"].fail(f"is {name!r}, which nothing here measures; known: {', '.join(GATED)}")
    return GATED[name]


def encode_sampler(sampler: SamplerInfo) -> dict[str, str | int]:
    """Flags that are off by default are written only if they are on."""
    off = {name for name in ("kernel_frames", "native_frames") if not getattr(sampler, name)}
    return {name: value for name, value in dataclasses.asdict(sampler).items() if name not in off}


def _encode_frame(frame: Frame, lines: Mapping[Frame, SourceLine]) -> list[str | int]:
    name = folded.encode_frame(frame)
    return [name, lines[frame].path, lines[frame].line] if frame in lines else [name]


def _decode_frame(entry: Field) -> tuple[Frame, SourceLine | None]:
    parts = entry.items(1, 3)
    frame = folded.decode_frame(parts[0].text())
    return frame, SourceLine(parts[1].text(), parts[2].integer()) if len(parts) == 3 else None


def _decode_stack(entry: Field, frames: list[Frame]) -> Stack:
    indexes = [part.integer(high=len(frames) - 1) for part in entry.items()]
    if not indexes:
        entry.fail("is an empty stack")
    return tuple(frames[index] for index in indexes)


def _decode_lines(entry: Field, frames: list[Frame]) -> dict[Frame, dict[int, int]]:
    found: dict[Frame, dict[int, int]] = {}
    for part in entry.items():
        index, line, weight = part.items(3)
        lines = found.setdefault(frames[index.integer(high=len(frames) - 1)], {})
        number = line.integer()
        if number in lines:
            part.fail("repeats a line of this function")
        lines[number] = weight.integer(low=1)
    return found


def _encode_process(process: Process, stack_index: Mapping[Stack, int]) -> JsonObject:
    document: JsonObject = {
        "hash_seed": process.hash_seed,
        "loop_ps": process.loop_cost,
        "counts": {name: value for name, value in dataclasses.asdict(process.counts).items() if value},
        "rounds": [_encode_round(r) for r in process.rounds],
        "samples": sorted([stack_index[stack], s.count, s.weight_ns] for stack, s in process.stacks.items()),
    }
    if process.outside is not None:
        known = dataclasses.asdict(process.outside).items()
        document["outside"] = {name: value for name, value in known if value is not None}
    if process.first_call_ns is not None:
        document["first_call_ns"] = process.first_call_ns
    return document


def _decode_process(entry: Field, stacks: list[Stack]) -> Process:
    entry.keys("hash_seed", "loop_ps", "counts", "rounds", "samples", optional=("outside", "first_call_ns"))
    samples: dict[Stack, StackSample] = {}
    for part in entry["samples"].items():
        index, count, weight = part.items(3)
        stack = stacks[index.integer(high=len(stacks) - 1)]
        if stack in samples:
            part.fail("repeats a stack of this process")
        samples[stack] = StackSample(count.integer(), weight.integer())
    return Process(
        rounds=tuple(_decode_round(part) for part in entry["rounds"].items()),
        stacks=samples,
        counts=entry["counts"].flat(SampleCounts),
        loop_cost=entry["loop_ps"].integer(),
        hash_seed=entry["hash_seed"].integer(),
        outside=entry["outside"].flat(Outside) if "outside" in entry.value else None,
        first_call_ns=entry["first_call_ns"].integer() if "first_call_ns" in entry.value else None,
    )


def _encode_round(r: Round) -> list[int | bool | None]:
    """Unknown values at the end are left out; unknown values before a known one are null."""
    values = [r.iterations, r.cpu_ns, r.wall_ns, r.sampled, r.spin_ns, r.minor_faults, r.amount]
    while values[-1] is None:
        values.pop()
    return values


def encode_session(session: Session) -> JsonObject:
    return {"costs_ps": session.costs, "seed": session.seed, "recorded_at": session.recorded_at}


def decode_session(entry: Field) -> Session:
    entry.keys("costs_ps", "seed", "recorded_at")
    return Session(
        costs=tuple(cost.integer() for cost in entry["costs_ps"].items()),
        seed=entry["seed"].integer(low=None),
        recorded_at=entry["recorded_at"].text(),
    )


def _decode_round(entry: Field) -> Round:
    iterations, cpu_ns, wall_ns, sampled, *optional = entry.items(4, 5, 6, 7)
    known = (iterations.integer(low=1), cpu_ns.integer(), wall_ns.integer(), sampled.flag())
    last = len(optional) - 1
    return Round(*known, *(None if x.value is None and i < last else x.integer() for i, x in enumerate(optional)))


def _distinct(table: Field, values: list[Any]) -> None:
    if len(set(values)) != len(values):
        table.fail("has a duplicate entry")


def sorted_texts(mapping: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(mapping.items()))
