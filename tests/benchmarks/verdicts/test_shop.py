"""Workloads have the requested leaves and nothing that only others need; calibrations solve for their rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.trial import git
from benchmarks.verdicts import shop
from benchmarks.verdicts.shop import PLACEHOLDERS, SHARES, WORKLOADS


@pytest.mark.parametrize("leaves", [("weigh", "stamp"), ("weigh", "seal"), ("weigh",)], ids=" ".join)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_leaves_that_are_not_named_leave_nothing_behind(workload: str, leaves: tuple[str, ...]) -> None:
    text = shop.source(workload, dict.fromkeys(leaves, 7))
    whole: dict[str, Callable[[], int]] = {}
    part: dict[str, Callable[[], int]] = {}
    exec(shop.source(workload, PLACEHOLDERS), whole)
    exec(text, part)
    assert part["work"]() == whole["work"]()
    assert set(SHARES) & part.keys() == set(leaves)
    assert not [leaf for leaf in SHARES.keys() - set(leaves) if leaf in text]
    assert [name for name in part if not name.startswith("__") and text.count(name) < 2] == ["work"]


def test_a_workload_keeps_the_layout_of_source() -> None:
    text = shop.source("objects", {"weigh": 1, "stamp": 2})
    assert "\n\n\n\n" not in text
    assert text.endswith("for _ in bytes(2):\n        pass\n")


def test_a_pattern_that_is_not_there_once_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands 2 times"):
        shop.once("a", "b", "aa")


def test_rounds_are_the_shares_the_leaves_are_named_for() -> None:
    """One call takes 1 ms, 0.55 ms of it outside the leaves; a round costs 1 µs in all calls of its leaf together."""
    calibration = shop.Calibration(rest=0.55e-3, round=dict.fromkeys(SHARES, 1e-6))
    assert calibration.rounds({}) == {"weigh": 100, "stamp": 200, "tally": 50, "seal": 100}
    assert calibration.rounds({"stamp": 0.40}) == {"weigh": 100, "stamp": 400, "tally": 50, "seal": 100}
    assert calibration.ratio({"stamp": 0.40}) == pytest.approx(1.2)


def test_calibration_takes_the_fastest_of_each(tmp_path: Path) -> None:
    slow = iter([1.5] + [1.0] * 100)

    def measure(folder: Path, module: str, budget: float) -> float:
        text = (folder / "shop" / "records.py").read_text(encoding="utf-8")
        assert (module, "bytes(400)" in text) == ("shop.records", folder.name in ("weigh", "stamp"))
        cost = {"none": 0.0, "weigh": 0.4, "stamp": 0.8, "tally": 0.8, "seal": 8.0}[folder.name]
        return next(slow) + cost

    found = shop.calibrate(tmp_path, "records", list(SHARES), processes=2, measure=measure)
    assert found.rest == 1.0
    assert found.round == pytest.approx({"weigh": 1e-3, "stamp": 2e-3, "tally": 1e-3, "seal": 1e-3})


def test_a_calibration_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def calibrate(_scratch: Path, workload: str, leaves: tuple[str, ...]) -> shop.Calibration:
        asked.append(workload)
        return shop.Calibration(1.0, dict.fromkeys(leaves, 0.25))

    monkeypatch.setattr(shop, "calibrate", calibrate)
    first, again = (shop.load_calibrations(tmp_path / "kept.json", tmp_path, ("weigh",)) for _ in range(2))
    assert first == again == dict.fromkeys(WORKLOADS, shop.Calibration(1.0, {"weigh": 0.25}))
    assert asked == list(WORKLOADS)


def test_the_repository_has_both_sides_and_head_is_checked_out(tmp_path: Path) -> None:
    shop.write_repository(tmp_path, {"a.py": "1\n", "b/c.py": "2\n"}, {"b/c.py": "3\n"}, "the change")
    assert (tmp_path / "b/c.py").read_text(encoding="utf-8") == "3\n"
    assert git(tmp_path, "show", "base:b/c.py") == "2\n"
    assert git(tmp_path, "log", "--format=%s").splitlines() == ["the change", "base"]
    assert git(tmp_path, "status", "--porcelain") == ""
