"""The search alone, on histories that are known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.cli.bisection import Answer, Found, Look, most_decisions, search, spending


@dataclass
class History:
    """``codes[i]``: the code that the test executes at commit i, None where it cannot be executed. ``slow``: from which
    commit on it is slow. ``unclear``: codes for which measuring does not tell."""

    codes: Sequence[str | None]
    slow: int
    unclear: frozenset[str] = frozenset()
    measured: list[int] = field(default_factory=list)
    alphas: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def code(self, commit: int) -> str | None:
        return self.codes[commit]

    def is_slower(self, commit: int, alpha: float) -> bool | None:
        self.measured.append(commit)
        self.alphas.append(alpha)
        return None if self.codes[commit] in self.unclear else commit >= self.slow

    def seen(self, look: Look) -> None:
        self.looks.append(look)

    def search(self) -> Found:
        return search(len(self.codes) - 1, self, 0.003)


def every_other_code(last: int) -> list[str | None]:
    return [f"code {commit}" for commit in range(last + 1)]


@given(st.data())
def test_the_first_slow_commit_is_found_wherever_it_is(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 200))
    history = History(every_other_code(last), slow=data.draw(st.integers(1, last)))
    assert history.search() == Found(history.slow - 1, history.slow, ())
    assert len(history.measured) <= most_decisions(last)


@given(st.data())
def test_skipped_commits_leave_every_candidate_and_no_other(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 60))
    slow = data.draw(st.integers(1, last))
    codes = every_other_code(last)
    for commit in data.draw(st.sets(st.integers(0, last))) - {0, last}:
        codes[commit] = None
    unclear = {codes[commit] for commit in data.draw(st.sets(st.integers(0, last))) - {0, last}}
    history = History(codes, slow, frozenset(code for code in unclear if code is not None))
    found = history.search()
    assert slow in found.candidates
    known = [c for c, code in enumerate(codes) if c in (0, last) or (code is not None and code not in history.unclear)]
    assert found.good == max(commit for commit in known if commit < slow)
    assert found.bad == min(commit for commit in known if commit >= slow)
    assert found.skipped == tuple(range(found.good + 1, found.bad))
    assert len({look.commit for look in history.looks}) == len(history.looks)


@given(st.data())
def test_each_code_is_measured_once_and_the_ends_never(data: st.DataObject) -> None:
    runs = data.draw(st.lists(st.integers(1, 20), min_size=2, max_size=6))
    codes = [f"code {number}" for number, length in enumerate(runs) for _ in range(length)]
    slow = sum(runs[: data.draw(st.integers(1, len(runs) - 1))])
    history = History(codes, slow)
    assert history.search() == Found(slow - 1, slow, ())
    measured = [codes[commit] for commit in history.measured]
    assert len(set(measured)) == len(measured) <= len(runs) - 2
    assert not {codes[0], codes[-1]} & set(measured)
    for look in history.looks:
        assert look.same_as is None or codes[look.same_as] == codes[look.commit]
        assert (look.same_as is None) == (look.commit in history.measured)


def test_one_change_is_found_without_measuring() -> None:
    history = History(["old"] * 700 + ["new"] * 300, slow=700)
    assert history.search().candidates == (700,)
    assert history.measured == []
    assert len(history.looks) <= 10


def test_what_a_commit_is_unclear_about_is_not_measured_again() -> None:
    history = History(["a", "b", "b", "b", "c"], slow=2, unclear=frozenset({"b"}))
    assert history.search() == Found(0, 4, (1, 2, 3))
    assert len(history.measured) == 1
    assert [look.answer for look in history.looks] == [Answer.SKIPPED] * 3


def test_a_row_of_broken_commits_is_left_quickly() -> None:
    codes: list[str | None] = ["old"] * 400 + [None] * 200 + ["new"] * 401
    history = History(codes, slow=600)
    history.codes[450:] = ["new"] * len(codes[450:])  # type: ignore[index]
    history.search()
    first = list(itertools.takewhile(lambda look: look.answer is Answer.SKIPPED, history.looks))
    assert len(first) <= 2


@pytest.mark.parametrize(("last", "most"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (1000, 10)])
def test_most_decisions(last: int, most: int) -> None:
    assert most_decisions(last) == most


@pytest.mark.parametrize("decisions", [0, 1, 3, 10])
def test_all_decisions_together_spend_at_most_the_error(decisions: int) -> None:
    parts = list(itertools.islice(spending(0.01, decisions), decisions + 40))
    assert sum(parts) <= 0.01 * (1 + 1e-12)
    assert len(set(parts[:decisions])) <= 1
    assert all(part > 0 for part in parts)


def test_every_measurement_gets_its_part_of_the_error() -> None:
    history = History(every_other_code(100), slow=1)
    history.search()
    assert history.alphas == [0.003 / 8] * len(history.alphas)
    assert len(history.alphas) > 4
