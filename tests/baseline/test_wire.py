from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.baseline import wire
from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.json_text import JsonObject, parse
from pytest_flame.model import Recording

K = TypeVar("K")
V = TypeVar("V")


@given(data=st.data())
def test_any_recording_reads_back_equal(recordings: st.SearchStrategy[Recording], data: st.DataObject) -> None:
    recording = data.draw(recordings)
    assert wire.decode(parse(wire.encode(recording))) == recording


def test_equal_data_in_another_order_is_the_same_text(recording: Recording) -> None:
    def backwards(mapping: Mapping[K, V]) -> dict[K, V]:
        return dict(reversed(list(mapping.items())))

    reordered = dataclasses.replace(
        recording,
        processes=tuple(dataclasses.replace(p, stacks=backwards(p.stacks)) for p in recording.processes),
        fingerprint=backwards(recording.fingerprint),
        source_hashes=backwards(recording.source_hashes),
        lines=backwards(recording.lines),
    )
    assert wire.encode(reordered) == wire.encode(recording)


def delete(document: Any, *path: str | int) -> None:
    *parents, last = path
    for part in parents:
        document = document[part]
    del document[last]


def put(document: Any, value: object, *path: str | int) -> None:
    *parents, last = path
    for part in parents:
        document = document[part]
    document[last] = value


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: delete(d, "seed"), "the file lacks 'seed'"),
        (lambda d: put(d, 1, "extra"), "the file has the unknown field 'extra'"),
        (lambda d: put(d, 7, "test"), "test is 7, not a string"),
        (lambda d: put(d, [], "processes"), "a recording without processes"),
        (lambda d: put(d, [], "processes", 1, "rounds"), "a process holds no rounds"),
        (lambda d: put(d, 0, "processes", 1, "rounds", 0, 0), "processes[1].rounds[0][0] is 0, outside 1"),
        (lambda d: put(d, 1, "processes", 0, "rounds", 1, 3), "processes[0].rounds[1][3] is 1, not true or false"),
        (lambda d: put(d, [1, 1, 1, True, -1], "processes", 0, "rounds", 1), "rounds[1][4] is -1, outside 0"),
        (lambda d: put(d, [1, 1, 1, True, None], "processes", 0, "rounds", 1), "rounds[1][4] is None, not a whole"),
        (lambda d: put(d, -1, "processes", 0, "first_call_ns"), "processes[0].first_call_ns is -1, outside 0"),
        (lambda d: put(d, None, "metric"), "metric is None, not a string"),
        (lambda d: put(d, {"steal_ns": 0}, "processes", 0, "outside"), "processes[0].outside lacks 'wall_ns'"),
        (lambda d: put(d, {"wall_ns": 1, "x": 0}, "processes", 0, "outside"), "outside has the unknown field 'x'"),
        (lambda d: put(d, {"wall_ns": 1, "cpus": 1.5}, "processes", 0, "outside"), "outside.cpus is 1.5, not a whole"),
        (lambda d: put(d, 99, "processes", 0, "samples", 0, 0), "processes[0].samples[0][0] is 99, outside 0 … 2"),
        (lambda d: put(d, -1, "processes", 0, "samples", 0, 0), "processes[0].samples[0][0] is -1, outside 0 … 2"),
        (lambda d: put(d, 1, "processes", 0, "samples", 0, 0), "processes[0].samples[1] repeats a stack"),
        (lambda d: put(d, 99, "stacks", 0, 0), "stacks[0][0] is 99, outside 0 … 3"),
        (lambda d: put(d, [], "stacks", 0), "stacks[0] is an empty stack"),
        (lambda d: put(d, d["stacks"][1], "stacks", 0), "stacks has a duplicate entry"),
        (lambda d: put(d, d["frames"][1], "frames", 0), "frames has a duplicate entry"),
        (lambda d: put(d, ["a:b", "a.py"], "frames", 0), "frames[0] has 2 members, not 1 or 3"),
        (lambda d: put(d, ["a:b", "a.py", -1], "frames", 0), "frames[0][2] is -1, outside 0"),
        (lambda d: delete(d, "processes", 0, "counts"), "processes[0] lacks 'counts'"),
        (lambda d: put(d, 3.5, "processes", 0, "counts", "late"), "processes[0].counts.late is 3.5, not a whole"),
        (lambda d: put(d, None, "sampler", "kernel"), "sampler.kernel is None, not true or false"),
        (lambda d: put(d, 3, "fingerprint", "cpu"), "fingerprint.cpu is 3, not a string"),
        (lambda d: put(d, 3, "recorded_at"), "recorded_at is 3, not a string"),
        (lambda d: put(d, [{"costs_ps": [1.5], "seed": 0, "recorded_at": ""}], "sessions"), "costs_ps[0] is 1.5, not"),
        (lambda d: put(d, [{"costs_ps": [], "seed": 0, "recorded_at": ""}], "sessions"), "a session with the costs ()"),
        (lambda d: put(d, [{"costs_ps": [1], "seed": 0}], "sessions"), "sessions[0] lacks 'recorded_at'"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(
    recording: Recording, damage: Callable[[JsonObject], None], message: str
) -> None:
    document = parse(wire.encode(recording))
    damage(document)
    with pytest.raises(Malformed) as caught:
        wire.decode(document)
    assert message in str(caught.value)
