"""The JSON beside a folded baseline: a recording with nothing left out, as text that is equal for equal data.

Schema ``pytest-flame/baseline/1``. Frames stand once, as in the folded file; stacks are lists of indexes into
``frames``, root first; the samples of a process are ``[stack, count, weight_ns]`` and its rounds ``[iterations,
cpu_ns, wall_ns, sampled, spin_ns]``; source lines are ``[frame, line, weight_ns]``. Counts that are 0 are left out,
and so is what is unknown. ``content_sha256`` covers everything but itself, in canonical form (sorted keys, no white
space), so reformatting the file is not an edit; ``folded_sha256`` ties the folded file to it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.errors import IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import (
    Frame,
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
from pytest_flame.quantities import CPU

NAME: Final = "pytest-flame/baseline/"
VERSION: Final = 1
SCHEMA: Final = f"{NAME}{VERSION}"

_WIDTH: Final = 120

JsonObject = dict[str, Any]


def encode(recording: Recording, folded_sha256: str) -> str:
    """The text of the JSON file. ``decode(parse(text))`` gives back an equal recording."""
    stacks = sorted({stack for process in recording.processes for stack in process.stacks})
    frames = sorted({frame for stack in stacks for frame in stack} | set(recording.lines) | set(recording.line_weights))
    frame_index = {frame: index for index, frame in enumerate(frames)}
    stack_index = {stack: index for index, stack in enumerate(stacks)}
    document: JsonObject = {
        "schema": SCHEMA,
        "test": recording.test_id,
        "content_sha256": "",
        "folded_sha256": folded_sha256,
        "fresh": recording.fresh,
        **({"metric": recording.metric} if recording.metric != CPU else {}),
        "seed": recording.seed,
        **({"recorded_at": recording.recorded_at} if recording.recorded_at else {}),
        "sampler": _encode_sampler(recording.sampler),
        "fingerprint": _sorted(recording.fingerprint),
        "sources": _sorted(recording.source_hashes),
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
        document["sessions"] = [dataclasses.asdict(session) for session in recording.sessions]
    document["content_sha256"] = content_sha256(document)
    return _layout(document) + "\n"


def parse(text: str) -> JsonObject:
    """Text to a JSON object, no more: nothing of it is checked. Raises ``Malformed`` with the line."""
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    if not isinstance(document, dict):
        raise Malformed("the file does not hold an object")
    return document


def content_sha256(document: JsonObject) -> str:
    """Hash of everything in the document but this hash itself."""
    content = {key: value for key, value in document.items() if key != "content_sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def version(document: JsonObject) -> int | None:
    """The schema version a document states; None where it is no baseline of pytest-flame at all."""
    schema = document.get("schema")
    if not isinstance(schema, str) or not schema.startswith(NAME):
        return None
    number = schema.removeprefix(NAME)
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def decode(document: JsonObject) -> Recording:
    """A document of this schema version as a recording, every value checked.

    Raises ``Malformed`` with the path of the value that is wrong. Hashes are the caller's to compare.
    """
    root = Field(document, "")
    root.keys(
        *("schema", "test", "content_sha256", "folded_sha256", "fresh", "seed", "sampler", "fingerprint"),
        *("sources", "frames", "stacks", "processes"),
        optional=("recorded_at", "sessions", "lines", "metric"),
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
        metric=root["metric"].text() if "metric" in root.value else CPU,
        seed=root["seed"].integer(low=None),
        recorded_at=root["recorded_at"].text() if "recorded_at" in root.value else "",
        sessions=tuple(map(_decode_session, root["sessions"].items())) if "sessions" in root.value else (),
        line_weights=_decode_lines(root["lines"], frames) if "lines" in root.value else {},
    )
    try:
        recording.check()
    except IntegrityError as error:
        raise Malformed(error.what) from error
    return recording


# --- one part each ---------------------------------------------------------------------------------------------


def _encode_sampler(sampler: SamplerInfo) -> dict[str, str | int]:
    """What is off by default is written only where it is on."""
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
        "loop_ps": process.loop_ps,
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
        loop_ps=entry["loop_ps"].integer(),
        hash_seed=entry["hash_seed"].integer(),
        outside=entry["outside"].flat(Outside) if "outside" in entry.value else None,
        first_call_ns=entry["first_call_ns"].integer() if "first_call_ns" in entry.value else None,
    )


def _encode_round(r: Round) -> list[int | bool | None]:
    """What is unknown at the end is left out, what is unknown before something known is null."""
    values = [r.iterations, r.cpu_ns, r.wall_ns, r.sampled, r.spin_ns, r.minor_faults]
    while values[-1] is None:
        values.pop()
    return values


def _decode_session(entry: Field) -> Session:
    entry.keys("costs_ps", "seed", "recorded_at")
    return Session(
        costs_ps=tuple(cost.integer() for cost in entry["costs_ps"].items()),
        seed=entry["seed"].integer(low=None),
        recorded_at=entry["recorded_at"].text(),
    )


def _decode_round(entry: Field) -> Round:
    iterations, cpu_ns, wall_ns, sampled, *optional = entry.items(4, 5, 6)
    known = (iterations.integer(low=1), cpu_ns.integer(), wall_ns.integer(), sampled.flag())
    last = len(optional) - 1
    return Round(*known, *(None if x.value is None and i < last else x.integer() for i, x in enumerate(optional)))


def _distinct(table: Field, values: list[Any]) -> None:
    if len(set(values)) != len(values):
        table.fail("holds an entry twice")


def _sorted(mapping: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(mapping.items()))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return document


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _layout(value: Any, indent: str = "", label: str = "") -> str:
    """JSON for reviewers: an object's names one a line, lists filled up to the line width.

    ``indent`` and ``label`` (``"name": `` before the value) are what the line holds already.
    """
    compact = json.dumps(value)
    if not value or not isinstance(value, (dict, list)):
        return label + compact
    if indent and len(indent) + len(label) + len(compact) < _WIDTH:
        return label + compact
    deeper = indent + " "
    if isinstance(value, dict):
        members = [deeper + _layout(member, deeper, f"{json.dumps(name)}: ") for name, member in value.items()]
        return f"{label}{{\n" + ",\n".join(members) + f"\n{indent}}}"
    return f"{label}[\n" + _fill([_layout(item, deeper) for item in value], deeper) + f"\n{indent}]"


def _fill(items: list[str], indent: str) -> str:
    lines = [indent + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 2 < _WIDTH and "\n" not in item:
            lines[-1] += ", " + item
        else:
            lines[-1] += ","
            lines.append(indent + item)
    return "\n".join(lines)
