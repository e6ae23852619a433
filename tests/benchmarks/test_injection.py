"""The busy loop is inserted at the given place, and has the given length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import injection

SOURCE = '''import os


class Reader:
    """Reads."""

    @property
    def name(self):
        """What it is
        called."""
        return "reader"

    def last(self): return 3


def bare():
    "only this"
'''


def test_the_loop_follows_the_docstring_and_nothing_else_changes() -> None:
    changed = injection.with_loop(SOURCE, "Reader.name", 7)
    added = [line for line in changed.splitlines() if line not in SOURCE.splitlines()]
    assert added == ["        for _busy in bytes(7): pass"]
    assert changed.index("called.") < changed.index("_busy") < changed.index("return")
    names: dict[str, Any] = {}
    exec(changed, names)
    assert names["Reader"]().name == "reader"


def test_a_body_on_the_line_of_its_def_is_refused() -> None:
    with pytest.raises(ValueError, match="one line"):
        injection.with_loop(SOURCE, "Reader.last", 7)


def test_a_missing_function_is_named() -> None:
    with pytest.raises(ValueError, match=r"no Reader\.first .* stopped at first"):
        injection.with_loop(SOURCE, "Reader.first", 7)


def test_the_frame_is_named_as_the_gate_names_it(tmp_path: Path) -> None:
    loop = injection.BusyLoop("package/reader.py", "Reader.name", "test_a")
    assert loop.frame == "package.reader:Reader.name"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "reader.py").write_text(SOURCE)
    loop.insert(tmp_path, 3)
    assert "bytes(3)" in (tmp_path / "package" / "reader.py").read_text()


def test_rounds_are_the_size_over_what_one_adds() -> None:
    assert injection.rounds_for(0.1, 0.0005) == 200
    for per_round in (0.2, 0.0, -0.001):
        with pytest.raises(ValueError, match="no loop is as short"):
            injection.rounds_for(0.1, per_round)
