"""``flame comment``: a run's summary on its pull request. A comment that cannot be written fails no job."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from pytest_flame.ci.actions import write_summary
from pytest_flame.ci.forge import Forge, write_comment
from pytest_flame.ci.github import GitHub
from pytest_flame.ci.gitlab import GitLab
from pytest_flame.ci.pictures import embedded
from pytest_flame.errors import FlameError, UsageError
from pytest_flame.model import RunResult
from pytest_flame.render.annotations import Annotation
from pytest_flame.render.from_json import read_document, result_of
from pytest_flame.render.markdown import plain, result_markdown
from pytest_flame.render.text import printable_text


def run(arguments: Namespace) -> int:
    """Always 0, unless the result is none, or the forge is not known: these raise ``UsageError``."""
    result = result_of(read_document(Path(arguments.result)), arguments.result)
    named = arguments.forge or _forge(os.environ)
    if arguments.pictures is not None and named != "github":
        raise UsageError("--pictures is for GitHub only", fix="link the report: --report-url URL")
    try:
        forge: Forge
        if named == "github":
            forge = github = GitHub.of(os.environ, arguments.pull_request)
            pictures = _pictures(result, arguments, github)
        else:
            forge, pictures = GitLab.of(os.environ, arguments.pull_request), ""
        where = write_comment(forge, _text(result, arguments, pictures), arguments.name)
    except FlameError as e:
        _warn(e, result, named)
    else:
        print(f"flame comment: written {printable_text(where)}".rstrip())
    return 0


def _forge(environment: Mapping[str, str]) -> str:
    if environment.get("GITHUB_ACTIONS") == "true":
        return "github"
    if environment.get("GITLAB_CI") == "true":
        return "gitlab"
    raise UsageError(
        "which forge is not known",
        why="neither GITHUB_ACTIONS nor GITLAB_CI is true here",
        fix="add --github or --gitlab",
    )


def _pictures(result: RunResult, arguments: Namespace, github: GitHub) -> str:
    """The pictures as Markdown; without them, the comment is still worth having."""
    if arguments.pictures is None:
        return ""
    try:
        branch = github.pictures(os.environ, arguments.pictures_branch)
        return embedded(result, Path(arguments.pictures), branch)
    except FlameError as e:
        said = printable_text(_sentence(e))
        print(f"flame comment: warning: the comment has no pictures: {said}", file=sys.stderr)
        return ""


def _text(result: RunResult, arguments: Namespace, pictures: str) -> str:
    parts = [f"**{plain(arguments.name)}**\n\n"] if arguments.name else []
    parts += [result_markdown(result), pictures]
    if arguments.report_url:
        parts.append(f"\n[The report with its flame graphs]({arguments.report_url})\n")
    return "".join(parts)


def _warn(error: FlameError, result: RunResult, forge: str) -> None:
    """Why there is no comment; on GitHub also as an annotation and, with the result, in the job summary."""
    said = printable_text(f"the comment was not written: {_sentence(error)}")
    print(f"flame comment: warning: {said}", file=sys.stderr)
    if forge == "github":
        print(Annotation("warning", "pytest-flame", said).command())
        try:
            write_summary(result, os.environ, f"> {plain(said)}")
        except FlameError as e:
            print(f"flame comment: warning: {printable_text(str(e))}", file=sys.stderr)


def _sentence(error: FlameError) -> str:
    """What, why and what to do, on one line."""
    parts = (("", error.what), ("why: ", error.why), ("fix: ", error.fix))
    return "; ".join(f"{label}{' '.join(text.split())}" for label, text in parts if text)
