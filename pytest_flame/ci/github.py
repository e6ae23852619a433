"""Pull requests on GitHub, github.com or an own server, from the variables of a job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pytest_flame.ci.forge import Comment, address, inside, number_of, pages
from pytest_flame.ci.pictures import Branch
from pytest_flame.ci.rest import Api, ApiError

_FIXES: Final = {
    401: "give the step a token: env: GITHUB_TOKEN: ${{ github.token }}",
    403: "give the job the right to comment: permissions: pull-requests: write. For pull requests from forks the token "
    "is read-only: use the two workflows ci/github/fork-measure.yml and fork-comment.yml",
    404: "give the job the right to comment: permissions: pull-requests: write",
}


@dataclass(frozen=True, slots=True)
class GitHub:
    """The pull request that a job belongs to."""

    api: Api
    repository: str
    number: int
    name: str = "GitHub"
    limit: int = 65_535

    @classmethod
    def of(cls, environment: Mapping[str, str], number: int | None = None) -> GitHub:
        """Raises ``ApiError`` if there is no token, no repository, or no pull request."""
        token = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN")
        if not token:
            raise ApiError("there is no token to comment with", why="GITHUB_TOKEN is not set", fix=_FIXES[401])
        repository = environment.get("GITHUB_REPOSITORY", "")
        if repository.count("/") != 1:
            raise ApiError("the repository is not known", why=f"GITHUB_REPOSITORY is {repository!r}, not OWNER/NAME")
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        api = Api(environment.get("GITHUB_API_URL") or "https://api.github.com", headers, _FIXES)
        return cls(api, repository, number if number is not None else _number(api, repository, environment))

    def pictures(self, environment: Mapping[str, str], branch: str) -> Branch:
        """Raises ``ApiError`` if the repository is not public: its pictures would not be shown."""
        if inside(self.api.get(f"repos/{self.repository}")).get("private") is not False:
            raise ApiError("the repository is not public", why="GitHub shows no others' pictures in a comment")
        place = f"{environment.get('GITHUB_SERVER_URL') or 'https://github.com'}/{self.repository}"
        token = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN") or ""
        return Branch(f"{place}.git", branch, f"{place}/raw", token)

    def comments(self) -> Iterator[Comment]:
        login = _login(self.api)
        for found in pages(self.api.get, f"repos/{self.repository}/issues/{self.number}/comments"):
            user = inside(found, "user")
            own = user.get("login") == login if login else user.get("type") == "Bot"
            yield Comment(number_of(found, "id"), str(found.get("body") or ""), own)

    def create(self, body: str) -> str:
        path = f"repos/{self.repository}/issues/{self.number}/comments"
        return address(self.api.post(path, {"body": body}), "html_url")

    def update(self, comment: Comment, body: str) -> str:
        path = f"repos/{self.repository}/issues/comments/{comment.id}"
        return address(self.api.change(path, {"body": body}, method="PATCH"), "html_url")


def _login(api: Api) -> str:
    """The account that asks; empty for a job's own token, which belongs to a bot that may not ask."""
    try:
        return address(api.get("user"), "login")
    except ApiError as e:
        if e.status in (401, 403, 404):
            return ""
        raise


def _number(api: Api, repository: str, environment: Mapping[str, str]) -> int:
    event = _event(environment.get("GITHUB_EVENT_PATH", ""))
    for found in (inside(event, "pull_request"), inside(event, "issue")):
        if found:
            return number_of(found, "number")
    if run := inside(event, "workflow_run"):
        return _number_of_run(api, repository, run)
    raise ApiError(
        "this job belongs to no pull request",
        why=f"the event {environment.get('GITHUB_EVENT_NAME', '')!r} has none",
        fix="run it on pull_request, or name one: flame comment --pull-request NUMBER",
    )


def _number_of_run(api: Api, repository: str, run: Mapping[str, Any]) -> int:
    """The open pull request whose head the other workflow ran on. Nothing that workflow wrote is believed."""
    owner = inside(run, "head_repository", "owner").get("login")
    branch, commit = run.get("head_branch"), run.get("head_sha")
    for found in pages(api.get, f"repos/{repository}/pulls", state="open", head=f"{owner}:{branch}"):
        if inside(found, "head").get("sha") == commit:
            return number_of(found, "number")
    raise ApiError(
        f"no open pull request has the head {quote(str(commit))[:12]} of {quote(f'{owner}:{branch}', safe=':/')}",
        why="it was closed, or a newer commit was pushed, whose own run will comment",
    )


def _event(path: str) -> Mapping[str, Any]:
    try:
        event = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError) as e:
        raise ApiError("the event of this job cannot be read", why=f"GITHUB_EVENT_PATH: {e}") from e
    return event if isinstance(event, dict) else {}
