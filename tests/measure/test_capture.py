"""What pytest has captured from this test."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest

from pytest_flame.measure.capture import Captured, recorded_warnings
from pytest_flame.measure.thinning import MOST, ROOM


def test_everything_that_is_kept_is_thinned(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    output = tmp_path / "output.txt"
    output.write_bytes(b"x" * 5 * ROOM)
    print("first" + "é" * 5 * ROOM + "last")
    for number in range(5 * MOST):
        logging.getLogger("it").warning("record %d", number)
    Captured(request.node, output).thin()
    assert output.stat().st_size < 3 * ROOM
    out = capsys.readouterr().out
    assert out.startswith("first") and out.endswith("last\n") and "left out" in out and len(out) < 3 * ROOM
    assert [r.getMessage() for r in (caplog.records[0], caplog.records[-1])] == ["record 0", f"record {5 * MOST - 1}"]
    assert len(caplog.records) <= 2 * MOST


def test_output_out_of_reach_is_left_alone(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The body has given up its privileges, or the folder is gone."""
    Captured(request.node, tmp_path / "missing" / "output.txt").thin()


def test_recorded_warnings_are_found_where_they_are_recorded() -> None:
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        found = recorded_warnings()
    assert found is recorded and len(recorded) == 1
