"""The growth table runs on real pages of small profiles and fails if time grows too fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.render import growth


def test_a_size_is_drawn_and_kept(tmp_path: Path) -> None:
    row = growth.measure(80, 1, tmp_path)
    assert row["nodes"] == 80
    assert all(row[step] > 0 for step in growth.STEPS)
    page = (tmp_path / "80.page.html").read_text(encoding="utf-8")
    assert row["page_bytes"] == len(page.encode())


def test_a_report_of_several_tests_has_them_all(tmp_path: Path) -> None:
    assert growth.report(12, tmp_path).startswith("report of 12 tests")
    page = (tmp_path / "12.tests.html").read_text(encoding="utf-8")
    assert page.count('class="graph"') == 12


def test_steep_growth_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "SETTLED", 0)
    arguments = ["--nodes", "40", "400", "--repeats", "1", "--tests", "0"]
    assert growth.main([*arguments, "--most", "1000"]) == 0
    assert growth.main([*arguments, "--most", "0"]) == 1
    assert "ten times as many functions, 40 to 400" in capsys.readouterr().out
