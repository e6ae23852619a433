"""A result that was written and read again gives the same reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.errors import UsageError
from pytest_flame.model import Limits, RunResult, Shard
from pytest_flame.render.from_json import read_document, result_of
from pytest_flame.render.json import result_json
from pytest_flame.render.markdown import result_markdown
from pytest_flame.render.terminal import summary_lines


def read_again(result: RunResult) -> RunResult:
    return result_of(json.loads(json.dumps(result_json(result))), "r.json")


def test_the_terminal_and_the_comment_say_the_same(result: RunResult) -> None:
    again = read_again(result)
    assert summary_lines(again) == summary_lines(result)
    assert result_markdown(again) == result_markdown(result)


def test_the_rest_of_the_run_is_the_same(result: RunResult) -> None:
    result = replace(result, shard=Shard(2, 3, "abc"), head_ref="v2")
    again = read_again(result)
    kept = ("mode", "seed", "limits", "sampler", "overhead", "base_commit", "base_source", "processes", "interrupted")
    for name in (*kept, "accepted", "head_ref", "notes", "gate", "coverage", "shard", "duration_s"):
        assert getattr(again, name) == getattr(result, name), name


def test_an_empty_run_can_be_read() -> None:
    assert read_again(RunResult((), "stored", 7, Limits())) == RunResult((), "stored", 7, Limits())


@pytest.mark.parametrize("name", ["tests", "gate", "mode", "shard", "threshold"])
def test_what_is_missing_is_named(result: RunResult, name: str) -> None:
    document: dict[str, Any] = result_json(result)
    del document[name]
    with pytest.raises(UsageError, match=rf"r\.json is no complete result of a run[\s\S]*'{name}'"):
        result_of(document, "r.json")


@pytest.mark.parametrize(
    ("text", "said"), [("", "no JSON document"), ("[]", "no result of a run"), ('{"schema": "x"}', "'x'")]
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_document(file)
    with pytest.raises(UsageError, match="can't be read"):
        read_document(tmp_path / "missing.json")
