"""Which vanished function a new one was, from costs and callees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from simulated import LIBRARY, SHOP, Noise, changed, record, renamed

from pytest_flame.compare import compare
from pytest_flame.judge import judge
from pytest_flame.model import Change, Comparison, FrameDelta, Limits, Verdict

CLEAR = Noise(between=0.002, per_stack=0.01, samples=5000)


def run(head: Mapping[str, float], base: Mapping[str, float] = SHOP) -> Comparison:
    rng = np.random.default_rng(8)
    was, now = (record(costs, rng, CLEAR, library=LIBRARY) for costs in (base, head))
    return compare(was, now, Limits(), session_sd=0.0)


def before(deltas: tuple[FrameDelta, ...]) -> dict[str, str | None]:
    return {d.frame.qualname: d.renamed_from.qualname if d.renamed_from else None for d in deltas}


def test_a_renamed_function_says_what_it_was() -> None:
    assert before(run(renamed("lex", "tokenize")).moved) == {"tokenize": "lex"}


def test_a_renamed_and_slower_function_grew_by_the_difference() -> None:
    (culprit,) = run(changed({"test > tokenize": 0.09}, renamed("lex", "tokenize"))).culprits
    assert before((culprit,)) == {"tokenize": "lex"}
    assert culprit.change is Change.SLOWER
    assert culprit.own_delta == pytest.approx(0.09e9, abs=0.02e9)
    assert culprit.relative == pytest.approx(0.5, abs=0.1)


def test_a_function_renamed_along_with_its_caller_is_found_below_it() -> None:
    comparison = run(renamed("scan", "step", renamed("lex", "tokenize")))
    assert comparison.culprits == ()
    assert {"tokenize": "lex"}.items() <= before(comparison.moved).items()


def test_of_two_renamed_siblings_each_finds_its_own() -> None:
    base = {"test": 0.3, "test > a": 0.2, "test > b": 0.1, "test > b > x": 0.1, "test > c": 0.3}
    head = renamed("a", "a2", renamed("b", "b2", base))
    assert before(run(head, base).moved) == {"a2": "a", "b2": "b"}


def test_an_extracted_function_was_nothing_before() -> None:
    comparison = run(changed({"test > show > fmt": -0.12, "test > show > fmt > helper": 0.12}))
    assert before(comparison.moved) == {"helper": None}


def test_a_new_function_elsewhere_is_not_the_one_that_vanished() -> None:
    base = {"test": 0.4, "test > a": 0.2, "test > a > old": 0.1, "test > b": 0.3}
    head = {"test": 0.4, "test > a": 0.2, "test > b": 0.3, "test > b > new": 0.1}
    comparison = run(head, base)
    assert set(before((*comparison.culprits, *comparison.moved, *comparison.unclear)).values()) <= {None}


def test_a_function_that_calls_other_things_is_another_function() -> None:
    base = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > old > f": 0.2}
    head = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > new > g": 0.2}
    comparison = run(head, base)
    assert set(before((*comparison.culprits, *comparison.moved, *comparison.unclear)).values()) <= {None}


PARSER: dict[str, float] = {
    "test": 0.05,
    "test > run": 0.05,
    "test > run > cli:Base.main": 0.05,
    "test > run > cli:Base.main > cli:Base.make": 0.10,
    "test > run > cli:Base.main > cli:Base.make > cli:Option.__init__": 0.20,
    "test > run > cli:Base.main > cli:Base.make > cli:Option.convert": 0.15,
    "test > run > cli:Base.main > cli:Command.invoke": 0.40,
}
"""``run`` is the project's, ``cli`` a library."""


def classes(program: Mapping[str, float], factor: float = 1.0, **names: str) -> dict[str, float]:
    """The program with classes of these names called something else, their methods ``factor`` times as expensive."""
    head: dict[str, float] = {}
    for stack, cost in program.items():
        last = stack.rpartition(" > ")[2]
        changed = any(f":{old}." in last for old in names)
        for old, new in names.items():
            stack = stack.replace(f":{old}.", f":{new}.")
        head[stack] = cost * (factor if changed else 1.0)
    return head


def upgrade(head: Mapping[str, float], base: Mapping[str, float] = PARSER) -> Comparison:
    rng = np.random.default_rng(8)
    was, now = (record(costs, rng, CLEAR, library=("cli",)) for costs in (base, head))
    return compare(was, now, Limits(), session_sd=0.0)


def test_a_renamed_class_is_compared_method_by_method() -> None:
    comparison = upgrade(classes(PARSER, Base="Command", Option="_Option"))
    assert not (comparison.culprits or comparison.unclear)
    assert (
        before(comparison.frames).items()
        >= {
            "Command.main": "Base.main",
            "Command.make": "Base.make",
            "_Option.__init__": "Option.__init__",
            "_Option.convert": "Option.convert",
            "Command.invoke": None,
        }.items()
    )


def test_what_became_twice_as_fast_under_another_name_is_improved_and_nobody_is_to_blame() -> None:
    base, head = PARSER, classes(PARSER, 0.5, Base="Command", Option="_Option")
    rng = np.random.default_rng(8)
    was, now = (record(costs, rng, CLEAR, library=("cli",)) for costs in (base, head))
    comparison = compare(was, now, Limits(), session_sd=0.0)
    assert comparison.culprits == ()
    assert judge(comparison, was, now).verdict is Verdict.IMPROVED
    assert {d.change for d in comparison.frames if d.renamed_from} == {Change.FASTER}


def test_a_method_that_grew_while_its_class_was_renamed_is_named_with_its_old_name() -> None:
    slower = {stack: cost * (2 if "__init__" in stack else 1) for stack, cost in PARSER.items()}
    comparison = compare_owned(classes(slower, Option="_Option"))
    assert before(comparison.culprits) == {"_Option.__init__": "Option.__init__"}
    assert comparison.culprits[0].relative == pytest.approx(1.0, abs=0.1)


def compare_owned(head: Mapping[str, float]) -> Comparison:
    """Like ``upgrade``, for classes of the project itself."""
    rng = np.random.default_rng(8)
    was, now = (record(costs, rng, CLEAR) for costs in (PARSER, head))
    return compare(was, now, Limits(), session_sd=0.0)


def test_what_moved_to_another_module_is_compared_with_what_it_was() -> None:
    head = {stack.replace("cli:", "_cli.core:"): cost for stack, cost in PARSER.items()}
    comparison = compare_owned(head)
    assert not (comparison.culprits or comparison.unclear)
    modules = {d.frame.module: d.renamed_from.module for d in comparison.frames if d.renamed_from}
    assert modules == {"_cli.core": "cli"}
    assert all(d.base and d.head for d in comparison.frames)


def test_one_method_of_the_same_name_that_works_differently_is_another() -> None:
    base = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > Mail.send > f": 0.2}
    head = {"test": 0.4, "test > f": 0.2, "test > g": 0.2, "test > Post.send > g": 0.2}
    assert set(before(run(head, base).frames).values()) == {None}


def test_methods_of_the_same_names_elsewhere_are_others() -> None:
    base = {"test": 0.3, "test > a": 0.2, "test > a > Old.run": 0.1, "test > a > Old.stop": 0.1, "test > b": 0.3}
    head = {"test": 0.3, "test > a": 0.2, "test > b": 0.3, "test > b > New.run": 0.1, "test > b > New.stop": 0.1}
    assert set(before(run(head, base).frames).values()) == {None}
