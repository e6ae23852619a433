"""A series resumes from its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.sampler import series


def test_results_of_this_version_are_gone_on_from_and_others_left_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "results.jsonl"
    first = series.Series(path)
    first.add({"load": "a", "repeat": 0})
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"source": "another", "load": "a", "repeat": 1}) + "\n")
    again = series.Series(path)
    assert [row["repeat"] for row in again.having(load="a")] == [0]
    assert "1 results of other versions" in capsys.readouterr().out
