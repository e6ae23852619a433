"""The growth table runs on real pages of small profiles and fails where time grows too fast."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def script() -> Any:
    return importlib.import_module("growth")


def test_a_size_is_drawn_and_kept(script: Any, tmp_path: Path) -> None:
    row = script.measure(80, 1, tmp_path)
    assert row["nodes"] == 80
    assert all(row[step] > 0 for step in script.STEPS)
    page = (tmp_path / "80.page.html").read_text(encoding="utf-8")
    assert row["page_bytes"] == len(page.encode())


def test_a_report_of_several_tests_has_them_all(script: Any, tmp_path: Path) -> None:
    assert script.report(12, tmp_path).startswith("report of 12 tests")
    page = (tmp_path / "12.tests.html").read_text(encoding="utf-8")
    assert page.count('class="graph"') == 12


def test_steep_growth_fails(script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "SETTLED", 0)
    arguments = ["--nodes", "40", "400", "--repeats", "1", "--tests", "0"]
    assert script.main([*arguments, "--most", "1000"]) == 0
    assert script.main([*arguments, "--most", "0"]) == 1
    assert "ten times as many functions, 40 to 400" in capsys.readouterr().out
