"""A stand-in of a forge, and results to write about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forges import StandIn, stand_in

from pytest_flame.model import Comparison, Frame, FrameDelta, Judgement, Limits, RunResult, SourceLine, Verdict
from pytest_flame.render.json import json_text

MS = 10**9
REPOSITORY = "owner/shop"
Flame = Callable[..., tuple[int, str, str]]


def slower(test_id: str, ratio: float = 1.5) -> Judgement:
    """A regression with a culprit in the project."""
    base, head = 10 * MS, round(10 * MS * ratio)
    growth = head - base
    culprit = FrameDelta(
        Frame("shop.parse", "tokenize"),
        *(base // 2, base // 2 + growth, base, head, growth - MS, growth + MS),
        p_adjusted=0.001,
        significant=True,
        over_threshold=True,
        own_delta=growth,
        line=SourceLine("shop/parse.py", 12),
    )
    comparison = Comparison(
        test_id, base, head, ratio, ratio - 0.1, ratio + 0.1, 0.98, 1.07, 7, 7, Limits(), culprits=(culprit,)
    )
    return Judgement(test_id, Verdict.REGRESSED, "slower", comparison, interleaved=True, base_commit="1a2b3c4d")


@pytest.fixture
def result() -> RunResult:
    judgements = (slower("tests/test_a.py::test_slow"), Judgement("tests/test_a.py::test_new", Verdict.NEW, "no base"))
    return RunResult(judgements, "interleaved", 1, Limits(), base_commit="1a2b3c4d", base_source="main")


def written(result: RunResult, path: Path) -> Path:
    """As ``--flame-json`` writes it."""
    path.write_text(json_text(result), encoding="utf-8")
    return path


@pytest.fixture
def many(result: RunResult) -> RunResult:
    """A thousand tests, slower by more and more, in which the worst is the last."""
    tests = tuple(slower(f"tests/test_many.py::test_{i:04}", 1.5 + i / 1000) for i in range(1000))
    return replace(result, judgements=tests)


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with stand_in() as forge:
        yield forge


@pytest.fixture
def on_github(forge: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """The environment of a step on a pull request."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5}}))
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": forge.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": "secret-token",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_OUTPUT": str(tmp_path / "output.txt"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITLAB_CI", raising=False)
    return forge


@pytest.fixture
def on_gitlab(forge: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The environment of a job of a merge request."""
    forge.user = {"id": 99, "username": "project_1_bot"}
    for name, value in {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": forge.url,
        "CI_PROJECT_ID": "17",
        "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "3",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/group/shop",
        "GITLAB_TOKEN": "glpat-secret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return forge


@pytest.fixture
def flame(capfd: pytest.CaptureFixture[str]) -> Flame:
    """Runs the command: its exit status, output and errors."""
    from pytest_flame.cli.command import main

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as e:  # argparse
            status = int(e.code or 0)
        out, err = capfd.readouterr()
        return status, out, err

    return run
