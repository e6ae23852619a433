"""Shared by the tests of the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pytest_flame.cli.command import main


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Flame = Callable[..., Said]


@pytest.fixture
def flame(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flame:
    """Runs the command in an empty folder: ``flame("draw", "a.folded", "-o", "a.svg")``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str | Path) -> Said:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as e:  # argparse
            status = int(e.code or 0)
        out, err = capfd.readouterr()
        return Said(status, out, err)

    return run


COSTS = {"main": 20, "main;load;parse": 300, "main;load;lex": 200, "main;show;dump": 400, "main;show": 80}
Sampled = Callable[..., list[Path]]


@pytest.fixture
def sampled(tmp_path: Path) -> Sampled:
    """``sampled("before", 5, {"main;load;parse": 1.5})``: this many files in a folder, as a sampler would write them
    for a program that costs ``COSTS``, with some stacks' costs multiplied by a factor."""
    rng = np.random.default_rng(1)

    def record(folder: str, count: int, factors: dict[str, float] | None = None, samples: float = 10.0) -> list[Path]:
        (tmp_path / folder).mkdir(exist_ok=True)
        files = []
        for number in range(count):
            speed = samples * np.exp(rng.normal(0, 0.005))
            costs = {stack: speed * cost * (factors or {}).get(stack, 1.0) for stack, cost in COSTS.items()}
            files.append(tmp_path / folder / f"run{number:02}.folded")
            files[-1].write_text("".join(f"{stack} {rng.poisson(cost)}\n" for stack, cost in costs.items()))
        return files

    return record
