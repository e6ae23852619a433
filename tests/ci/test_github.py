"""``flame comment`` on GitHub, against a stand-in of its interface over real HTTP."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from forges import BOT, STRANGER, StandIn

from pytest_flame.ci.forge import mark
from pytest_flame.ci.rest import Api, ApiError
from pytest_flame.model import RunResult

from .conftest import REPOSITORY, Flame, written

COMMENTS = f"/repos/{REPOSITORY}/issues/5/comments"


@pytest.fixture
def file(result: RunResult, tmp_path: Path) -> Path:
    return written(result, tmp_path / "result.json")


def warned(out: tuple[int, str, str], *parts: str) -> None:
    """The command did not fail, and said why, on stderr and as an annotation."""
    status, stdout, stderr = out
    assert status == 0
    assert stderr.startswith("flame comment: warning: the comment was not written: ")
    assert stdout.startswith("::warning title=pytest-flame::the comment was not written")
    for part in parts:
        assert part in stderr, stderr


def summary() -> str:
    return Path(os.environ["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")


def test_the_first_run_creates_a_comment(on_github: StandIn, flame: Flame, file: Path) -> None:
    status, out, err = flame("comment", file, "--report-url", "https://ci.example/report")
    assert (status, err) == (0, "")
    assert out == "flame comment: written https://forge.example/pull/5#issuecomment-1000\n"
    body = on_github.body(1000)
    assert body.startswith(f"{mark('')}\n### Flame: 2 tests: 1 regressed, 1 without a base\n")
    assert "`shop.parse:tokenize`" in body and "(https://ci.example/report)" in body
    posted = on_github.asked[-1]
    assert (posted.method, posted.path) == ("POST", COMMENTS)
    assert posted.headers["Authorization"] == "Bearer secret-token"


def test_the_next_run_updates_it_in_place(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.add("please have a look", STRANGER)
    own = on_github.add(f"{mark('')}\nold")
    status, _, err = flame("comment", file)
    assert (status, err, len(on_github.comments)) == (0, "", 2)
    assert on_github.writes() == ["PATCH"]
    assert "1 regressed" in on_github.body(own)


def test_the_comment_is_found_behind_hundreds_of_others(on_github: StandIn, flame: Flame, file: Path) -> None:
    for i in range(250):
        on_github.add(f"comment {i}", STRANGER)
    own = on_github.add(f"{mark('')}\r\nold")
    flame("comment", file)
    assert on_github.writes() == ["PATCH"] and "1 regressed" in on_github.body(own)
    assert [a.query["page"] for a in on_github.asked if a.path == COMMENTS] == ["1", "2", "3"]


@pytest.mark.parametrize("others", [100, 200])
def test_a_last_page_that_is_full_is_not_the_last_question(
    others: int, on_github: StandIn, flame: Flame, file: Path
) -> None:
    for i in range(others):
        on_github.add(f"comment {i}", STRANGER)
    flame("comment", file)
    assert on_github.writes() == ["POST"]


def test_a_strangers_comment_with_the_mark_is_left_alone(on_github: StandIn, flame: Flame, file: Path) -> None:
    theirs = on_github.add(f"{mark('')}\nnothing regressed", STRANGER)
    flame("comment", file)
    assert on_github.writes() == ["POST"]
    assert on_github.body(theirs).endswith("nothing regressed")


def test_a_mark_that_is_quoted_is_not_the_comment(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.add(f"> {mark('')}", BOT)
    flame("comment", file)
    assert on_github.writes() == ["POST"]


def test_with_a_persons_token_it_is_that_persons_comment(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.user = {"login": "maintainer", "type": "User", "id": 3}
    on_github.add(f"{mark('')}\nof the job's own token")
    own = on_github.add(f"{mark('')}\nold", on_github.user)
    flame("comment", file)
    assert on_github.writes() == ["PATCH"] and "1 regressed" in on_github.body(own)


def test_jobs_of_a_matrix_have_comments_of_their_own(on_github: StandIn, flame: Flame, file: Path) -> None:
    for _ in range(2):
        for name in ("Python 3.11", "Python <3.12> -->"):
            flame("comment", file, "--name", name)
    assert on_github.writes() == ["POST", "POST", "PATCH", "PATCH"]
    assert "**Python 3.11**" in on_github.body(1000)
    assert on_github.body(1001).startswith("<!-- pytest-flame: Python _3.12_ ___ -->\n**Python &#60;3.12")


def test_a_read_only_token_gives_a_warning_and_the_job_summary(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.read_only = True
    warned(
        flame("comment", file),
        f"POST {on_github.url}{COMMENTS} was answered with 403 Forbidden",
        "why: Resource not accessible by integration",
        "fix: give the job the right to comment: permissions: pull-requests: write",
        "fork-measure.yml",
    )
    assert "### Flame: 2 tests: 1 regressed" in summary() and "> the comment was not written" in summary()


def test_the_summary_is_not_written_twice(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.read_only = True
    for _ in range(2):
        flame("comment", file)
    assert summary().count("### Flame") == 1 and summary().count("> the comment was not written") == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {"message": "Not Found"}), "404 Not Found; why: Not Found; fix: give the job the right"),
        ((500, "<html>"), "500 Internal Server Error"),
        ((503, {"message": "later"}), "503 Service Unavailable; why: later"),
        ((429, {"message": "slow down"}), "429 Too Many Requests; why: slow down"),
        ((200, "not json"), "something else than JSON"),
        ((200, {"a": 1}), "something else than a list"),
        ((200, [{"body": "x"}]), "the answer has no id"),
        ((200, [3, {"id": 1, "body": None, "user": "x"}]), None),
    ],
)
@pytest.mark.parametrize("gone", [False, True])
def test_whatever_the_forge_answers_the_job_goes_on(
    answer: tuple[int, object], said: str | None, gone: bool, on_github: StandIn, flame: Flame, file: Path
) -> None:
    on_github.answers["GET", COMMENTS] = answer
    if gone:
        os.environ.pop("GITHUB_STEP_SUMMARY")
    status, out, err = flame("comment", file)
    assert status == 0
    if said is None:
        assert err == "" and on_github.writes() == ["POST"]
    else:
        warned((status, out, err), said)
        assert on_github.writes() == []
        assert ("GITHUB_STEP_SUMMARY is not set" in err) is gone


def test_a_token_is_not_sent_to_where_an_answer_leads(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.answers["GET", COMMENTS] = (302, f"{on_github.url}/elsewhere")
    warned(flame("comment", file), "302 Found")
    assert not [asked for asked in on_github.asked if asked.path == "/elsewhere"]


def test_no_answer_at_all_is_a_warning(on_github: StandIn, flame: Flame, file: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        os.environ["GITHUB_API_URL"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        warned(flame("comment", file), "was not answered", "refused")


def test_a_forge_that_hangs_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = Api(f"http://127.0.0.1:{silent.getsockname()[1]}", {}, {}, timeout_s=0.05)
        with pytest.raises(ApiError, match="was not answered") as raised:
            api.get("user")
        assert "timed out" in raised.value.why


def test_only_web_addresses_are_asked(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("{}")
    with pytest.raises(ApiError, match="is not the address of an API"):
        Api(f"file://{tmp_path}", {}, {}).get("user")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set; fix: give the step a token"),
        ({"GITHUB_REPOSITORY": ""}, "the repository is not known"),
        ({"GITHUB_EVENT_PATH": "", "GITHUB_EVENT_NAME": "push"}, "the event 'push' has none"),
        ({"GITHUB_EVENT_PATH": "/nowhere"}, "the event of this job cannot be read"),
    ],
)
def test_what_is_missing_is_named(
    change: dict[str, str], said: str, on_github: StandIn, flame: Flame, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    warned(flame("comment", file), said)
    assert on_github.asked == []


def test_no_message_shows_the_token(on_github: StandIn, flame: Flame, file: Path) -> None:
    on_github.read_only = True
    assert "secret-token" not in "".join(map(str, flame("comment", file))) + summary()


def test_a_comment_fits_with_the_worst_first(on_github: StandIn, flame: Flame, many: RunResult, tmp_path: Path) -> None:
    status, _, err = flame("comment", written(many, tmp_path / "many.json"))
    assert (status, err) == (0, "")
    body = on_github.body(1000)
    assert 20_000 < len(body) <= 65_535
    assert "test_0999" in body and "more tests, see the report" in body and "test_0000" not in body


# --- which pull request -------------------------------------------------------------------------------------------


def event(document: object) -> None:
    Path(os.environ["GITHUB_EVENT_PATH"]).write_text(json.dumps(document))


def finished(commit: str) -> dict[str, object]:
    head = {"owner": {"login": "stranger"}}
    return {"workflow_run": {"head_repository": head, "head_branch": "fix", "head_sha": commit, "pull_requests": []}}


def test_the_second_half_finds_the_forks_pull_request_by_its_head(on_github: StandIn, flame: Flame, file: Path) -> None:
    event(finished("abc"))
    on_github.pulls = [
        {"number": 4, "label": "owner:fix", "head": {"sha": "abc"}},
        {"number": 5, "label": "stranger:fix", "head": {"sha": "abc"}},
    ]
    status, _, err = flame("comment", file)
    assert (status, err) == (0, "")
    assert on_github.asked[-1].path == COMMENTS


def test_the_second_half_says_nothing_about_a_commit_that_is_not_the_head_any_more(
    on_github: StandIn, flame: Flame, file: Path
) -> None:
    event(finished("abc"))
    on_github.pulls = [{"number": 5, "label": "stranger:fix", "head": {"sha": "def"}}]
    warned(flame("comment", file), "no open pull request has the head abc of stranger:fix")
    assert on_github.writes() == []


def test_a_pull_request_can_be_named(on_github: StandIn, flame: Flame, file: Path) -> None:
    event({})
    flame("comment", file, "--pull-request", 5)
    assert on_github.asked[-1].path == COMMENTS


# --- usage --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_result_is_an_error(on_github: StandIn, flame: Flame, tmp_path: Path) -> None:
    status, _, err = flame("comment", tmp_path / "nothing.json")
    assert status == 2 and "can't be read" in err and on_github.asked == []


def test_elsewhere_the_forge_has_to_be_named(
    flame: Flame, file: Path, monkeypatch: pytest.MonkeyPatch, forge: Callable[..., StandIn]
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITLAB_CI", raising=False)
    status, _, err = flame("comment", file)
    assert status == 2 and "add --github or --gitlab" in err


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a b", "https://x)[y](http://z", ""])
def test_only_a_web_address_is_linked(url: str, flame: Flame, file: Path) -> None:
    assert flame("comment", file, "--report-url", url)[0] == 2
