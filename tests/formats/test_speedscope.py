"""Speedscope files of other tools, and our own, are read."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flame.errors import FormatError
from pytest_flame.formats import reading, speedscope
from pytest_flame.formats.format import Profiles, ReadOptions
from pytest_flame.formats.labels import Naming
from pytest_flame.model import Frame, Profile, SourceLine, Stack, metric_of

JsonObject = dict[str, Any]

RECORDED = Path(__file__).parent / "recorded"


def read(document: object, naming: Naming | None = None, metric: str = "") -> Profile:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return reading.read(io.BytesIO(data), "p", ReadOptions(naming or Naming(), metric=metric))


def by_name(found: Profile) -> dict[str, Fraction]:
    return {";".join(f.name for f in stack): Fraction(n, found.metric.scale) for stack, n in found.costs.items()}


def document(*profiles: JsonObject, frames: tuple[str, ...] = ("a", "b", "c")) -> JsonObject:
    return {"shared": {"frames": [{"name": name} for name in frames]}, "profiles": list(profiles)}


def sampled(samples: list[list[int]], weights: list[float | str], unit: str = "none", **more: str) -> JsonObject:
    return {"type": "sampled", "unit": unit, "samples": samples, "weights": weights, **more}


def evented(*events: tuple[str, float, int], unit: str = "seconds") -> JsonObject:
    rows = [{"type": kind, "at": at, "frame": frame} for kind, at, frame in events]
    return {"type": "evented", "unit": unit, "startValue": 0, "endValue": 9, "events": rows, "name": "e"}


def test_sampled_profiles_of_py_spy() -> None:
    """581 samples of 10 ms in one thread, 926 in all of the file's threads."""
    data = (RECORDED / "py-spy.speedscope.json").read_bytes()
    found = read(data, Naming(threads=False, strip=("/home/u/repro",)))
    content = json.loads(data, parse_float=Decimal)
    assert found.metric.unit == "s"
    assert Fraction(sum(found.costs.values()), found.metric.scale) == Fraction(
        sum(sum(p["weights"]) for p in content["profiles"])
    )
    assert (Frame("app", "<module>"), Frame("app", "work")) in {stack[:2] for stack in found.costs}
    shown = read(data)
    assert {stack[0].name for stack in shown.costs} == {p["name"] for p in content["profiles"]}


def test_evented_profiles_of_pyinstrument() -> None:
    data = (RECORDED / "pyinstrument.speedscope.json").read_bytes()
    found = read(data)
    (profile,) = json.loads(data, parse_float=Decimal)["profiles"]
    assert found.metric.unit == "s"
    whole = float(Fraction(sum(found.costs.values()), found.metric.scale))
    assert whole == pytest.approx(float(profile["endValue"]), rel=0.01)
    assert {stack[0] for stack in found.costs} == {Frame("app", "<module>")}
    assert Frame("json.decoder", "decode") in {frame for stack in found.costs for frame in stack}


def test_events_give_time_to_what_runs() -> None:
    found = read(document(evented(("O", 0, 0), ("O", 1.5, 1), ("C", 1.75, 1), ("C", 4, 0), ("O", 6, 2), ("C", 7, 2))))
    assert by_name(found) == {"a": Fraction(15, 4), "a;b": Fraction(1, 4), "c": 1}


def test_without_weights_a_sample_counts_one() -> None:
    assert by_name(read(document(sampled([[0, 1], [0, 1], [0]], [])))) == {"a;b": 2, "a": 1}


def test_several_profiles_are_rooted_at_their_names() -> None:
    two = document(sampled([[0]], [1], name="one"), sampled([[0]], [2], name="two"))
    assert by_name(read(two)) == {"one;a": 1, "two;a": 2}
    threads = document(sampled([[0]], [1], name='Thread 12 "x"'), sampled([[0]], [2], name='Thread 13 ""'))
    assert by_name(read(threads, Naming(threads=False))) == {"a": 3}


def test_frames_that_name_processes_are_left_out_on_request() -> None:
    """As py-spy --subprocesses writes them."""
    names = ('process 12:"python -c a;b"', "thread (12): x", "f")
    one = document(sampled([[0, 1, 2], [0]], [1, 2]), frames=names)
    assert by_name(read(one, Naming(threads=False))) == {"f": 1, "[no frames]": 2}
    assert by_name(read(one)) == {";".join(names): 1, names[0]: 2}


def test_of_what_counts_different_things_one_is_chosen() -> None:
    """As memray writes it."""
    both = document(sampled([[0]], [64], "bytes", name="Memory"), sampled([[0]], [2], name="Allocations"))
    with pytest.raises(FormatError, match=r"different things: Memory \(bytes\), Allocations \(none\)") as caught:
        read(both)
    assert "--metric Memory" in caught.value.fix
    assert read(both, metric="Memory").metric.noun == "bytes"
    assert by_name(read(both, metric="Allocations")) == {"a": 2}
    with pytest.raises(FormatError, match="no profile of Time"):
        read(both, metric="Time")


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (sampled([[0, 7]], [1]), "it names the frame 7 of 3"),
        (sampled([[0, -1]], [1]), "it names the frame -1 of 3"),
        (sampled([[0], [1]], [1]), "2 samples and 1 weights"),
        (sampled([[0]], [-1]), "the weight -1 is negative"),
        (sampled([[0]], ["1"]), "'1' is not a number"),
        (sampled([[0]], [1e300]), "not a possible measurement"),
        (sampled([[0]], [1e-300]), "not a possible measurement"),
        (sampled([[0]], [1], "hours"), "it counts 'hours'"),
        (evented(("O", 0, 0), ("C", 1, 1)), "ends at 1, but it is not the current one"),
        (evented(("O", 2, 0), ("C", 1, 0)), "its events go back, from 2 to 1"),
        ({"type": "evented", "unit": "none"}, "is missing"),
        ({"unit": "none"}, "'type' is missing"),
        ({"type": "sampled", "unit": "none", "samples": 3}, "does not match the format"),
    ],
)
def test_what_does_not_hold_together_is_refused(profile: JsonObject, why: str) -> None:
    with pytest.raises(FormatError, match="p is not a valid speedscope file") as caught:
        read(document(profile))
    assert why in caught.value.why


@pytest.mark.parametrize("empty", [document(), document(sampled([], []))])
def test_what_is_empty_says_so(empty: JsonObject) -> None:
    with pytest.raises(FormatError, match=r"contains no (profile|stacks)"):
        read(empty)


def test_zeros_say_so() -> None:
    with pytest.raises(FormatError, match="p counts nothing"):
        read(document(sampled([[0]], [0])))


NAMES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8)
FRAMES = st.builds(
    Frame, st.sampled_from(["app", "pkg.mod", "libx.so", "kernel"]), st.from_regex(r"[a-z]\w{0,5}", fullmatch=True)
)
STACKS = st.lists(FRAMES, min_size=1, max_size=5).map(tuple)


@settings(max_examples=40)
@given(st.dictionaries(STACKS, st.integers(1, 10**12), min_size=1, max_size=6))
def test_what_we_write_is_read_back(costs: dict[Stack, int]) -> None:
    lines = {frame: SourceLine("app.py", 3) for stack in costs for frame in stack if frame.module == "app"}
    text = speedscope.dumps(Profiles("x", [Profile({metric_of("ns", 1000): costs}, "x", lines)]))
    found = read(text.encode())
    assert found.metric.unit == "ns"
    assert {s: Fraction(n, found.metric.scale) for s, n in found.costs.items()} == {
        s: Fraction(n, 1000) for s, n in costs.items()
    }
    assert found.lines == lines


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | NAMES, lambda x: st.lists(x) | st.dictionaries(NAMES, x), max_leaves=8
    )
)
def test_any_document_is_read_or_refused(value: object) -> None:
    for whole in (value, {"shared": value, "profiles": value}, document(value if isinstance(value, dict) else {})):
        with pytest.raises(FormatError):
            read(whole)
