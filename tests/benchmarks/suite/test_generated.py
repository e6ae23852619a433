"""The made-up project is the same every time, and its changes change what they say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.suite import generated


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.py"))}


def made(folder: Path) -> Path:
    generated.make(folder, 20)
    return folder


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    one, two = texts(made(tmp_path / "one")), texts(made(tmp_path / "two"))
    assert one == two
    assert sum(text.count("def test_") for text in one.values()) == 20


def test_comments_change_every_module_and_no_code(tmp_path: Path) -> None:
    before = texts(made(tmp_path / "project"))
    generated.change_comments(tmp_path / "project")
    after = texts(tmp_path / "project")
    assert sum(before[name] != after[name] for name in before) == generated.MODULES
    assert all(ast.dump(ast.parse(before[name])) == ast.dump(ast.parse(after[name])) for name in before)


def test_one_module_of_ten_changes(tmp_path: Path) -> None:
    before = texts(made(tmp_path / "project"))
    generated.change_module(tmp_path / "project")
    after = texts(tmp_path / "project")
    assert [name for name in before if before[name] != after[name]] == [f"stock/part_{generated.CHANGED}.py"]


def test_a_number_of_tests_that_cannot_be_distributed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="25 tests"):
        generated.make(tmp_path, 25)
