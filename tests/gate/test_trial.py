"""Deciding while measuring, on recordings with a known truth: when it ends, and what becomes of a suspicion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from simulated import SHOP, Noise, record, times

from pytest_flame import judge
from pytest_flame.gate.trial import SHORT, SPARE, Screen, Trial
from pytest_flame.judge import Case, Rule, Ruling
from pytest_flame.model import Frame, Judgement, Limits, Objection, Outside, Recording, Verdict

CALM = Noise(processes=1, samples=4000, between=0.004, per_stack=0.005)
NOISY = Noise(processes=1, samples=4000, between=0.12, per_stack=0.005)
PATIENT = Limits(0.05, 0.05, 0.01)
SLOW = times(1.5, "fmt")
"""All of the test: +14 %, of one function."""


@dataclass
class Bench:
    """Measures pairs for a trial until it has enough; ``programs`` maps a pair's number to what head then is."""

    trial: Trial
    rng: np.random.Generator
    noise: Noise = CALM
    base: Recording | None = None
    head: Recording | None = None

    def pair(self, head: Mapping[str, float], base: Mapping[str, float] = SHOP) -> bool:
        one, other = record(base, self.rng, self.noise), record(head, self.rng, self.noise)
        self.base = one if self.base is None else joined(self.base, one)
        self.head = other if self.head is None else joined(self.head, other)
        return self.trial.wants_more(self.base, self.head)

    def run(self, head: Mapping[str, float]) -> Judgement:
        """Until the trial is satisfied."""
        while self.pair(head):
            assert self.pairs < 100
        assert self.trial.judgement is not None
        return self.trial.judgement

    @property
    def pairs(self) -> int:
        return len(self.head.processes) if self.head else 0


def joined(recording: Recording, more: Recording) -> Recording:
    return replace(recording, processes=recording.processes + more.processes)


def bench(most: int = 20, *, seed: int = 0, noise: Noise = CALM, limits: Limits = PATIENT, tests: int = 1) -> Bench:
    return Bench(Trial(limits, most, tests, 5.0), np.random.default_rng(seed), noise)


# --- pairs: the search ----------------------------------------------------------------------------------------------


def test_same_code_passes_before_all_pairs_are_measured() -> None:
    b = bench()
    judgement = b.run(SHOP)
    assert judgement.verdict is Verdict.PASS
    assert judgement.interleaved
    assert b.pairs < 20
    assert judgement.comparison is not None
    assert judgement.comparison.unresolved == ()


def test_nothing_is_looked_at_before_the_first_look() -> None:
    b = bench()
    for _ in range(4):
        assert b.pair(SHOP)
    assert b.trial.judgement is None
    b.pair(SHOP)
    assert b.trial.judgement is not None


def test_trial_stays_for_a_frame_that_is_not_resolved_though_the_total_is() -> None:
    b = bench(limits=replace(PATIENT, frame_threshold=0.02))
    for _ in range(5):
        wanted = b.pair(times(1.12, "fmt"))  # 3 % of the test: too much to be excluded, too little to be named
    assert b.trial.judgement is not None
    comparison = b.trial.judgement.comparison
    assert comparison is not None
    assert comparison.high < 1 + comparison.limits.threshold
    assert b.trial.judgement.verdict is Verdict.INCONCLUSIVE
    assert Frame("app", "fmt") in comparison.unresolved
    assert wanted


def test_pairs_are_short_until_functions_are_open() -> None:
    b = bench(limits=replace(PATIENT, frame_threshold=0.02))
    assert b.trial.next_share == 1, "if all are to have the same length"
    b.trial.full_rounds = 1
    assert b.trial.next_share == SHORT
    for _ in range(5):
        b.pair(times(1.12, "fmt"))
    assert b.trial.judgement is not None and b.trial.judgement.comparison is not None
    assert b.trial.judgement.comparison.unresolved
    assert b.trial.next_share == 1


def test_pairs_stay_short_while_only_the_total_is_open() -> None:
    b = bench(noise=replace(CALM, between=0.06, samples=200_000))
    b.trial.full_rounds = 1
    for _ in range(5):
        wanted = b.pair(SHOP)
    assert b.trial.judgement is not None and b.trial.judgement.comparison is not None
    assert wanted and not b.trial.judgement.comparison.unresolved
    assert b.trial.next_share == SHORT


def test_what_is_suspected_is_confirmed_with_full_pairs() -> None:
    b = bench()
    b.trial.full_rounds = 1
    while b.trial.suspicion is None:
        b.pair(SLOW)
    assert b.trial.next_share == 1


def test_short_pairs_do_not_hide_what_full_ones_would_find() -> None:
    """The longer the pairs that are left, the more they would find: after five short ones more growths stay open."""
    open_to = {1: 0, 3: 0, 100: 0}
    for seed in range(4):
        b = bench(limits=replace(PATIENT, frame_threshold=0.02), seed=seed)
        for _ in range(5):
            b.pair(times(1.08, "fmt"))
        assert b.base is not None and b.head is not None
        for full_rounds in open_to:
            b.trial.full_rounds = full_rounds
            open_to[full_rounds] += len(b.trial._compare(b.base, b.head, 0.002).unresolved)
    assert open_to[1] < open_to[3] < open_to[100]


def test_trial_ends_with_its_last_pair_where_nothing_is_decided() -> None:
    b = bench(10, noise=replace(NOISY, between=0.3))
    assert b.run(times(1.05, "test")).verdict is Verdict.INCONCLUSIVE
    assert b.pairs == 10


def test_faster_code_is_improved_without_a_second_stage() -> None:
    b = bench()
    assert b.run(times(0.8, "test")).verdict is Verdict.IMPROVED
    assert b.trial.suspicion is None


# --- pairs: the confirmation ----------------------------------------------------------------------------------------


def test_slowdown_is_confirmed_with_fresh_pairs_only() -> None:
    b = bench()
    judgement = b.run(SLOW)
    assert judgement.verdict is Verdict.REGRESSED
    suspicion = b.trial.suspicion
    assert suspicion is not None
    assert suspicion.frames is None, "the whole test is: anybody may be named"
    assert suspicion.after == 5
    assert b.pairs == 10
    assert b.head is not None
    assert judgement.head is not None
    assert judgement.head.processes == b.head.processes[suspicion.after :]
    assert judgement.comparison is not None
    assert judgement.comparison.base_processes == 5
    assert [culprit.frame for culprit in judgement.comparison.culprits] == [Frame("app", "fmt")]


def test_one_look_is_never_enough_for_a_regression() -> None:
    b = bench()
    for _ in range(5):
        wanted = b.pair(SLOW)
    assert b.trial.suspicion is not None
    assert wanted


def test_growth_of_a_frame_alone_is_suspected_and_confirmed() -> None:
    head = {**times(1.5, "fmt"), "test > lex": 0.0001}  # what fmt took, lex gives back
    b = bench()
    judgement = b.run(head)
    assert b.trial.suspicion is not None
    assert b.trial.suspicion.frames is not None
    assert Frame("app", "fmt") in b.trial.suspicion.frames
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.comparison is not None
    assert judgement.comparison.low < 1.05
    assert [culprit.frame for culprit in judgement.comparison.culprits] == [Frame("app", "fmt")]


@pytest.mark.parametrize("seed", range(4))
def test_slowdown_that_does_not_show_again_is_no_regression(seed: int) -> None:
    b = bench(10, seed=seed)
    while b.trial.suspicion is None:
        assert b.pair(SLOW)
    judgement = b.run(SHOP)
    assert judgement.verdict in (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert judgement.head is not None
    assert len(judgement.head.processes) == b.pairs, "both stages pooled"


def test_pooled_pairs_that_look_regressed_are_seen_once_and_not_again() -> None:
    b = bench(10)
    while b.trial.suspicion is None:
        assert b.pair(times(6.0, "fmt"))
    judgement = b.run(times(1.0, "fmt"))
    assert judgement.verdict is not Verdict.REGRESSED
    # The second stage of another trial is on the edge: too little for its own error, with the first one enough.
    b = bench(5, noise=replace(CALM, between=0.02))
    while b.trial.suspicion is None:
        assert b.pair(times(3.0, "fmt"))
    b.noise = replace(CALM, between=0.4)
    judgement = b.run(times(1.5, "fmt"))
    assert judgement.verdict is Verdict.INCONCLUSIVE, judgement.reason


def test_confirmation_is_stricter_the_more_tests_there_are() -> None:
    limits = replace(PATIENT, alpha=0.01)
    assert sum(bench(limits=limits, tests=5).trial.confirmation.alphas) == pytest.approx(0.01)
    assert sum(bench(limits=limits, tests=400).trial.confirmation.alphas) == pytest.approx(1 / 400)
    assert sum(bench(limits=limits, tests=400).trial.search.alphas) < 0.01


def test_identical_code_is_hardly_ever_called_regressed() -> None:
    noisy = Noise(processes=1, samples=500, between=0.03, per_stack=0.03, outliers=0.07)
    verdicts = [bench(7, seed=seed, noise=noisy).run(SHOP).verdict for seed in range(40)]
    assert Verdict.REGRESSED not in verdicts


# --- rules from outside -------------------------------------------------------------------------------------------


def head_has(cost: float) -> Rule:
    """A rule without statistics: head may not cost more than this many times base, as measured."""

    def too_expensive(case: Case) -> Ruling | None:
        return Ruling(Verdict.REGRESSED, "too much") if case.comparison.ratio > cost else None

    return too_expensive


def test_a_rule_from_outside_convicts_only_what_shows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "RULES", [head_has(1.02), *judge.RULES])
    b = bench(10)
    while b.trial.suspicion is None:
        assert b.pair(times(1.04, "test"))
    assert b.trial.suspicion.objections == {Objection("too_expensive")}
    assert b.run(SHOP).verdict is not Verdict.REGRESSED
    again = bench(10).run(times(1.04, "test"))
    assert (again.verdict, again.reason) == (Verdict.REGRESSED, "too much")


def test_pairs_of_both_stages_convict_by_no_rule_that_alpha_says_nothing_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs together are above the limit, since the first ones are; the fresh ones are not."""
    monkeypatch.setattr(judge, "RULES", [head_has(1.01), *judge.RULES])
    b = bench(10)
    while b.trial.suspicion is None:
        assert b.pair(times(1.045, "test"))
    judgement = b.run(SHOP)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == "seen once, and not when it was measured again: too much"


# --- pairs that are disturbed -------------------------------------------------------------------------------------


def stolen(recording: Recording, indexes: set[int]) -> Recording:
    """Another machine took a third of the CPU time while these processes ran."""
    calm, robbed = (Outside(wall_ns=10**9, cpus=1, steal_ns=steal) for steal in (0, 3 * 10**8))
    return replace(
        recording,
        processes=tuple(
            replace(p, outside=robbed if i in indexes else calm) for i, p in enumerate(recording.processes)
        ),
    )


def disturbed(b: Bench, indexes: set[int], pairs: int) -> bool:
    """The same, up to this number of pairs; whether the trial wants more then."""
    wanted = True
    while b.pairs < pairs:
        assert wanted
        one, other = record(SHOP, b.rng, b.noise), record(SHOP, b.rng, b.noise)
        b.base = one if b.base is None else joined(b.base, one)
        b.head = other if b.head is None else joined(b.head, other)
        wanted = b.trial.wants_more(b.base, stolen(b.head, indexes))
    return wanted


def test_disturbed_pairs_are_left_out_and_measured_again() -> None:
    b = bench(5)
    assert disturbed(b, {2}, 5), "four of five pairs count"
    assert b.trial.judgement is None
    assert not disturbed(b, {2}, 6)
    assert [d.index for d in b.trial.discarded] == [2]
    assert b.trial.judgement is not None
    assert b.trial.judgement.comparison is not None
    assert b.trial.judgement.comparison.head_processes == 5


@pytest.mark.parametrize(
    ("indexes", "pairs"),
    [({0, 1}, 12), ({0, 1, 11}, round(SPARE * 10)), ({0, 1, 2}, 10)],
    ids=["a few", "as many as are spare", "the machine's usual state"],
)
def test_disturbed_pairs_are_measured_again_within_limits(indexes: set[int], pairs: int) -> None:
    b = bench(10, noise=replace(NOISY, between=0.3))
    assert disturbed(b, indexes, pairs - 1)
    assert not disturbed(b, indexes, pairs)
    assert b.trial.judgement is not None
    assert b.trial.judgement.comparison is not None
    assert b.trial.judgement.comparison.head_processes == 10


def test_no_look_is_taken_twice_where_a_pair_turns_out_to_be_disturbed_later() -> None:
    b = bench(10, noise=replace(NOISY, between=0.3))
    assert disturbed(b, set(), 5)
    first = b.trial.judgement
    assert disturbed(b, {1}, 6), "five pairs count, as before"
    assert b.trial.judgement is first


# --- ended early ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairs", "head"), [(4, SLOW), (7, SLOW)])
def test_slowdown_that_could_not_be_confirmed_in_time_is_inconclusive(pairs: int, head: Mapping[str, float]) -> None:
    b = bench()
    for _ in range(pairs):
        assert b.pair(head)
    assert b.base is not None
    assert b.head is not None
    judgement = b.trial.decide(b.base, b.head)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.startswith("not confirmed in time: ")
    assert judgement.interleaved


def test_same_code_can_pass_between_looks() -> None:
    b = bench()
    for _ in range(4):
        b.pair(SHOP)
    assert b.base is not None
    assert b.head is not None
    assert b.trial.decide(b.base, b.head).verdict is Verdict.PASS


def test_what_was_confirmed_stays_so_while_the_frame_is_looked_for() -> None:
    b = bench()
    judgement = b.run(SLOW)
    assert b.base is not None
    assert b.head is not None
    assert b.trial.decide(b.base, b.head) is judgement


def test_confirmation_goes_on_where_a_callee_may_be_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    callee, caller = "app:fmt", "app:show"
    b = bench()
    b.run(SLOW)
    assert b.trial.judgement is not None
    assert b.trial.judgement.comparison is not None
    named = b.trial.judgement.comparison
    by_name = {str(delta.frame): delta for delta in named.frames}
    unsure = replace(by_name[callee], over_threshold=False)
    blamed = replace(by_name[caller], own_delta=by_name[caller].delta)
    doubtful = replace(
        named,
        culprits=(blamed,),
        frames=(*(delta for delta in named.frames if delta.frame != unsure.frame), unsure),
        unresolved=(unsure.frame,),
    )
    said = iter([named, doubtful, doubtful, named])
    monkeypatch.setattr(Trial, "_compare", lambda *_args, **_more: next(said))
    again = bench()
    judgement = again.run(SLOW)
    assert list(said) == []
    assert judgement.comparison is named


# --- stored baselines -------------------------------------------------------------------------------------------------

STORED = record(SHOP, np.random.default_rng(99), replace(CALM, processes=10))


def screened(head: Mapping[str, float], most: int = 10, noise: Noise = CALM) -> tuple[Screen, int]:
    rng = np.random.default_rng(1)
    screen = Screen(STORED, PATIENT, most, 5.0)
    measured = record(head, rng, noise)
    while screen.wants_more(None, measured):
        measured = joined(measured, record(head, rng, noise))
        assert len(measured.processes) <= most
    return screen, len(measured.processes)


def test_screen_ends_at_the_first_look_that_settles_everything() -> None:
    screen, processes = screened(SLOW)
    assert screen.judgement is not None
    assert screen.judgement.verdict is Verdict.REGRESSED
    assert processes == 5


def test_screen_ends_with_its_last_process() -> None:
    screen, processes = screened(times(1.05, "test"), noise=NOISY)
    assert screen.judgement is not None
    assert screen.judgement.verdict is Verdict.INCONCLUSIVE
    assert processes == 10


def test_screen_of_three_processes_looks_once() -> None:
    screen, processes = screened(times(3.0, "test"), most=3)
    assert screen.judgement is not None
    assert screen.judgement.verdict is Verdict.REGRESSED
    assert processes == 3


def test_screen_that_was_ended_early_judges_what_there_is() -> None:
    head = record(times(3.0, "test"), np.random.default_rng(2), replace(CALM, processes=4))
    screen = Screen(STORED, PATIENT, 10, 5.0)
    assert screen.wants_more(None, head)
    assert screen.judgement is None
    assert screen.decide(head).verdict is Verdict.REGRESSED


def test_screens_interval_is_wider_for_being_looked_at_more_than_once() -> None:
    head = record(SHOP, np.random.default_rng(2), replace(CALM, processes=5))
    once, often = (Screen(STORED, PATIENT, most, 5.0).decide(head).comparison for most in (5, 10))
    assert once is not None
    assert often is not None
    assert often.low < once.low < once.high < often.high
