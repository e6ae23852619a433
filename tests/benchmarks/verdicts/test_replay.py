"""Replays use every pair once, inject what they say, and count what is independent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdicts import bank, gates, inject, replay
from pytest_flame.model import Frame, Limits, Process, Recording, Round, SamplerInfo, Stack, StackSample, Verdict

BODY, HOT, COLD = Frame("t", "test"), Frame("m", "hot"), Frame("m", "cold")


def entry(pair: int, second: bool, cost: int = 1_000_000) -> bank.Entry:
    stacks: dict[Stack, StackSample] = {(BODY, HOT): StackSample(60, 60_000), (BODY, COLD): StackSample(40, 40_000)}
    rounds = tuple(Round(10, cost + i, cost, sampled=True) for i in range(4))
    process = Process(rounds, stacks, hash_seed=pair)
    recording = Recording("t.py::test", (process,), SamplerInfo("timer", "cpu", False, 997), {})
    return bank.Entry("json", "quiet", pair, second, 1e9 + pair, 1.0, 0.0, 1.0, recording)


def series(pairs: int) -> list[bank.Entry]:
    return [entry(pair, second) for pair in range(pairs) for second in (False, True)]


def run(
    entries: list[bank.Entry], judge: gates.Judge, change: inject.Change, passes: int
) -> list[tuple[int, int, int, gates.Decision | None]]:
    return list(replay.replay(replay.Series("quiet", "json", entries), judge, change, passes))


def test_comparisons_of_one_pass_share_no_pair_until_the_bank_ends() -> None:
    seen: list[int] = []

    def judge(pairs: gates.Source) -> gates.Decision:
        for _ in range(3):
            base, head = next(pairs)
            assert base.processes[0].hash_seed == head.processes[0].hash_seed
            seen.append(base.processes[0].hash_seed)
        return gates.Decision(Verdict.PASS)

    done = run(series(10), judge, inject.Change(), passes=1)
    assert [(taken, processes) for _, taken, processes, _ in done] == [(6, 6), (12, 6), (18, 6), (24, 6)]
    assert seen == [*range(10), 0, 1], "the last one goes on where the bank begins: it is not cut off"


def test_no_process_comes_twice_in_a_comparison() -> None:
    def judge(pairs: gates.Source) -> gates.Decision:
        while True:
            next(pairs)

    done = run(series(10), judge, inject.Change(), passes=2)
    assert [decision for *_, decision in done] == [None, None], "the bank is too short, and that is said"


def test_a_stored_baseline_is_from_before() -> None:
    def judge(source: gates.Source) -> gates.Decision:
        stored = source.stored(4)
        assert [p.hash_seed for p in stored.processes] == [0, 0, 1, 1]
        return gates.Decision(Verdict.PASS, low=source.head().processes[0].hash_seed)

    entries = series(10)
    stream = replay.Stream(entries[10:], inject.Change(), 0, entries[:10])
    assert judge(stream).low == 5, "head goes on where it began"
    assert stream.taken == 1


@pytest.mark.parametrize(("effect", "verdict"), [(0.0, Verdict.PASS), (0.1, Verdict.REGRESSED)])
def test_what_is_injected_is_found(effect: float, verdict: Verdict) -> None:
    for judge in (replay.peer("median", 0.05, 5), replay.judges(Limits(), 10)["gate"]):
        done = run(series(20), judge, inject.Change(effect, HOT), passes=2)
        assert {decision and decision.verdict for *_, decision in done} == {verdict}


def test_the_gate_confirms_with_pairs_it_has_not_seen() -> None:
    gate, fixed = (replay.judges(Limits(), 10)[name] for name in ("gate", "fixed"))
    slower = inject.Change(0.3, HOT)
    (_, _, processes, _), *_ = run(series(20), gate, slower, passes=1)
    assert processes == 2 * (5 + 5), "five pairs to see it, and five to see it again"
    assert {p for _, _, p, _ in run(series(20), fixed, slower, passes=1)} == {20}


def test_every_decision_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "banks" / "quiet").mkdir(parents=True)
    lines = [one.to_json() for one in series(20)]
    (tmp_path / "banks" / "quiet" / "json.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw = tmp_path / "raw.jsonl"
    replay.main([f"--results={tmp_path / 'banks'}", f"--raw={raw}", "--passes=2", "--judge=gate", "--judge=stored"])
    found = [json.loads(line) for line in raw.read_text(encoding="utf-8").splitlines()]
    assert {(one["judge"], one["verdict"]) for one in found} == {("gate", "PASS"), ("stored", "PASS")}
    assert "all together" in capsys.readouterr().out


def test_neighbouring_rounds_become_one() -> None:
    one = entry(0, False)
    rounds = bank.merged(one, 3).process.rounds
    assert [(r.iterations, r.cpu_ns) for r in rounds] == [(30, 3_000_003)], "the fourth has no partners"


def test_samples_grow_where_the_cost_does() -> None:
    process = entry(0, False).process
    draw = np.random.default_rng(1)
    found = [inject.slowed(process, inject.Change(0.5, HOT), draw) for _ in range(200)]
    assert found[0].rounds[0].cpu_ns == 1_500_000
    assert {p.stacks[BODY, COLD] for p in found} == {process.stacks[BODY, COLD]}
    grown = np.mean([p.stacks[BODY, HOT].count for p in found])
    assert grown == pytest.approx(60 + 50, abs=2), "half of all samples more, all of them there"
    assert found[0].stacks[BODY, HOT].weight_ns == 1000 * found[0].stacks[BODY, HOT].count


def test_growth_needs_a_place() -> None:
    process = entry(0, False).process
    with pytest.raises(ValueError, match="m:none was not sampled"):
        inject.slowed(process, inject.Change(0.5, Frame("m", "none")), np.random.default_rng(1))


def test_a_masked_growth_leaves_the_total() -> None:
    process = entry(0, False).process
    change = inject.masked([process], 0.5, about=0.4)
    assert change is not None
    assert (change.frame, change.instead, change.total) == (COLD, HOT, 1.0)
    draw = np.random.default_rng(1)
    found = [inject.slowed(process, change, draw) for _ in range(200)]
    assert found[0].rounds == process.rounds
    assert np.mean([p.stacks[BODY, COLD].count for p in found]) == pytest.approx(60, abs=2)
    assert np.mean([p.stacks[BODY, HOT].count for p in found]) == pytest.approx(40, abs=2)
    assert inject.masked([process], 0.5, about=0.05) is None


def test_hottest_frame_is_one_that_every_process_has() -> None:
    rare = Process(
        (Round(1, 1, 1, True),), {(BODY, Frame("m", "rare")): StackSample(900, 1), (BODY, HOT): StackSample(1, 1)}
    )
    assert inject.hottest([entry(0, False).process, rare]) == HOT


def test_bank_is_read_back_without_what_an_interruption_left(tmp_path: Path) -> None:
    entries = series(3)
    lines = [one.to_json() for one in entries[:5]]
    (tmp_path / "json.jsonl").write_text("\n".join(lines) + "\n" + entries[5].to_json()[:50], encoding="utf-8")
    assert bank.read_bank(tmp_path, "json") == entries[:4]
    assert bank.next_pair(tmp_path, "json") == 2
    assert bank.next_pair(tmp_path, "regex") == 0
