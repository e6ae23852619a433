"""What counts as right about two releases, and what the bare loop measures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.releases import releases

HERE = Path(__file__).parents[2] / "benchmarks" / "releases"


def found(truth: float, verdict: str, low: float = 0.9, culprits: tuple[str, ...] = ()) -> releases.Found:
    named = [{"frame": frame, "called_from": "use_x:work"} for frame in culprits]
    gate: dict[str, Any] = {"verdict": verdict, "low": low, "ratio": truth, "culprits": named}
    evidence = {"lib:slow": {"growth": 0.03, "calls": [1, 1]}, "lib:other": {"growth": -0.2, "calls": [1, 2]}}
    return releases.Found("x 1 → 2", truth=truth, truth_se=0.001, evidence=evidence, gate=gate)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ((1.10, "REGRESSED", 1.07), "right"),
        ((1.10, "PASS"), "WRONG"),
        ((1.06, "PASS"), "near"),
        ((1.04, "REGRESSED", 1.051), "near"),
        ((1.00, "REGRESSED", 1.051), "WRONG"),
        ((0.80, "IMPROVED"), "right"),
        ((0.80, "PASS"), "WRONG"),
        ((0.80, "REGRESSED", 0.7, ("lib:fast",)), "WRONG"),
        ((1.01, "REGRESSED", 0.99, ("lib:slow",)), "right"),
        ((1.10, "INCONCLUSIVE"), "undecided"),
    ],
)
def test_what_is_right(case: tuple[Any, ...], said: str) -> None:
    assert releases.rightness(found(*case)) == said


@pytest.mark.parametrize(("frame", "truly"), [("lib:slow", "grew"), ("lib:other", "changed"), ("lib:same", "neither")])
def test_a_culprit_is_held_against_what_truly_changed(frame: str, truly: str) -> None:
    assert releases.culprit(found(1.1, "REGRESSED", 1.07, (frame,))) == (
        f"{frame}, called by use_x:work",
        truly,
    )


def test_every_pair_has_a_body() -> None:
    assert len(releases.PAIRS) >= 12
    assert all(releases.body(pair).exists() for pair in releases.PAIRS)
    assert len({pair.name for pair in releases.PAIRS}) == len(releases.PAIRS)


def test_the_profile_counts_exactly_and_sees_what_a_function_does(tmp_path: Path) -> None:
    use = tmp_path / "use.py"

    def profiled(line: str) -> dict[str, list[Any]]:
        (tmp_path / "lib.py").write_text(
            f"def leaf(n):\n    {line}\n\n\ndef top():\n    return [leaf(9) for _ in 'abc']\n"
        )
        use.write_text("import lib\n\n\ndef work():\n    return lib.top()\n")
        command = [sys.executable, "-S", "-B", str(HERE / "loop.py"), str(tmp_path), str(use), "profile"]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))

    before, after = profiled("return n"), profiled("return n + 1")
    assert (before["lib:leaf"][0], before["lib:top"][0], before["use:work"][0]) == (3, 1, 1)
    assert before["lib:leaf"][2] != after["lib:leaf"][2]
    assert before["lib:top"][2] == after["lib:top"][2]
