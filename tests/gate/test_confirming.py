"""What becomes of a suspicion once its base was measured again, or could not be; measuring itself is replaced."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from simulated import SHOP, record, times

from pytest_flame.baseline.origin import Evidence, Origin
from pytest_flame.compare import compare
from pytest_flame.errors import BaselineError, FlameError
from pytest_flame.gate import confirming
from pytest_flame.gate.confirming import Confirmed, Suspect, confirm, is_suspicion
from pytest_flame.gate.interleaving import Interleaved
from pytest_flame.gate.request import Judged, Selected
from pytest_flame.judge import error, incompatible, inconclusive, judge, new
from pytest_flame.marker import TestSettings
from pytest_flame.model import CPU, ChangedCode, Frame, Judgement, Limits, Verdict

LIMITS = Limits()
BASE = record(SHOP, np.random.default_rng(0))
SLOW = record(times(2.0, "fmt"), np.random.default_rng(1))
SLOWER = judge(compare(BASE, SLOW, LIMITS), BASE, SLOW)
PASSES = judge(compare(BASE, BASE, LIMITS), BASE, BASE)
OTHER_MACHINE = incompatible("t", ["CPU model: Abacus 3000 → Abacus 4000", "memory: 2 GB → 4 GB"])
COMMIT, OLDER = "a" * 40, "b" * 40


def suspect(name: str, screened: Judgement | None = SLOWER) -> Suspect:
    test = Selected(name, Path("test_it.py"), TestSettings(LIMITS, 10, True, 5.0, False, CPU))
    return Suspect(test, replace(BASE, test_id=name), None if screened is None else Judged(screened, None, 2.0))


@dataclass
class Settings:
    root: Path
    max_time_s: float | None


@dataclass
class Request:
    settings: Settings
    test_patterns: tuple[str, ...]


class Bench:
    """Replaces git and measuring. ``again`` maps a test to what its second measurement finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.again: dict[str, Judgement | FlameError | type[BaseException]] = {}
        self.origins: dict[str, Origin | FlameError] = {}
        self.repository: FlameError | None = None
        self.measured: list[tuple[str, list[str], float | None]] = []
        self.max_time_s: float | None = None
        self.ran: frozenset[Frame] = frozenset()
        self.began = time.monotonic()
        monkeypatch.setattr(confirming, "Repository", self)
        monkeypatch.setattr(confirming, "OriginFinder", lambda *_: SimpleNamespace(find=self.find_origin))
        monkeypatch.setattr(confirming, "measure_against", self.measure_against)

    def holding(self, root: Path, *files: object) -> None:
        if self.repository is not None:
            raise self.repository

    def find_origin(self, base: object, path: object) -> Origin:
        found = self.origins.get(base.test_id, Origin(COMMIT, Evidence.BROUGHT_IN))  # type: ignore[attr-defined]
        if isinstance(found, FlameError):
            raise found
        return found

    def measure_against(self, ref: str, selected: list[Selected], request: SimpleNamespace) -> Interleaved:
        names = [test.test_id for test in selected]
        self.measured.append((ref, names, request.settings.max_time_s))
        tests = {}
        for name in names:
            found = self.again[name]
            if not isinstance(found, Judgement):
                raise found
            tests[name] = Judged(found, None, 3.0, self.ran)
        return Interleaved(tests, ref, ChangedCode(ref, {}, ()), ("of the trees",), False)

    def confirm(self, *suspects: Suspect) -> Confirmed:
        request = Request(Settings(Path("/project"), self.max_time_s), ())
        store = SimpleNamespace(path=lambda test_id: None)
        return confirm(suspects, store, request, self.began)  # type: ignore[arg-type]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def judgement(found: Confirmed, name: str) -> Judgement:
    one = found.tests[name].judgement
    assert one is not None
    return one


@pytest.mark.parametrize(
    ("screened", "expected"),
    [
        (SLOWER, True),
        (replace(PASSES, verdict=Verdict.INCONCLUSIVE), True),
        (OTHER_MACHINE, True),
        (PASSES, False),
        (replace(PASSES, verdict=Verdict.IMPROVED), False),
        (new("t"), False),
        (error("t", "died"), False),
        (inconclusive("t", "interrupted after 1 of 10 processes"), False),
    ],
)
def test_suspicions_are_what_measuring_again_could_change(screened: Judgement, expected: bool) -> None:
    assert is_suspicion(screened) is expected


@pytest.mark.parametrize("again", [PASSES, SLOWER])
def test_second_measurement_decides(bench: Bench, again: Judgement) -> None:
    bench.again["t"] = again
    found = bench.confirm(suspect("t"))
    assert judgement(found, "t").verdict is again.verdict
    assert judgement(found, "t").comparison is again.comparison
    assert "against the stored baseline" in judgement(found, "t").notes[0]
    assert COMMIT[:7] in judgement(found, "t").notes[0]
    assert found.tests["t"].wall_s == 5.0, "both measurements"


def test_one_line_says_what_differed_and_what_was_done(bench: Bench) -> None:
    bench.again = {"a": PASSES, "b": PASSES}
    found = bench.confirm(suspect("a"), suspect("b", OTHER_MACHINE))
    assert bench.measured == [(COMMIT, ["a", "b"], None)]
    line, others = found.notes[0], found.notes[1:]
    assert others == ("of the trees",)
    assert f"base {COMMIT[:7]}" in line
    assert "re-measured here for 2 tests: 1 slower than the stored baseline; 1 the baseline was recorded " in line
    assert "under other conditions (" in line
    assert "CPU model" in line


def test_tests_of_one_commit_are_measured_together(bench: Bench) -> None:
    bench.again = dict.fromkeys("abc", PASSES)
    bench.origins = {"b": Origin(OLDER, Evidence.HASHES)}
    found = bench.confirm(*map(suspect, "abc"))
    assert [(ref, names) for ref, names, _ in bench.measured] == [(COMMIT, ["a", "c"]), (OLDER, ["b"])]
    assert set(found.tests) == set("abc")


def test_what_both_sides_share_now_is_said_to_be_left_out(bench: Bench) -> None:
    bench.again["t"] = PASSES
    notes = judgement(bench.confirm(suspect("t", OTHER_MACHINE)), "t").notes
    assert "both sides ran under today's conditions" in notes[1]
    assert "CPU model" in notes[1]
    assert "memory" not in notes[1]


# --- not confirmed ----------------------------------------------------------------------------------------------------


def unconfirmed(found: Confirmed, why: str) -> None:
    one = judgement(found, "t")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert one.reason.startswith("a suspicion that could not be confirmed: ")
    assert why in one.reason
    assert one.comparison is SLOWER.comparison


def test_no_repository_no_confirmation(bench: Bench) -> None:
    bench.repository = FlameError("not in a git repository", fix="clone it")
    found = bench.confirm(suspect("t"))
    unconfirmed(found, "not in a git repository")
    assert "clone it" in judgement(found, "t").details
    assert bench.measured == []


def test_unknown_origin_leaves_the_others_to_be_confirmed(bench: Bench) -> None:
    bench.origins["t"] = BaselineError("no commit has its sources")
    bench.again["other"] = SLOWER
    found = bench.confirm(suspect("t"), suspect("other"))
    unconfirmed(found, "no commit has its sources")
    assert judgement(found, "other").verdict is Verdict.REGRESSED


def test_base_that_cannot_be_set_up(bench: Bench) -> None:
    bench.again["t"] = FlameError("pip install failed", why="no network")
    found = bench.confirm(suspect("t"))
    unconfirmed(found, "pip install failed")
    assert "no network" in judgement(found, "t").details


def test_base_without_the_test(bench: Bench) -> None:
    bench.again["t"] = new("t", "there is no work.brand_new")
    unconfirmed(bench.confirm(suspect("t")), "there is no work.brand_new")


def test_interruption_while_the_base_is_set_up_keeps_what_was_screened(bench: Bench) -> None:
    bench.again["t"] = KeyboardInterrupt
    bench.origins["later"] = Origin(OLDER, Evidence.BROUGHT_IN)
    found = bench.confirm(suspect("t"), suspect("later"))
    assert found.interrupted
    unconfirmed(found, "the run was interrupted")
    assert "the run was interrupted" in judgement(found, "later").reason
    assert len(bench.measured) == 1


def test_time_that_is_left_is_all_there_is(bench: Bench) -> None:
    bench.again["t"] = PASSES
    bench.max_time_s = 60.0
    bench.began = time.monotonic() - 50
    bench.confirm(suspect("t"))
    ((_, _, left),) = bench.measured
    assert left is not None
    assert 0 < left <= 10
    bench.began = time.monotonic() - 61
    unconfirmed(bench.confirm(suspect("t")), "--flame-max-time")
    assert len(bench.measured) == 1


def test_baseline_whose_variance_is_known_decides_where_nothing_can_be_measured_again(bench: Bench) -> None:
    assert SLOWER.comparison is not None
    known = replace(SLOWER, comparison=replace(SLOWER.comparison, sessions=3))
    bench.origins["t"] = BaselineError("no commit has its sources")
    one = judgement(bench.confirm(suspect("t", known)), "t")
    assert one.verdict is Verdict.REGRESSED
    assert "no commit has its sources" in one.notes[-1]


@pytest.mark.parametrize("screened", [OTHER_MACHINE, replace(PASSES, verdict=Verdict.INCONCLUSIVE)])
def test_other_suspicions_stay_what_they_were(bench: Bench, screened: Judgement) -> None:
    bench.origins["t"] = BaselineError("no commit has its sources")
    one = judgement(bench.confirm(suspect("t", screened)), "t")
    assert one.verdict is screened.verdict
    assert "no commit has its sources" in one.notes[-1]


def test_test_that_was_not_screened_is_inconclusive(bench: Bench) -> None:
    bench.origins["t"] = BaselineError("no commit has its sources")
    one = judgement(bench.confirm(suspect("t", None)), "t")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "no commit has its sources" in one.reason


def test_what_changed_is_known_of_each_commit_and_what_ran_of_both_measurements(bench: Bench) -> None:
    bench.again |= {"t": PASSES, "u": PASSES}
    bench.origins["u"] = Origin(OLDER, Evidence.HASHES)
    before, after = frozenset({Frame("app", "before")}), frozenset({Frame("app", "after")})
    bench.ran = after
    screened = suspect("t")
    assert screened.screened is not None
    found = bench.confirm(replace(screened, screened=replace(screened.screened, ran=before)), suspect("u"))
    assert [code.commit for code in found.changed] == [COMMIT, OLDER]
    assert found.tests["t"].ran == before | after


def test_what_ran_is_known_without_a_second_measurement(bench: Bench) -> None:
    bench.again["t"] = FlameError("no space")
    ran = frozenset({Frame("app", "before")})
    screened = suspect("t")
    assert screened.screened is not None
    found = bench.confirm(replace(screened, screened=replace(screened.screened, ran=ran)))
    assert found.tests["t"].ran == ran
    assert found.changed == ()
