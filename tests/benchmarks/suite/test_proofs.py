"""Which tests are given to the exact pass, and how its answers are added up."""

from __future__ import annotations

from benchmarks.suite.proofs import Commit, Found, chosen, is_own, table


def test_the_smallest_changes_come_first_and_the_others_from_their_files() -> None:
    changes = {"a.py::big": 9, "a.py::small": 1, "a.py::same": 0, "b.py::same": 0, "b.py::medium": 4}
    assert chosen(changes, 1, "seed") == ["a.py::small", "a.py::same"]
    assert set(chosen(changes, 2, "seed")) == changes.keys() - {"a.py::big"}


def test_functions_of_libraries_are_not_the_projects() -> None:
    assert [is_own(name) for name in ("src/a.py:f", "<template>:root", "/usr/lib/a.py:f", "<frozen os>:f")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_changed_test_that_is_the_same_code_is_wrong() -> None:
    def commit(*found: Found) -> Commit:
        return Commit("c" * 40, len(found), sum(bool(f.executes) for f in found), found, (), ("src/a.py:f",))

    right = commit(Found("t::a", 2, False, False, "changed: function a:f"), Found("t::b", 0, True, True, ""))
    wrong = commit(Found("t::c", 3, False, True, "its execution rests on what cannot be accounted for: a child"))
    lines = {" ".join(line.split()) for line in table([right, wrong]).splitlines()}
    assert "that change what a test executes 2" in lines
    assert "of these found 1" in lines
    assert "with equal inputs, but for what is unknown (must be 0) 1" in lines
    assert "proved 1" in lines
    assert any(line.startswith("WRONG cccccccccc t::c: 3 differ") for line in lines)
    assert not any("t::a" in line or "t::b" in line for line in lines)
