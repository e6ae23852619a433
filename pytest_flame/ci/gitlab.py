"""Merge requests on GitLab, gitlab.com or an own server, from the variables of a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pytest_flame.ci.forge import Comment, address, inside, number_of, pages
from pytest_flame.ci.rest import Api, ApiError

_TOKEN: Final = (
    "make a project access token with the scope api and the role Reporter, and store it as the masked CI/CD variable "
    "GITLAB_TOKEN: a job's own token may not comment"
)
_FIXES: Final = {401: _TOKEN, 403: _TOKEN, 404: _TOKEN}


@dataclass(frozen=True, slots=True)
class GitLab:
    """The merge request that a job belongs to."""

    api: Api
    project: str
    number: int
    page: str = ""
    """The merge request's own address."""
    name: str = "GitLab"
    limit: int = 65_535
    """GitLab allows a million; nobody reads that."""

    @classmethod
    def of(cls, environment: Mapping[str, str], number: int | None = None) -> GitLab:
        """Raises ``ApiError`` if there is no token, no project, or no merge request."""
        token = environment.get("GITLAB_TOKEN")
        if not token:
            why = "GITLAB_TOKEN is not set; protected variables are set in pipelines of protected branches only"
            raise ApiError("there is no token to comment with", why=why, fix=_TOKEN)
        base, project = environment.get("CI_API_V4_URL", ""), environment.get("CI_PROJECT_ID", "")
        if not base or not project:
            raise ApiError("the project is not known", why="CI_API_V4_URL or CI_PROJECT_ID is not set")
        given = environment.get("CI_MERGE_REQUEST_IID", "")
        if number is None and not given.isdecimal():
            raise ApiError(
                "this job belongs to no merge request",
                why="CI_MERGE_REQUEST_IID is not set",
                fix="run it in merge request pipelines, rules: - if: $CI_PIPELINE_SOURCE == 'merge_request_event'",
            )
        api = Api(base, {"PRIVATE-TOKEN": token}, _FIXES)
        iid = number if number is not None else int(given)
        where = environment.get("CI_MERGE_REQUEST_PROJECT_URL", "")
        page = f"{where}/-/merge_requests/{iid}" if where else ""
        # The merge request of a fork is in the project that it is for.
        return cls(api, environment.get("CI_MERGE_REQUEST_PROJECT_ID") or project, iid, page)

    @property
    def _notes(self) -> str:
        return f"projects/{quote(self.project, safe='')}/merge_requests/{self.number}/notes"

    def comments(self) -> Iterator[Comment]:
        user = address(self.api.get("user"), "id")
        for found in pages(self.api.get, self._notes):
            own = not found.get("system") and address(inside(found, "author"), "id") == user
            yield Comment(number_of(found, "id"), str(found.get("body") or ""), own)

    def create(self, body: str) -> str:
        return self._page(address(self.api.post(self._notes, {"body": body}), "id"))

    def update(self, comment: Comment, body: str) -> str:
        self.api.change(f"{self._notes}/{comment.id}", {"body": body}, method="PUT")
        return self._page(str(comment.id))

    def _page(self, note: str) -> str:
        return f"{self.page}#note_{note}" if self.page else ""
