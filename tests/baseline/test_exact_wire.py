from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.json_text import parse
from pytest_flame.model import Calls, Exact, Footprint, Frame

NAMES = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=8)
FRAMES = st.builds(Frame, NAMES.filter(lambda name: ":" not in name), NAMES)
HASHES = st.dictionaries(NAMES, NAMES, max_size=4)


@st.composite
def calls(draw: st.DrawFn) -> Calls:
    functions = draw(st.dictionaries(FRAMES, st.integers(1, 10**12), min_size=1, max_size=5))
    callers = st.sampled_from([*functions, Frame("elsewhere", "generator")])
    chosen = draw(st.dictionaries(st.sampled_from(list(functions)), callers))
    return Calls(functions, {(caller, callee): functions[callee] for callee, caller in chosen.items()})


FOOTPRINTS = st.builds(
    Footprint, HASHES, HASHES, HASHES, st.sets(NAMES, max_size=3).map(lambda found: tuple(sorted(found)))
)


@given(st.builds(Exact, FOOTPRINTS, calls(), st.none() | calls()))
def test_any_exact_pass_reads_back_equal(exact: Exact) -> None:
    assert exact_wire.decode(parse(exact_wire.encode(exact))) == exact


EXACT = Exact(
    Footprint({"orders:parse": "1a"}, {"tree/data.csv": "2b"}, {"/lib/libc.so.6": "3c"}, ("a child process",)),
    Calls({Frame("orders", "parse"): 1, Frame("[builtins]", "len"): 2}, {}),
    None,
)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.pop("frames"), "the file lacks 'frames'"),
        (lambda d: d.update(schema="other"), "schema is not pytest-flame/exact/1"),
        (lambda d: d["frames"].append(d["frames"][0]), "frames has a duplicate entry"),
        (lambda d: d["executions"].clear(), "executions has 0 members"),
        (lambda d: d["executions"][0]["functions"].append([0, 1]), "repeats a function"),
        (lambda d: d["executions"][0]["functions"].append([9, 1]), "is 9, outside 0 … 1"),
        (lambda d: d["executions"][0]["edges"].append([0, 1, 5]), "was called by more than all its calls"),
        (lambda d: d["footprint"].update(unknown=["b", "a"]), "is not sorted"),
        (lambda d: d["footprint"]["code"].update({"x:y": 1}), "footprint.code.x:y is 1, not a string"),
    ],
)
def test_damage_is_named(damage: Callable[[Any], object], message: str) -> None:
    document = json.loads(exact_wire.encode(EXACT))
    damage(document)
    with pytest.raises(Malformed, match=message.replace("[", r"\[")):
        exact_wire.decode(document)
