import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from simulated import stack

from pytest_flame.model import Frame, Process, Round, Stack, StackSample
from pytest_flame.stats.stack_table import StackTable

FRAMES = st.sampled_from("abcde").map(lambda name: Frame("m", name))
STACKS = st.lists(FRAMES, min_size=0, max_size=6).map(lambda below: (Frame("m", "test"), *below))
SIDES = st.lists(st.dictionaries(STACKS, st.integers(0, 5), max_size=6), min_size=1, max_size=4)


def process(samples: dict[tuple[Frame, ...], int]) -> Process:
    return Process(
        rounds=(Round(1, 1, 1, True),),
        stacks={s: StackSample(count=n, weight_ns=n * 1000) for s, n in samples.items()},
    )


def table(base: list[dict[tuple[Frame, ...], int]], head: list[dict[tuple[Frame, ...], int]]) -> StackTable:
    return StackTable([process(p) for p in base], [process(p) for p in head])


@given(SIDES, SIDES)
def test_every_weight_is_in_the_table_once(base: list[dict[Stack, int]], head: list[dict[Stack, int]]) -> None:
    t = table(base, head)
    for side, counts in ((base, t.base), (head, t.head)):
        assert counts.weights_ns.sum(axis=1).tolist() == [1000 * sum(p.values()) for p in side]
        assert counts.samples.tolist() == [sum(p.values()) for p in side]


@given(SIDES, SIDES)
def test_inclusive_cost_counts_a_recursive_frame_once(
    base: list[dict[Stack, int]], head: list[dict[Stack, int]]
) -> None:
    t = table(base, head)
    sums = t.within.sums(t.head.weights_ns)
    for frame, row in zip(t.frames, sums, strict=True):
        assert row.tolist() == [1000 * sum(n for s, n in p.items() if frame in s) for p in head]


@given(SIDES, SIDES)
def test_own_costs_add_up_to_everything(base: list[dict[Stack, int]], head: list[dict[Stack, int]]) -> None:
    t = table(base, head)
    own, frames = t.topmost
    assert np.array_equal(own.sums(t.base.weights_ns).sum(axis=0), t.base.weights_ns.sum(axis=1))
    assert [t.frames[f] for f in frames] == [t.frames[t.leaf[own[i][0]]] for i in range(len(own))]


@given(SIDES)
def test_callers_and_callees_are_neighbours_in_the_stack(side: list[dict[Stack, int]]) -> None:
    t = table(side, side)
    for frame in range(len(t.frames)):
        for s, path in enumerate(t.paths):
            if frame not in path:
                assert t.callers(frame)[s] == t.callees(frame)[s] == t.outermost(frame)[s] == -1
                continue
            first, last = path.index(frame), len(path) - 1 - path[::-1].index(frame)
            assert t.outermost(frame)[s] == first
            assert t.callers(frame)[s] == (path[first - 1] if first else -1)
            assert t.callees(frame)[s] == (path[last + 1] if last + 1 < len(path) else frame)


def test_equal_frames_that_are_not_the_same_object_are_one() -> None:
    t = table([{stack("test > f"): 1}], [{stack("test > f"): 2}])
    assert len(t.frames) == 2
    assert len(t.paths) == 1


def test_the_root_is_the_first_frame_of_most_of_the_cost() -> None:
    t = table([{stack("[truncated] > f"): 1, stack("test > f"): 5}], [])
    assert t.frames[t.root] == stack("test")[0]


def test_nearest_above_looks_from_the_last_occurrence() -> None:
    t = table([{stack("test > a > lib:x > b > lib:x > lib:y"): 1}], [])
    index = {frame.qualname: i for i, frame in enumerate(t.frames)}
    project = np.array([frame.module == "app" for frame in t.frames])
    assert t.nearest_above(index["x"], project).tolist() == [index["b"]]
    assert t.nearest_above(index["test"], project).tolist() == [-1]


@given(SIDES, SIDES)
def test_a_renamed_frame_keeps_every_weight(base: list[dict[Stack, int]], head: list[dict[Stack, int]]) -> None:
    before = Frame("m", "before")
    base = [{(before, *s[1:]) if s[1:] else s: n for s, n in p.items()} for p in base]
    t = table(base, head)
    names = {f: i for i, f in enumerate(t.frames)}
    if before not in names or Frame("m", "test") not in names:
        return
    renamed = t.renamed({names[Frame("m", "test")]: names[before]})
    assert before not in renamed.frames
    assert renamed.before == {renamed.frames.index(Frame("m", "test")): before}
    for old, new in ((t.base, renamed.base), (t.head, renamed.head)):
        assert new.weights_ns.sum(axis=1).tolist() == old.weights_ns.sum(axis=1).tolist()
        assert new.samples.tolist() == old.samples.tolist()
    paths = [tuple(renamed.frames[f] for f in path) for path in renamed.paths]
    assert len(set(paths)) == len(paths)
    assert {frame for path in paths for frame in path} == set(renamed.frames)
