"""One profile, or the comparison of two sides, as the run that the report page shows."""

from __future__ import annotations

from typing import Final

from pytest_flame.model import Judgement, Limits, Recording, RunResult, Verdict
from pytest_flame.render.html import result_html
from pytest_flame.render.markdown import result_markdown

FILES: Final = "files"
"""The mode of a run that measured nothing itself."""


def profile_page(recording: Recording, source: str) -> str:
    """One side alone."""
    judgement = Judgement(recording.test_id, Verdict.NEW, "one profile: nothing to compare with", head=recording)
    return result_html(_result(judgement, Limits(), None, source))


def comparison_page(judgement: Judgement, limits: Limits, before: str, after: str) -> str:
    return result_html(_result(judgement, limits, before, after))


def comparison_markdown(judgement: Judgement, limits: Limits, before: str, after: str) -> str:
    return result_markdown(_result(judgement, limits, before, after))


def _result(judgement: Judgement, limits: Limits, before: str | None, after: str) -> RunResult:
    processes = [len(side.processes) for side in (judgement.base, judgement.head) if side is not None]
    return RunResult((judgement,), FILES, 0, limits, base_source=before, processes=max(processes))
