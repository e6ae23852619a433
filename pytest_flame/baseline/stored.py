"""A recording as committed: small enough to review, with everything that a verdict needs.

Schema ``pytest-flame/baseline/2``. The data of the processes are in columns, with one value per process. The stacks are
folded stacks in order, one per line: ``[kept, frames, weights]``, where ``kept`` is how many frames are the same as on
the line above, ``frames`` the names that follow, and ``weights`` the weight of the stack's samples in each process,
microseconds; a number among the names says how many more times the one before it calls itself. Unknown values are null,
and columns that are unknown or 0 everywhere are left out. Of the rounds only the ``Timing`` is kept.

A file that would be larger than ``MOST_BYTES`` has its smallest stacks merged into their callers', up to ``floor`` of
all samples. ``content_sha256`` covers everything but itself, in canonical form (sorted keys, no white space), so
reformatting the file is not an edit.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from pytest_flame import fold
from pytest_flame.baseline import stored_counts, wire
from pytest_flame.baseline.fields import Field, Malformed
from pytest_flame.baseline.json_text import JsonObject, content_sha256, layout
from pytest_flame.errors import IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import (
    Frame,
    Outside,
    Process,
    Recording,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
    Timing,
)

NAME: Final = "pytest-flame/baseline/"
VERSION: Final = 2
SCHEMA: Final = f"{NAME}{VERSION}"

MOST_BYTES: Final = 40_000
FLOORS: Final = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01)
"""Shares of all samples, the last one half of what one function may grow by; a file that is still too large stays
so."""
_NS_PER_US: Final = 1000

_OF_PROCESS: Final = {"hash_seed": "hash_seed", "loop_ps": "loop_cost", "first_call_ns": "first_call_ns"}
"""Columns and the fields they hold; the names are older than metrics that are no times."""
_OF_TIMING: Final = {field.name.replace("_cost", "_ps"): field.name for field in dataclasses.fields(Timing)}
_WHOLE: Final = ("rounds", "iterations", "calls", "cpu_ns", "wall_ns", "sampled_cpu_ns")
"""The columns of the rounds that are always known."""
_OF_COUNTS: Final = tuple(field.name for field in dataclasses.fields(SampleCounts))
_OF_OUTSIDE: Final = tuple(field.name for field in dataclasses.fields(Outside))
_DECIMALS: Final = 3
"""Decimals of ``minor_faults``, the only column without integers."""


def version(document: JsonObject) -> int | None:
    """The schema version a document states; None if it is not a baseline of pytest-flame."""
    schema = document.get("schema")
    if not isinstance(schema, str) or not schema.startswith(NAME):
        return None
    number = schema.removeprefix(NAME)
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def storable(recording: Recording) -> Recording:
    """The part of a recording that is kept: ``decode(parse(encode(storable(r))))`` is equal to it."""
    own = recording.counted and stored_counts.storable(recording.counted, recording.source_hashes)
    rounded = dataclasses.replace(recording, processes=tuple(map(_rounded, recording.processes)), counted=own)
    for floor in FLOORS:
        kept = _mentioned(fold.pruned(rounded, max(floor, recording.floor)))
        if len(encode(kept)) <= MOST_BYTES:
            break
    return kept


def encode(recording: Recording) -> str:
    """The text of the file, of a recording that is ``storable``."""
    document: JsonObject = {
        "schema": SCHEMA,
        "test": recording.test_id,
        "content_sha256": "",
        "fresh": recording.fresh,
        "metric": recording.metric.name,
        "seed": recording.seed,
        **({"recorded_at": recording.recorded_at} if recording.recorded_at else {}),
        "sampler": wire.encode_sampler(recording.sampler),
        "fingerprint": wire.sorted_texts(recording.fingerprint),
        "sources": wire.sorted_texts(recording.source_hashes),
        "processes": _encode_processes(recording.processes),
        **({"floor": recording.floor} if recording.floor else {}),
        "stacks": _encode_stacks(recording.processes),
        "places": {
            folded.encode_frame(frame): [line.path, line.line] for frame, line in sorted(recording.lines.items())
        },
    }
    if recording.line_weights:
        document["lines"] = {
            folded.encode_frame(frame): [part for line, ns in sorted(weights.items()) for part in (line, _us(ns))]
            for frame, weights in sorted(recording.line_weights.items())
        }
    if recording.counted is not None:
        document["exact"] = stored_counts.encode(recording.counted)
    if recording.sessions:
        document["sessions"] = list(map(wire.encode_session, recording.sessions))
    document["content_sha256"] = content_sha256(document)
    return layout(document) + "\n"


def decode(document: JsonObject) -> Recording:
    """A document of this schema version as a recording, every value checked.

    Raises ``Malformed`` with the path of the invalid value. The caller compares the hash.
    """
    root = Field(document, "")
    root.keys(
        *("schema", "test", "content_sha256", "fresh", "seed", "sampler", "fingerprint", "sources", "processes"),
        *("stacks", "places"),
        optional=("metric", "recorded_at", "floor", "lines", "exact", "sessions"),
    )
    recording = Recording(
        test_id=root["test"].text(),
        processes=_decode_processes(root["processes"], root["stacks"]),
        sampler=root["sampler"].flat(SamplerInfo),
        fingerprint=root["fingerprint"].texts(),
        source_hashes=root["sources"].texts(),
        lines=_decode_places(root["places"]),
        fresh=root["fresh"].flag(),
        metric=wire.decode_metric(root),
        seed=root["seed"].integer(low=None),
        recorded_at=root["recorded_at"].text() if "recorded_at" in root.value else "",
        sessions=tuple(map(wire.decode_session, root["sessions"].items())) if "sessions" in root.value else (),
        line_weights=_decode_lines(root["lines"]) if "lines" in root.value else {},
        counted=stored_counts.decode(root["exact"]) if "exact" in root.value else None,
        floor=root["floor"].fraction() if "floor" in root.value else 0.0,
    )
    try:
        recording.check()
    except IntegrityError as error:
        raise Malformed(error.what) from error
    return recording


# --- what is kept ---------------------------------------------------------------------------------------------------


def _rounded(process: Process) -> Process:
    timing = process.timing
    faults = timing.minor_faults
    told = dataclasses.replace(
        timing,
        spin_ns=None if timing.spin_ns is None else float(round(timing.spin_ns)),
        minor_faults=None if faults is None else round(faults, _DECIMALS),
    )
    weights = {s: _us(sample.weight_ns) * _NS_PER_US for s, sample in process.stacks.items() if _us(sample.weight_ns)}
    return dataclasses.replace(
        process,
        rounds=(),
        told=told,
        stacks=_with_counts(weights, sum(sample.count for sample in process.stacks.values())),
    )


def _with_counts(weights: Mapping[Stack, int], samples: int) -> dict[Stack, StackSample]:
    """Splits the number of samples in proportion to the weights."""
    counts = fold.scale(weights, samples)
    return {stack: StackSample(counts.get(stack, 0), weight) for stack, weight in weights.items()}


def _mentioned(recording: Recording) -> Recording:
    """Without the places of functions that have no samples here, or that are outside the repository: a library's path
    on this machine is useless on another one, and may reveal the user."""
    seen = {frame for process in recording.processes for stack in process.stacks for frame in stack}
    lines = {f: line for f, line in recording.lines.items() if f in seen and not line.path.startswith("/")}
    weights = {
        frame: {line: _us(ns) * _NS_PER_US for line, ns in found.items() if _us(ns)}
        for frame, found in recording.line_weights.items()
        if frame in lines
    }
    return dataclasses.replace(
        recording,
        lines=lines,
        line_weights={frame: found for frame, found in weights.items() if found},
        processes=tuple(
            dataclasses.replace(
                p,
                stacks=_with_counts(
                    {stack: sample.weight_ns for stack, sample in p.stacks.items()},
                    sum(sample.count for sample in p.stacks.values()),
                ),
            )
            for p in recording.processes
        ),
    )


def _us(ns: int) -> int:
    return round(ns / _NS_PER_US)


# --- processes in columns -------------------------------------------------------------------------------------------


def _encode_processes(processes: Sequence[Process]) -> JsonObject:
    columns: JsonObject = {name: [getattr(p, field) for p in processes] for name, field in _OF_PROCESS.items()}
    columns |= {name: [_plain(getattr(p.timing, field)) for p in processes] for name, field in _OF_TIMING.items()}
    columns["samples"] = [sum(sample.count for sample in p.stacks.values()) for p in processes]
    counts = {f"counts.{name}": [getattr(p.counts, name) for p in processes] for name in _OF_COUNTS}
    columns |= {name: column for name, column in counts.items() if any(column)}
    columns |= {f"outside.{name}": [getattr(p.outside, name, None) for p in processes] for name in _OF_OUTSIDE}
    return {name: column for name, column in columns.items() if any(value is not None for value in column)}


def _plain(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


def _decode_processes(entry: Field, stacks: Field) -> tuple[Process, ...]:
    names = {
        *_OF_PROCESS,
        *_OF_TIMING,
        "samples",
        *(f"counts.{name}" for name in _OF_COUNTS),
        *(f"outside.{name}" for name in _OF_OUTSIDE),
    }
    required = ("hash_seed", "loop_ps", "samples", *_WHOLE)
    entry.keys(*required, optional=tuple(sorted(names - set(required))))
    number = len(entry["hash_seed"].items())
    columns = {name: entry[name].items(number) for name in entry.value}
    found = _decode_stacks(stacks, number)

    def at(i: int, name: str) -> int | None:
        return columns[name][i].optional_integer() if name in columns else None

    def process(i: int) -> Process:
        whole = {name: columns[name][i].integer() for name in required}
        counts = {name: columns[f"counts.{name}"][i].integer() for name in _OF_COUNTS if f"counts.{name}" in columns}
        wall_ns, *others = (at(i, f"outside.{name}") for name in _OF_OUTSIDE)
        spin = at(i, "spin_ns")
        return Process(
            rounds=(),
            stacks=_with_counts(found[i], whole.pop("samples")),
            counts=SampleCounts(**counts),
            hash_seed=whole.pop("hash_seed"),
            loop_cost=whole.pop("loop_ps"),
            outside=None if wall_ns is None else Outside(wall_ns, *others),
            first_call_ns=at(i, "first_call_ns"),
            told=Timing(
                **whole,
                plain_cost=at(i, "plain_ps"),
                sampled_cost=at(i, "sampled_ps"),
                spin_ns=None if spin is None else float(spin),
                minor_faults=columns["minor_faults"][i].optional_number() if "minor_faults" in columns else None,
            ),
        )

    return tuple(map(process, range(number)))


# --- stacks, front-coded --------------------------------------------------------------------------------------------


def _encode_stacks(processes: Sequence[Process]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    above: tuple[str, ...] = ()
    names: dict[Frame, str] = {}
    for stack in sorted({stack for process in processes for stack in process.stacks}):
        here = tuple(names.setdefault(frame, folded.encode_frame(frame)) for frame in stack)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(above, here, strict=False)))
        weights = [_us(p.stacks[stack].weight_ns) if stack in p.stacks else 0 for p in processes]
        rows.append([kept, list(_shortened(here[kept:])), weights])
        above = here
    return rows


def _shortened(names: Iterable[str]) -> Iterator[str | int]:
    """Run-length encodes names that repeat."""
    last, more = None, 0
    for name in names:
        if name == last:
            more += 1
            continue
        if more:
            yield more
        yield name
        last, more = name, 0
    if more:
        yield more


def _decode_stacks(entry: Field, processes: int) -> list[dict[Stack, int]]:
    """Nanoseconds by stack, per process."""
    found: list[dict[Stack, int]] = [{} for _ in range(processes)]
    frames: dict[str, Frame] = {}
    seen: set[Stack] = set()
    above: Stack = ()
    for row in entry.items():
        kept, names, weights = row.items(3)
        here = [*above[: kept.integer(high=len(above))]]
        for part in names.items():
            if isinstance(part.value, str):
                here.append(frames.setdefault(part.value, folded.decode_frame(part.value)))
            elif not here:
                part.fail("follows no name")
            else:
                here += here[-1:] * part.integer(low=1, high=_MOST_FRAMES)
        above = tuple(here)
        if not above:
            row.fail("is an empty stack")
        if above in seen:
            row.fail("repeats a stack")
        seen.add(above)
        for weights_of, weight in zip(found, weights.items(processes), strict=True):
            if us := weight.integer():
                weights_of[above] = us * _NS_PER_US
    return found


_MOST_FRAMES: Final = 100_000


def _decode_places(entry: Field) -> dict[Frame, SourceLine]:
    places = {}
    for name in entry.names():
        path, line = entry[name].items(2)
        places[folded.decode_frame(name)] = SourceLine(path.text(), line.integer())
    return places


def _decode_lines(entry: Field) -> dict[Frame, dict[int, int]]:
    found: dict[Frame, dict[int, int]] = defaultdict(dict)
    for name in entry.names():
        parts = entry[name].items()
        if len(parts) % 2:
            entry[name].fail("does not alternate lines and weights")
        for line, weight in zip(parts[::2], parts[1::2], strict=True):
            lines = found[folded.decode_frame(name)]
            if line.integer() in lines:
                line.fail("repeats a line of this function")
            lines[line.integer()] = weight.integer(low=1) * _NS_PER_US
    return dict(found)
