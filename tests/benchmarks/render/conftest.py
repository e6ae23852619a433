"""The scripts of benchmarks/render lie beside each other as well."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def render_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks" / "render")
