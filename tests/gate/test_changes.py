"""What counts as a change to the gate, of two states of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.gate.changes import list_changes
from pytest_flame.model import GateChangeKind
from pytest_flame.trees.committed import Collection
from pytest_flame.trees.gate_state import GatedTest, GateState

MARKED = GatedTest(True, "", 0.05, 0.02)


def kinds(base: GatedTest | None, head: GatedTest | None, **settings: tuple[str, str]) -> list[GateChangeKind]:
    states = [
        GateState({k: v[i] for k, v in settings.items()}, {} if test is None else {"t": test})
        for i, test in enumerate((base, head))
    ]
    return [change.kind for change in list_changes(*states)]


@pytest.mark.parametrize(
    ("base", "head", "found"),
    [
        (MARKED, MARKED, []),
        (None, MARKED, []),
        (GatedTest(False), None, []),
        (GatedTest(False), MARKED, []),
        (MARKED, GatedTest(False), [GateChangeKind.UNMARKED]),
        (MARKED, None, [GateChangeKind.GONE]),
        (MARKED, GatedTest(True, "skipped: slow", 0.05, 0.02), [GateChangeKind.SKIPPED]),
        (GatedTest(True, "skipped", 0.05, 0.02), GatedTest(True, "skipped: slow", 0.05, 0.02), []),
        (MARKED, GatedTest(True, "", 0.06, 0.02), [GateChangeKind.LOOSENED]),
        (MARKED, GatedTest(True, "", 0.05, 0.03), [GateChangeKind.LOOSENED]),
        (MARKED, GatedTest(True, "", 0.04, 0.01), []),
    ],
)
def test_of_one_test(base: GatedTest | None, head: GatedTest | None, found: list[GateChangeKind]) -> None:
    assert kinds(base, head) == found


def test_a_limit_of_the_run_is_listed_once() -> None:
    looser = GatedTest(True, "", 0.2, 0.02)
    assert kinds(MARKED, looser, flame_threshold=("5%", "20%")) == [GateChangeKind.SETTING]
    assert kinds(MARKED, looser, flame_threshold=("5%", "5%")) == [GateChangeKind.LOOSENED]
    assert kinds(MARKED, looser, flame_threshold=("4%", "20%")) == [GateChangeKind.LOOSENED, GateChangeKind.SETTING]


def test_what_is_not_known_is_listed_before_what_is_gone() -> None:
    base = GateState({}, {"a.py::t": MARKED}, {"b.py": "ImportError"})
    assert [(c.kind, c.subject) for c in list_changes(base, GateState())] == [
        (GateChangeKind.UNKNOWN, "b.py"),
        (GateChangeKind.GONE, "a.py::t"),
    ]


def test_a_state_reads_back_equal(tmp_path: Path) -> None:
    state = GateState({"flame_alpha": "0.01"}, {"a.py::t[ü]": MARKED, "b": GatedTest(False)}, {"c.py": "why"})
    state.write(tmp_path / "state.json")
    assert GateState.read(tmp_path / "state.json") == state


@pytest.mark.parametrize(
    ("asked", "test_id", "held"),
    [
        (".", "tests/test_a.py::t", True),
        ("tests", "tests/test_a.py::t", True),
        ("tests", "tests2/test_a.py::t", False),
        ("tests/test_a.py", "tests/test_a.py::t[1]", True),
        ("tests/test_a.py::t", "tests/test_a.py::t[1]", True),
        ("tests/test_a.py::t", "tests/test_a.py::t2", False),
        ("tests/test_a.py::C", "tests/test_a.py::C::t", True),
    ],
)
def test_what_a_run_was_asked_for(asked: str, test_id: str, held: bool) -> None:
    assert Collection(Path("/p"), Path("/p"), (asked,), (), (), ()).holds(test_id) is held
