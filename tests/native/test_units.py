"""Unit tests of the C sources, each a separate program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(HERE.glob("*/*.c"))
SKIPPED = 77


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_unit(program: Path, build: Callable[[Path], Path], clean_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [str(build(program))], env=clean_environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode == SKIPPED and os.environ.get("PYTEST_FLAME_REQUIRE_PERF") != "1":
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
