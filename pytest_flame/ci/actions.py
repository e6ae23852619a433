"""What a step of GitHub Actions leaves for its job: the summary, and outputs for the steps that follow."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_flame.errors import FlameError
from pytest_flame.model import RunResult, Verdict
from pytest_flame.render import words
from pytest_flame.render.markdown import result_markdown

SUMMARY_BYTES: Final = 1 << 20
"""What GitHub takes of one step's summary; a larger one is discarded altogether."""
_BYTES_PER_CHARACTER: Final = 4
_LEAST: Final = 4_000
_MARK: Final = "<!-- pytest-flame summary -->"
"""Not shown: by it the summary of an earlier program of the step is known."""


def report(result: RunResult, page: Path | None, environment: Mapping[str, str]) -> list[str]:
    """Add the result to the step's summary and outputs; what could not be done, one sentence each."""
    outputs = {
        "verdict": words.counts(result)[0][0].value if result.judgements else "NONE",
        "regressed": str(sum(j.verdict is Verdict.REGRESSED for j in result.judgements)),
        "report": str(page or ""),
    }
    problems = []
    try:
        write_summary(result, environment)
    except FlameError as e:
        problems.append(str(e))
    try:
        write_outputs(outputs, environment)
    except FlameError as e:
        problems.append(str(e))
    return problems


def write_summary(result: RunResult, environment: Mapping[str, str], remark: str = "") -> None:
    """Append the run to the step's summary, unless it is there already, and then ``remark``.

    Raises ``FlameError`` if there is no summary or it cannot be written.
    """
    path = _file(environment, "GITHUB_STEP_SUMMARY", "the job summary")
    try:
        before = path.read_bytes() if path.exists() else b""
        parts = [f"\n{remark}\n"] if remark else []
        if _MARK.encode() not in before:
            room = SUMMARY_BYTES - len(before) - len(remark.encode())
            limit = room // _BYTES_PER_CHARACTER - len(_MARK) - 1
            if limit < _LEAST:
                raise FlameError("the job summary has no room for the result", why="other programs have filled it")
            parts.insert(0, f"{_MARK}\n{result_markdown(result, limit)}")
        with path.open("ab") as stream:
            stream.write("".join(parts).encode("utf-8", "replace"))
    except OSError as e:
        raise FlameError("the job summary cannot be written", why=str(e)) from e


def write_outputs(outputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """``steps.ID.outputs.NAME``. No value can end its own text: the delimiter is random.

    Raises ``FlameError`` if there is nowhere to write them.
    """
    path = _file(environment, "GITHUB_OUTPUT", "the step's outputs")
    end = f"end_{secrets.token_hex(16)}"
    text = "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in outputs.items())
    try:
        with path.open("ab") as stream:
            stream.write(text.encode("utf-8", "replace"))
    except OSError as e:
        raise FlameError("the step's outputs cannot be written", why=str(e)) from e


def _file(environment: Mapping[str, str], variable: str, what: str) -> Path:
    if not environment.get(variable):
        raise FlameError(f"{what} cannot be written", why=f"{variable} is not set")
    return Path(environment[variable])
