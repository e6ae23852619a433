"""``flame merge``: the results of all shards as one result, report and exit status."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pytest_flame import atomic
from pytest_flame.cli.joined import Part, joined, joined_document, read_parts
from pytest_flame.errors import UsageError
from pytest_flame.judge import outcome
from pytest_flame.model import Judgement, RunResult
from pytest_flame.render.json import result_json
from pytest_flame.render.lines import paint, wants_colour
from pytest_flame.render.markdown import result_markdown
from pytest_flame.render.report import write_merged_report
from pytest_flame.render.terminal import summary_lines

FAILED = 1
"""Exit status: a test failed in some shard."""


def run(arguments: Namespace) -> int:
    """The exit status. Raises ``FlameError``."""
    parts = read_parts([Path(name) for name in arguments.results])
    result = joined(parts)
    report: Path | None = None
    if arguments.report is not None:
        folders = {test.test_id: part.report for part in parts for test in part.result.judgements if part.report}
        report = write_merged_report(result, Path(arguments.report), folders)
    if arguments.json is not None:
        _write_json(parts, result, Path(arguments.json), arguments.report)
    if arguments.markdown is not None:
        _write(Path(arguments.markdown), result_markdown(result))
    sys.stdout.write(paint(summary_lines(result, report), colour=wants_colour(sys.stdout, os.environ)))
    lost = arguments.strict and any(change.lost for change in result.gate.changes)
    uncovered = arguments.require_covered and not (result.coverage and all(one.complete for one in result.coverage))
    if uncovered:
        print("the run fails (--require-covered): not every changed function is known to be run by a selected test")
    failed = any(_failed(judgement, strict=arguments.strict) for judgement in result.judgements)
    return FAILED if failed or lost or uncovered or result.interrupted else 0


def _failed(judgement: Judgement, *, strict: bool) -> bool:
    """A test whose baseline was just written has been accepted."""
    return judgement.baseline_written is None and outcome(judgement.verdict, strict=strict) == "failed"


def _write_json(parts: Sequence[Part], result: RunResult, path: Path, report: str | None) -> None:
    folder = None if report is None else os.path.relpath(report, path.parent)
    document = joined_document(parts, result, result_json(result, report=folder))
    _write(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, text)
    except OSError as e:
        raise UsageError(f"{path} can't be written", why=e.strerror or str(e)) from e
