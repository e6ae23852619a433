"""Surroundings differ where the condition says so, and leave nothing behind."""

from __future__ import annotations

import os
import random

import pytest

from benchmarks.verdicts import conditions


@pytest.mark.parametrize("name", ["quiet", "environment", "path", "hash-seed", "timer", "surroundings"])
def test_only_what_the_condition_names_changes(name: str) -> None:
    condition = conditions.Condition(name)
    before = dict(os.environ)
    sizes, folders = set(), set()
    for seed in range(5):
        with conditions.surroundings(condition, random.Random(seed)) as folder:
            sizes.add(sum(map(len, os.environ.values())))
            folders.add(folder)
        assert dict(os.environ) == before
    assert (len(sizes) > 1) == (name in ("environment", "surroundings"))
    assert (len(folders) > 1) == (name in ("path", "surroundings"))
    assert condition.sampler == ("timer" if name == "timer" else "auto")
