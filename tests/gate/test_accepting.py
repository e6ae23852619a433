"""Which slowdowns an entry accepts, and what is said about entries that accept none."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from pytest_flame.gate.accepting import accept, matches
from pytest_flame.gate.changes import newly_accepted
from pytest_flame.judge import CALLS_RULE, FUNCTION_RULE, WHOLE_RULE, outcome
from pytest_flame.model import (
    Acceptance,
    Comparison,
    EntryState,
    Frame,
    FrameDelta,
    GateChangeKind,
    Judgement,
    Limits,
    Objection,
    Verdict,
)
from pytest_flame.render import words

TODAY = datetime.date(2030, 6, 1)
TEST = "tests/test_a.py::test_one[x-1]"
RATE, LOG = Frame("shop.tax", "rate"), Frame("shop.log", "emit")


def entry(
    limit: float, culprit: Frame | None = None, test: str = TEST, until: datetime.date = datetime.date(2030, 12, 31)
) -> Acceptance:
    return Acceptance(test, limit, "it is worth it", until, culprit and culprit.name, "f.toml, entry 1")


def grown(frame: Frame, low: int, high: int) -> FrameDelta:
    """A culprit that grew by that many percent of the test."""
    middle = (low + high) // 2
    return FrameDelta(frame, 0, middle, 0, middle, low, high, 0.0, significant=True, over_threshold=True)


def judgement(low: float, high: float, *culprits: FrameDelta, verdict: Verdict = Verdict.REGRESSED) -> Judgement:
    middle = (low + high) / 2
    comparison = Comparison(
        TEST, 100, round(100 * middle), middle, low, high, 0.98, 1.06, 10, 10, Limits(), culprits=culprits
    )
    objections = [Objection(FUNCTION_RULE, culprit.frame) for culprit in culprits]
    if low > 1.05:
        objections.append(Objection(WHOLE_RULE))
    return Judgement(TEST, verdict, "slower", comparison, objections=tuple(objections))


def verdict(one: Judgement, *entries: Acceptance) -> Verdict:
    (judged,), _ = accept([one], entries, TODAY, complete=True)
    assert (judged.verdict is Verdict.ACCEPTED) == bool(judged.accepted)
    return judged.verdict


def notes(one: Judgement, *entries: Acceptance) -> str:
    (judged,), _ = accept([one], entries, TODAY, complete=True)
    return "\n".join(judged.notes)


def state(entry: Acceptance, *judged: Judgement, complete: bool = True) -> EntryState:
    _, (use,) = accept(judged, [entry], TODAY, complete=complete)
    return use.state


WHOLE = judgement(1.08, 1.11)
"""Slower, and no function stands out."""
RATED = judgement(1.08, 1.11, grown(RATE, 7, 12))
"""Slower because of one function."""
ONLY_RATE = judgement(0.97, 1.02, grown(RATE, 3, 5))
"""A function grew, the total did not."""


def test_an_accepted_test_passes_with_its_own_word_and_says_why() -> None:
    (judged,), (use,) = accept([WHOLE], [entry(0.12)], TODAY, complete=True)
    assert outcome(judged.verdict, strict=True) == "passed"
    assert judged.reason == "slower; accepted until 2030-12-31: it is worth it"
    assert words.verdict_words(judged) == "ACCEPTED, until 2030-12-31: it is worth it"
    assert (use.state, use.tests) == (EntryState.ACCEPTS, (TEST,))
    said = f"f.toml, entry 1: accepts {TEST} up to +12 % until 2030-12-31: it is worth it"
    assert words.entry_use(use) == said


def test_the_upper_end_of_the_interval_has_to_be_within_the_limit() -> None:
    assert verdict(WHOLE, entry(0.11)) is Verdict.ACCEPTED
    assert verdict(WHOLE, entry(0.10)) is Verdict.REGRESSED
    assert "the upper end of its slowdown is +11 %, above +10 %" in notes(WHOLE, entry(0.10))


def test_an_entry_for_the_whole_test_accepts_its_functions_unless_one_surely_grew_by_more() -> None:
    assert verdict(RATED, entry(0.11)) is Verdict.ACCEPTED
    balanced = judgement(1.08, 1.11, grown(RATE, 30, 34))
    assert verdict(balanced, entry(0.12)) is Verdict.REGRESSED
    assert "the lower end of the growth of shop.tax:rate is +30 % of the test" in notes(balanced, entry(0.12))


def test_an_entry_for_a_function_accepts_that_function_and_what_it_adds_to_the_test() -> None:
    assert verdict(RATED, entry(0.12, RATE)) is Verdict.ACCEPTED
    assert verdict(RATED, entry(0.115, RATE)) is Verdict.REGRESSED
    assert "the upper end of the growth of shop.tax:rate is +12 %" in notes(RATED, entry(0.115, RATE))
    assert verdict(RATED, entry(0.5, LOG)) is Verdict.REGRESSED
    assert "the culprit shop.tax:rate is not the accepted one" in notes(RATED, entry(0.5, LOG))


def test_an_entry_for_a_function_does_not_accept_a_test_without_a_culprit() -> None:
    assert verdict(WHOLE, entry(0.5, RATE)) is Verdict.REGRESSED
    assert "no single function is to blame" in notes(WHOLE, entry(0.5, RATE))


def test_a_function_that_alone_regressed() -> None:
    assert verdict(ONLY_RATE, entry(0.05, RATE)) is Verdict.ACCEPTED
    assert verdict(ONLY_RATE, entry(0.04, RATE)) is Verdict.REGRESSED
    assert verdict(ONLY_RATE, entry(0.04)) is Verdict.ACCEPTED


def test_an_entry_for_a_function_does_not_accept_a_total_that_is_not_shown_to_be_within_it() -> None:
    unclear = judgement(0.97, 1.2, grown(RATE, 3, 5))
    assert verdict(unclear, entry(0.05, RATE)) is Verdict.REGRESSED


def test_all_culprits_have_to_be_accepted() -> None:
    both = judgement(1.10, 1.14, grown(RATE, 5, 8), grown(LOG, 4, 7))
    assert verdict(both, entry(0.08, RATE)) is Verdict.REGRESSED
    assert "the culprit shop.log:emit is not the accepted one" in notes(both, entry(0.08, RATE))
    assert verdict(both, entry(0.08, RATE), entry(0.07, LOG)) is Verdict.ACCEPTED
    assert verdict(both, entry(0.14)) is Verdict.ACCEPTED


def test_an_expired_entry_no_longer_protects_and_is_named() -> None:
    old = entry(0.5, until=datetime.date(2030, 5, 31))
    assert verdict(WHOLE, old) is Verdict.REGRESSED
    assert "f.toml, entry 1 expired on 2030-05-31" in notes(WHOLE, old)
    assert state(old, WHOLE) is EntryState.EXPIRED
    assert verdict(WHOLE, entry(0.5, until=TODAY)) is Verdict.ACCEPTED


@pytest.mark.parametrize("rule", [CALLS_RULE, "memory"])
def test_what_is_not_a_cost_is_not_accepted(rule: str) -> None:
    more = replace(WHOLE, objections=(*WHOLE.objections, Objection(rule)))
    assert verdict(more, entry(0.5)) is Verdict.REGRESSED
    assert "--flame-calls-threshold" in notes(more, entry(0.5)) or "memory" in notes(more, entry(0.5))


def test_a_regression_without_figures_is_not_accepted() -> None:
    assert verdict(Judgement(TEST, Verdict.REGRESSED, "odd"), entry(0.5)) is Verdict.REGRESSED


@pytest.mark.parametrize("other", [v for v in Verdict if v not in (Verdict.REGRESSED, Verdict.ACCEPTED)])
def test_no_other_verdict_changes(other: Verdict) -> None:
    one = judgement(1.08, 1.11, verdict=other)
    (judged,), _ = accept([one], [entry(0.5)], TODAY, complete=True)
    assert judged == one


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        (TEST, True),
        ("tests/test_a.py::*", True),
        ("*", True),
        ("tests/test_a.py::test_one[?-1]", True),
        ("tests/test_a.py::test_one", False),
        ("tests/test_a.py::test_one[y*", False),
        ("test_one", False),
    ],
)
def test_patterns(pattern: str, matched: bool) -> None:
    assert matches(entry(0.1, test=pattern), TEST) is matched


def test_entries_that_are_not_needed_are_named() -> None:
    fine, open_ = judgement(0.99, 1.01, verdict=Verdict.PASS), judgement(1.0, 1.1, verdict=Verdict.INCONCLUSIVE)
    assert state(entry(0.1), fine) is EntryState.UNNEEDED
    assert state(entry(0.1), fine, complete=False) is EntryState.UNNEEDED
    assert state(entry(0.1), open_) is EntryState.UNDECIDED
    assert state(entry(0.1), WHOLE) is EntryState.EXCEEDED
    assert state(entry(0.1, test="gone")) is EntryState.UNMATCHED


def test_a_few_tests_say_nothing_about_the_others() -> None:
    fine = judgement(0.99, 1.01, verdict=Verdict.PASS)
    assert state(entry(0.1, test="*"), fine, complete=False) is EntryState.UNDECIDED
    assert state(entry(0.1, test="*"), fine) is EntryState.UNNEEDED
    assert state(entry(0.1, test="gone"), fine, complete=False) is EntryState.UNDECIDED


def test_new_entries_are_changes_to_the_gate() -> None:
    before = b'[[accepted]]\ntest = "t"\nlimit = "5%"\nreason = "r"\nuntil = 2030-12-31\n'
    until = datetime.date(2030, 12, 31)
    kept, raised = Acceptance("t", 0.05, "r", until), Acceptance("t", 0.5, "r", until)
    added = Acceptance("*", 0.05, "r", until)
    assert newly_accepted(before, [kept]) == []
    assert newly_accepted(before, []) == []
    (change,) = newly_accepted(before, [raised])
    assert (change.kind, change.subject) == (GateChangeKind.ACCEPTED, "t")
    assert (change.was, change.now) == ("up to +5 % until 2030-12-31: r", "up to +50 % until 2030-12-31: r")
    assert [c.subject for c in newly_accepted(None, [kept, added])] == ["t", "*"]
    assert [c.subject for c in newly_accepted(b"not = toml = ", [kept])] == ["t"]
