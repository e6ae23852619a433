"""The search for the first slow commit: which commit to look at next, and what the answers leave.

Commits are numbered along the history, GOOD is 0. ``Looks`` does the looking; nothing here runs anything.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol


class Answer(enum.Enum):
    """What is known about a commit, in git's words."""

    GOOD = "good"
    """Not slower than GOOD."""
    BAD = "bad"
    SKIPPED = "skipped"
    """The test cannot be executed there, or it is not clear whether it is slower."""


class Looks(Protocol):
    def code(self, commit: int) -> str | None:
        """Equal for commits at which the test provably executes the same; None if it cannot be executed."""

    def is_slower(self, commit: int, alpha: float) -> bool | None:
        """Measured: whether the test is slower than at GOOD, wrong with probability ``alpha``; None: not clear."""

    def seen(self, look: Look) -> None:
        """Called after each look."""


@dataclass(frozen=True, slots=True)
class Look:
    commit: int
    answer: Answer
    same_as: int | None = None
    """The commit at which the test provably executes the same, if that decided; otherwise a measurement did."""


@dataclass(frozen=True, slots=True)
class Found:
    good: int
    """The last commit known not to be slower."""
    bad: int
    """The first one known to be slower."""
    skipped: tuple[int, ...]
    """Those between them, of which nothing is known."""

    @property
    def candidates(self) -> tuple[int, ...]:
        """The first slow commit is one of these."""
        return (*self.skipped, self.bad)


def most_decisions(last: int) -> int:
    """How many measurements the search in commits 1 to ``last`` needs at most if none is skipped."""
    return (last - 1).bit_length()


def spending(alpha: float, decisions: int) -> Iterator[float]:
    """The error of each decision. All together spend at most ``alpha``, however many are needed: the planned ones equal
    parts of it, each further one half of the one before."""
    part = alpha / (decisions + 1)
    yield from repeat(part, decisions)
    while True:
        part /= 2
        yield part


def search(last: int, looks: Looks, alpha: float) -> Found:
    """Halves the commits between 0, known to be good, and ``last``, known to be bad, until none is left to look at.

    The first slow commit is found if all commits before it are good and all after it bad, as with ``git bisect``. Any
    decision that a measurement makes is wrong with probability ``alpha`` over the whole search.
    """
    parts = spending(alpha, most_decisions(last))
    known: dict[str, tuple[Answer, int]] = {}
    for commit, answer in ((0, Answer.GOOD), (last, Answer.BAD)):
        if (code := looks.code(commit)) is not None:
            known[code] = answer, commit

    def look(commit: int) -> Look:
        code = looks.code(commit)
        if code is None:
            return Look(commit, Answer.SKIPPED)
        if code in known:
            return Look(commit, *known[code])
        slower = looks.is_slower(commit, next(parts))
        answer = {True: Answer.BAD, False: Answer.GOOD, None: Answer.SKIPPED}[slower]
        known[code] = answer, commit
        return Look(commit, answer)

    good, bad, skipped, in_a_row = 0, last, set[int](), 0
    while among := [commit for commit in range(good + 1, bad) if commit not in skipped]:
        done = look(among[int(len(among) * _place(in_a_row))])
        looks.seen(done)
        in_a_row = in_a_row + 1 if done.answer is Answer.SKIPPED else 0
        if done.answer is Answer.GOOD:
            good = done.commit
        elif done.answer is Answer.BAD:
            bad = done.commit
        else:
            skipped.add(done.commit)
    return Found(good, bad, tuple(sorted(commit for commit in skipped if good < commit < bad)))


def _place(skipped: int) -> float:
    """Where to look after so many commits that were skipped: the middle, a quarter, three quarters, an eighth, …

    Commits that cannot be built come in rows: next to one there is probably another.
    """
    place, step, number = 0.0, 0.5, skipped + 1
    while number:
        place += step * (number & 1)
        step, number = step / 2, number >> 1
    return place
