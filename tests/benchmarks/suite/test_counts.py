"""What is called different between repeats."""

from __future__ import annotations

from benchmarks.suite.counts import unlike
from pytest_flame.model import Calls, Footprint, Frame

BODY, CALLED = Frame("test_a", "test"), Frame("a", "f")


def passes(*counts: int, code: str = "0") -> list[tuple[Footprint, Calls]]:
    """One for each hash seed: how often the body calls the function."""
    return [(Footprint({"a:f": code}, {}, {}), Calls({BODY: 1, CALLED: n}, {(BODY, CALLED): n})) for n in counts]


def test_equal_repeats() -> None:
    assert unlike([passes(3, 3), passes(3, 3)]) == []


def test_a_count_that_differs_between_repeats() -> None:
    assert unlike([passes(3, 3), passes(3, 3), passes(4, 4)]) == [f"calls: {(BODY, CALLED)}"]


def test_a_count_that_differs_between_hash_seeds_is_named_and_not_compared() -> None:
    assert unlike([passes(3, 4), passes(3, 4), passes(3, 5)]) == []


def test_another_footprint() -> None:
    assert unlike([passes(3, 3), passes(3, 3, code="1")]) == ["footprint"]
