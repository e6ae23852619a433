from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import FormatError, IntegrityError
from pytest_flame.formats import folded
from pytest_flame.model import KERNEL_NOT_SAMPLED, Costs, Frame, Stack

NASTY = st.sampled_from(list(";:% \t\n\r\v\f\x00\x1c\x85\xa0\u2028\u200b\u202e\ufeff\udc80\ud800.#_[]0159٣é日%3B"))
NAMES = st.text(NASTY | st.characters(), max_size=12)
FRAMES = st.builds(Frame, NAMES, NAMES)
COSTS = st.dictionaries(
    st.lists(FRAMES, min_size=1, max_size=5).map(tuple), st.integers(0, 10**15), min_size=0, max_size=6
)


@given(COSTS)
def test_any_costs_survive_a_round_trip(costs: Costs) -> None:
    assert folded.loads(folded.dumps(costs)) == costs


@given(FRAMES)
def test_any_frame_survives_a_round_trip(frame: Frame) -> None:
    assert folded.decode_frame(folded.encode_frame(frame)) == frame


@given(COSTS)
def test_text_is_utf8_with_one_line_a_stack(costs: Costs) -> None:
    text = folded.dumps(costs)
    assert text.encode("utf-8").decode("utf-8").splitlines() == text.split("\n")[:-1]
    assert len(text.splitlines()) == len(costs)


def read_as_flamegraph_pl(line: str) -> tuple[str, str]:
    """Greedy up to white space and a number, twice if two numbers end the line."""
    number = re.compile(r"(.*)\s+?(\d+(?:\.\d*)?)\Z")
    found = number.match(line)
    assert found
    stack, cost = found.groups()
    shorter = number.match(stack)
    return shorter[1] if shorter else stack, cost


def read_as_inferno(line: str) -> tuple[str, str]:
    """What follows the last space is a number if it is digits and at most one dot; twice; then trimmed."""
    stack = line.strip()
    columns: list[str] = []
    while len(columns) < 2 and " " in stack and re.fullmatch(r"[0-9]*\.?[0-9]*", stack[stack.rindex(" ") + 1 :]):
        columns.append(stack[stack.rindex(" ") + 1 :])
        stack = stack[: stack.rindex(" ")].rstrip()
    return stack, columns[0]


def read_as_speedscope(line: str) -> tuple[str, str]:
    found = re.match(r"(.*) (\d+)\Z", line, re.ASCII)
    assert found
    return found[1], found[2]


@pytest.mark.parametrize("reader", [read_as_flamegraph_pl, read_as_inferno, read_as_speedscope])
@given(costs=COSTS)
def test_other_tools_see_the_same_stacks_and_costs(reader: Callable[[str], tuple[str, str]], costs: Costs) -> None:
    seen = {}
    for line in folded.dumps(costs).splitlines():
        stack, cost = reader(line)
        seen[tuple(folded.decode_frame(name) for name in stack.split(";"))] = int(cost)
    assert seen == costs


@given(COSTS)
def test_stacks_come_in_the_order_inferno_checks(costs: Costs) -> None:
    stacks = [line.rpartition(" ")[0].split(";") for line in folded.dumps(costs).splitlines()]
    assert stacks == sorted(stacks)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Frame("orders.parse", "Tokenizer.next"), "orders.parse:Tokenizer.next"),
        (Frame("orders", "build.<locals>.<lambda>"), "orders:build.<locals>.<lambda>"),
        (KERNEL_NOT_SAMPLED, "kernel:[not sampled]"),
        (Frame("libfoo.so.1", "core::ops<A, B>::call"), "libfoo.so.1:core::ops<A, B>::call"),
        (Frame("lib.so", "[u8; 4]::fill"), "lib.so:[u8%3B 4]::fill"),
        (Frame("lib.so", "operator% 2"), "lib.so:operator%25%202"),
        (Frame("lib.so", "size 12 buffer"), "lib.so:size 12 buffer"),
        (Frame("a", "b\nc 5"), "a:b%0Ac%205"),
        (Frame("c:\\x", "f"), "c%3A\\x:f"),
        (Frame("bestellung", "größe_日本"), "bestellung:größe_日本"),
        (Frame("main", ""), "main"),
        (Frame("", "main"), ":main"),
        (Frame("", ""), ":"),
    ],
)
def test_how_names_are_written(frame: Frame, text: str) -> None:
    assert folded.encode_frame(frame) == text
    assert folded.decode_frame(text) == frame


def test_children_stand_beside_their_parent_and_not_after_its_longer_namesake() -> None:
    a, foo, foo2, c = (Frame("m", name) for name in ("a", "foo", "foo2", "c"))
    text = folded.dumps({(a, foo2): 5, (a, foo, c): 10, (a, foo): 7})
    assert text == "m:a;m:foo 7\nm:a;m:foo;m:c 10\nm:a;m:foo2 5\n"


def test_no_costs_are_an_empty_file() -> None:
    assert folded.dumps({}) == ""
    assert folded.loads("") == {}


@pytest.mark.parametrize("costs", [{(): 1}, {(Frame("a", "b"),): -1}, {(Frame("a", "b"),): 1.5}])
def test_impossible_costs_are_not_written(costs: Mapping[Stack, float]) -> None:
    with pytest.raises(IntegrityError):
        folded.dumps(costs)  # type: ignore[arg-type]  # one of them is a fraction


def test_foreign_text_is_read_leniently() -> None:
    text = "\n main (a.py:3);f; g 12   7\r\n\r\nmain (a.py:3);f; g 12 5 \nx%zz%3b%FF 1"
    assert folded.loads(text) == {
        (Frame("main (a.py", "3)"), Frame("f", ""), Frame(" g 12", "")): 12,
        (Frame("x%zz%3b%FF", ""),): 1,
    }


@pytest.mark.parametrize("bad", ["a:b;c:d", "a:b 1.5", "a:b -3", "12", "# made by 3 tools", "a:b ٣", f"a {'9' * 41}"])
def test_the_error_names_the_line(bad: str) -> None:
    with pytest.raises(FormatError) as caught:
        folded.loads(f"a:b 1\n\n{bad}\n")
    assert caught.value.what == f"line 3 is not a folded stack: {bad!r}"


def test_the_error_shortens_a_long_line() -> None:
    with pytest.raises(FormatError) as caught:
        folded.loads("x" * 10_000)
    assert len(caught.value.what) < 200
