"""Slower or called more often, by exact counts: recordings with a known truth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from simulated import Noise, record, stack

from pytest_flame.compare import compare_interleaved
from pytest_flame.model import Calls, Change, Comparison, Counted, ExactComparison, FrameDelta, Limits

Tree = Mapping[str, tuple[float, int]]
"""``"test > f > g"`` → (cost of one call of the last function itself, its calls for each call of its caller)."""
NOISE = Noise(processes=16)


def side(tree: Tree) -> tuple[dict[str, float], Counted]:
    """Costs of an iteration by stack, and the exact passes."""
    costs: dict[str, float] = {}
    called: dict[str, int] = {}
    functions: dict[str, int] = {}
    edges: dict[tuple[str, str], int] = {}
    for path, (cost, calls) in tree.items():
        caller, _, name = path.rpartition(" > ")
        called[path] = calls * called.get(caller, 1)
        costs[path] = cost * called[path]
        functions[name] = functions.get(name, 0) + called[path]
        if caller:
            edge = caller.rpartition(" > ")[2], name
            edges[edge] = edges.get(edge, 0) + called[path]
    counted = Calls(
        {stack(name)[0]: n for name, n in functions.items()},
        {(stack(a)[0], stack(b)[0]): n for (a, b), n in edges.items()},
    )
    return costs, Counted(("",), 0, 0, 0, (), counted)


def compared(base: Tree, head: Tree, seed: int = 1, *, exact: bool = True) -> Comparison:
    rng = np.random.default_rng(seed)
    (base_costs, base_counts), (head_costs, head_counts) = side(base), side(head)
    return compare_interleaved(
        record(base_costs, rng, NOISE),
        record(head_costs, rng, NOISE),
        Limits(),
        alpha=0.01,
        most=NOISE.processes,
        exact=ExactComparison(base_counts, head_counts) if exact else None,
    )


def culprit(base: Tree, head: Tree, seed: int = 1) -> FrameDelta:
    found = compared(base, head, seed).culprits
    assert len(found) == 1, found
    return found[0]


BASE: Tree = {
    "test": (1.0, 1),
    "test > read": (4.0, 1),
    "test > price": (0.5, 4),
    "test > price > tax": (0.5, 2),
    "test > price > tax > round": (0.1, 5),
    "test > other": (3.0, 1),
}


def test_a_slower_function_is_slower() -> None:
    found = culprit(BASE, {**BASE, "test > price > tax": (0.8, 2)})
    assert (found.frame.qualname, found.change, found.calls) == ("tax", Change.SLOWER, (8, 8))


def test_more_calls_of_a_leaf() -> None:
    found = culprit(BASE, {**BASE, "test > price > tax > round": (0.1, 10)})
    assert (found.frame.qualname, found.change, found.calls) == ("round", Change.MORE_CALLS, (40, 80))
    assert found.caller is not None and found.caller.qualname == "tax"


def test_the_topmost_function_called_more_often_is_to_blame() -> None:
    """All below it is called more often as well, as often as before by each of its callers."""
    found = culprit(BASE, {**BASE, "test > price": (0.5, 8)})
    assert (found.frame.qualname, found.change, found.calls) == ("price", Change.MORE_CALLS, (4, 8))
    assert found.caller is not None and found.caller.qualname == "test"


def test_a_few_more_calls_do_not_explain_a_function_that_became_much_slower() -> None:
    found = culprit(BASE, {**BASE, "test > price > tax": (1.5, 3), "test > price > tax > round": (0.1, 3)})
    assert (found.frame.qualname, found.change) == ("tax", Change.SLOWER)


def test_without_counts_proportions_decide() -> None:
    (found,) = compared(BASE, {**BASE, "test > price > tax > round": (0.1, 10)}, exact=False).culprits
    assert found.calls is None


@pytest.mark.parametrize("what", ["slower", "more"])
def test_they_are_right_nearly_always(what: str) -> None:
    """100 random programs: the function whose code or whose number of calls changed, and which of the two."""
    right = named = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        names = [path for path in BASE if path != "test"]
        base: Tree = {path: (cost * rng.uniform(0.5, 2), calls) for path, (cost, calls) in BASE.items()}
        chosen = names[rng.integers(len(names))]
        cost, calls = base[chosen]
        head = {**base, chosen: (cost * 2.5, calls) if what == "slower" else (cost, calls * 3)}
        found = compared(base, head, seed).culprits
        if not found:
            continue
        named += 1
        expected = Change.SLOWER if what == "slower" else Change.MORE_CALLS
        right += found[0].frame.qualname == chosen.rpartition(" > ")[2] and found[0].change is expected
    assert named >= 90
    assert right >= 0.98 * named
