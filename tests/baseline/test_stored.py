"""Which part of a recording is committed, how large it is, and which files are refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame import fold
from pytest_flame.baseline import stored
from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.json_text import JsonObject, content_sha256, parse
from pytest_flame.model import Frame, Process, Recording, Round, SamplerInfo, Stack, StackSample


@given(data=st.data())
def test_what_is_kept_of_any_recording_reads_back_equal(
    recordings: st.SearchStrategy[Recording], data: st.DataObject
) -> None:
    kept = stored.storable(data.draw(recordings))
    text = stored.encode(kept)
    document = parse(text)
    assert text.isascii()
    assert document["content_sha256"] == content_sha256(document)
    assert stored.decode(document) == kept == stored.storable(kept)


def test_what_is_kept_costs_what_it_cost(recording: Recording) -> None:
    kept = stored.storable(recording)
    assert [fold.cost(p) for p in kept.processes] == [fold.cost(p) for p in recording.processes]
    assert [p.timing for p in kept.processes] == [p.timing for p in recording.processes]
    for before, after in zip(recording.processes, kept.processes, strict=True):
        assert after.rounds == ()
        assert sum(s.count for s in after.stacks.values()) == sum(s.count for s in before.stacks.values())
        assert {stack: round(s.weight_ns, -3) for stack, s in before.stacks.items()} == {
            stack: s.weight_ns for stack, s in after.stacks.items()
        }


def many(frames: int, stacks: int, depth: int, *, seed: int = 1, slower: bool = False) -> Recording:
    """Samples of one program, from a seed; ``slower``: the most expensive function takes twice as long."""
    generator = random.Random(1)
    names = [Frame(f"project.package{i % 9}.module", f"Class{i}.method_{i}") for i in range(frames)]
    body = Frame("tests.test_it", "test_it")
    shapes: list[Stack] = [(body, *generator.choices(names, k=generator.randint(1, depth))) for _ in range(stacks)]
    weights = [(2 if slower and stack[-1] == shapes[0][-1] else 1) / (i + 1) for i, stack in enumerate(shapes)]
    generator = random.Random(seed)

    def process() -> Process:
        drawn = generator.choices(shapes, weights, k=1000)
        return Process(
            tuple(Round(1024, generator.randint(10**7, 10**8), 10**8, i % 2 == 0) for i in range(25)),
            {s: StackSample(drawn.count(s), drawn.count(s) * 500_754) for s in set(drawn)},
        )

    made = tuple(process() for _ in range(10))
    return Recording("t", made, SamplerInfo("timer", "cpu", True, 1997), {})


def test_a_usual_recording_is_kept_whole_and_small() -> None:
    recording = many(60, 100, 8)
    kept = stored.storable(recording)
    assert kept.floor == 0
    assert {s for p in kept.processes for s in p.stacks} == {s for p in recording.processes for s in p.stacks}
    assert len(stored.encode(kept)) < 30_000


def test_a_large_one_loses_only_what_is_far_below_a_functions_limit() -> None:
    recording = many(400, 3000, 30)
    kept = stored.storable(recording)
    assert 0 < kept.floor <= 0.005
    assert len(stored.encode(kept)) <= stored.MOST_BYTES
    for before, after in zip(recording.processes, kept.processes, strict=True):
        assert sum(s.count for s in after.stacks.values()) == sum(s.count for s in before.stacks.values())


def test_deep_recursion_takes_little_room() -> None:
    body, fib = Frame("tests.test_it", "test_it"), Frame("app.numbers", "fibonacci")
    stacks = {(body, *[fib] * depth): StackSample(2, 1_001_508) for depth in range(1, 900, 3)}
    recording = Recording(
        "t", (Process((Round(1, 10**9, 10**9, True),), stacks),), SamplerInfo("t", "c", True, 1997), {}
    )
    kept = stored.storable(recording)
    assert kept.floor == 0
    assert len(stored.encode(kept)) < 20_000
    assert max(map(len, kept.processes[0].stacks)) == 899


def test_one_slower_function_changes_tens_of_lines() -> None:
    recording = many(60, 40, 6)
    slower = many(60, 40, 6, seed=2, slower=True)
    before, after = (stored.encode(stored.storable(r)).splitlines() for r in (recording, slower))
    assert 30 < len(set(after) - set(before)) < 100


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("pytest-flame/baseline/1", 1),
        ("pytest-flame/baseline/12", 12),
        ("pytest-flame/baseline/", None),
        ("pytest-flame/baseline/²", None),
        ("pytest-flame/baseline/-1", None),
        ("pytest-flame/baseline/" + "9" * 5000, None),
        ("pytest-flame/result/1", None),
        (1, None),
        (None, None),
    ],
)
def test_the_stated_version(text: object, version: int | None) -> None:
    assert stored.version({"schema": text}) == version


def delete(document: JsonObject, *path: Any) -> None:
    *parents, last = path
    for part in parents:
        document = document[part]
    del document[last]


def put(document: JsonObject, value: Any, *path: Any) -> None:
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
        (lambda d: put(d, None, "metric"), "metric is None, not a string"),
        (lambda d: put(d, 1.0, "floor"), "floor is 1.0, not a number from 0 to below 1"),
        (lambda d: delete(d, "processes", "rounds"), "processes lacks 'rounds'"),
        (lambda d: put(d, [1, 2], "processes", "late"), "processes has the unknown field 'late'"),
        (lambda d: put(d, [1], "processes", "rounds"), "processes.rounds has 1 members, not 2"),
        (lambda d: put(d, [0, 1], "processes", "rounds"), "impossible rounds"),
        (lambda d: put(d, [None, 1], "processes", "cpu_ns"), "processes.cpu_ns[0] is None, not a whole number"),
        (lambda d: put(d, [-1, 1], "processes", "spin_ns"), "processes.spin_ns[0] is -1, outside 0"),
        (lambda d: put(d, ["1", 1], "processes", "minor_faults"), "minor_faults[0] is '1', not a number ≥ 0"),
        (lambda d: put(d, [None, None], "processes", "sampled_ps"), "a process without a cost"),
        (lambda d: put(d, [1.5, 2], "processes", "counts.taken"), "processes.counts.taken[0] is 1.5, not a whole"),
        (lambda d: put(d, {k: [] for k in d["processes"]}, "processes"), "stacks[0][2] has 2 members, not 0"),
        (lambda d: put(d, 3, "stacks", 0, 0), "stacks[0][0] is 3, outside 0 … 0"),
        (lambda d: put(d, [], "stacks", 0, 1), "stacks[0] is an empty stack"),
        (lambda d: put(d, [2], "stacks", 0, 1), "stacks[0][1][0] follows no name"),
        (lambda d: put(d, ["a:b", 0], "stacks", 0, 1), "stacks[0][1][1] is 0, outside 1"),
        (lambda d: put(d, d["stacks"] * 2, "stacks"), "repeats a stack"),
        (lambda d: put(d, [1], "stacks", 0, 2), "stacks[0][2] has 1 members, not 2"),
        (lambda d: put(d, ["a.py"], "places", "a:b"), "places.a:b has 1 members, not 2"),
        (lambda d: put(d, {"a:b": [1]}, "lines"), "lines.a:b does not alternate lines and weights"),
        (lambda d: put(d, {"a:b": [1, 2, 1, 3]}, "lines"), "repeats a line of this function"),
        (lambda d: put(d, None, "sampler", "kernel"), "sampler.kernel is None, not true or false"),
        (lambda d: put(d, 3, "fingerprint", "cpu"), "fingerprint.cpu is 3, not a string"),
        (lambda d: put(d, [{"costs_ps": [], "seed": 0, "recorded_at": ""}], "sessions"), "a session with the costs ()"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(
    recording: Recording, damage: Callable[[JsonObject], None], message: str
) -> None:
    document = json.loads(stored.encode(stored.storable(recording)))
    damage(document)
    with pytest.raises(Malformed) as caught:
        stored.decode(document)
    assert message in str(caught.value)
