"""``flame comment`` on GitLab, against a stand-in of its interface over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from forges import STRANGER, StandIn

from pytest_flame.ci.forge import mark
from pytest_flame.model import RunResult

from .conftest import Flame, written

NOTES = "/projects/12/merge_requests/3/notes"


@pytest.fixture
def file(result: RunResult, tmp_path: Path) -> Path:
    return written(result, tmp_path / "result.json")


def test_the_first_run_creates_a_note(on_gitlab: StandIn, flame: Flame, file: Path) -> None:
    status, out, err = flame("comment", file)
    assert (status, err) == (0, "")
    assert out == "flame comment: written https://gitlab.example/group/shop/-/merge_requests/3#note_1000\n"
    assert on_gitlab.body(1000).startswith(f"{mark('')}\n### Flame: 2 tests: 1 regressed")
    posted = on_gitlab.asked[-1]
    assert (posted.method, posted.path, posted.headers["Private-Token"]) == ("POST", NOTES, "glpat-secret")


def test_the_next_run_updates_it_behind_a_hundred_others(on_gitlab: StandIn, flame: Flame, file: Path) -> None:
    for i in range(130):
        on_gitlab.add(f"{mark('')}\n{i}", STRANGER)
    own = on_gitlab.add(f"{mark('')}\nold", on_gitlab.user or {})
    status, _, err = flame("comment", file, "--gitlab")
    assert (status, err, on_gitlab.writes()) == (0, "", ["PUT"])
    assert "1 regressed" in on_gitlab.body(own)
    assert on_gitlab.asked[-1].path == f"{NOTES}/{own}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"GITLAB_TOKEN": ""}, "GITLAB_TOKEN is not set; protected variables"),
        ({"CI_API_V4_URL": ""}, "the project is not known"),
        ({"CI_MERGE_REQUEST_IID": ""}, "rules: - if: $CI_PIPELINE_SOURCE == 'merge_request_event'"),
    ],
)
def test_what_is_missing_is_named(
    change: dict[str, str], said: str, on_gitlab: StandIn, flame: Flame, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    status, out, err = flame("comment", file)
    assert (status, out) == (0, "") and said in err and on_gitlab.asked == []


def test_a_token_that_may_not_comment_is_a_warning(on_gitlab: StandIn, flame: Flame, file: Path) -> None:
    on_gitlab.read_only = True
    status, out, err = flame("comment", file)
    assert (status, out) == (0, "")
    assert "403 Forbidden" in err and "make a project access token" in err and "glpat-secret" not in err
