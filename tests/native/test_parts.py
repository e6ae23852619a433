"""The parts of the C sources: a table says which may include which, and files are short enough to read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
ARROWS: dict[str, set[str]] = {
    "exact": set(),
    "process": set(),
    "stacks": set(),
    "python": {"process", "stacks"},
    "unwind": {"process"},
    "events": {"process", "sampler", "stacks", "unwind"},
    "sampler": {"events", "process", "python", "stacks", "unwind"},
}
"""Beside itself and the interface. Events work on the sampler, which starts them: these two know each other."""
MOST_LINES = 350


def test_there_is_no_part_beside_these() -> None:
    assert {path.parent.name for path in NATIVE.glob("*/*.[ch]")} == set(ARROWS)
    assert {path.name for path in NATIVE.glob("*.[ch]")} == {"flame_sampler.h", "cffi_prelude.c"}


@pytest.mark.parametrize("part", ARROWS)
def test_a_part_includes_what_the_table_says(part: str) -> None:
    included = set()
    for path in (NATIVE / part).glob("*.[ch]"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= MOST_LINES, path
        included |= {found.partition("/")[0] for found in re.findall(r'#include "(.+?)"', text)}
    assert included - {"flame_sampler.h", part} == ARROWS[part]
