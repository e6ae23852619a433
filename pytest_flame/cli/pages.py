"""One profile, or the comparison of two sides, as the run that the report page shows."""

from __future__ import annotations

from pytest_flame.model import Judgement, Limits, Recording, RunResult, Verdict
from pytest_flame.render.html import result_html
from pytest_flame.render.markdown import result_markdown
from pytest_flame.render.words import FILES


def profile_page(recording: Recording) -> str:
    """One side alone."""
    judgement = Judgement(recording.test_id, Verdict.NEW, "one profile: nothing to compare with", head=recording)
    return result_html(_result(judgement, Limits(), ""))


def comparison_page(judgement: Judgement, limits: Limits, sides: str) -> str:
    """``sides`` says which files were compared."""
    return result_html(_result(judgement, limits, sides))


def comparison_markdown(judgement: Judgement, limits: Limits, sides: str) -> str:
    """The same for a comment on a pull request."""
    return result_markdown(_result(judgement, limits, sides))


def _result(judgement: Judgement, limits: Limits, sides: str) -> RunResult:
    processes = [len(side.processes) for side in (judgement.base, judgement.head) if side is not None]
    return RunResult((judgement,), FILES, 0, limits, base_source=sides, processes=max(processes))
