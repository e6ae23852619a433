"""Runs git so that nothing in the user's or the repository's settings is executed or interferes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_flame.errors import FlameError

_SETTINGS: Final = (
    # None of the user's programs run, except filters: they belong to a file's content.
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "log.showSignature=false"),
    # Each of these would let a reading command write below .git: a shared index, a fresher index, a repack.
    *("core.splitIndex=false", "core.untrackedCache=false", "diff.autoRefreshIndex=false"),
    *("gc.auto=0", "maintenance.auto=false"),
    # Output does not depend on preferences.
    *("color.ui=false", "core.quotePath=false", "core.safecrlf=false", "index.sparse=false", "submodule.recurse=false"),
    "advice.detachedHead=false",
)
_INHERITED: Final = (
    # How git reaches its settings, remotes and helpers. Everything else that a hook or a shell may have set would name
    # a different repository, index or work tree than the one found, or change what a command means.
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_"),
    *("GIT_CONFIG_VALUE_", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES"),
    *("GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_ASKPASS", "GIT_SSH", "GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_"),
    *("GIT_ALLOW_PROTOCOL", "GIT_LFS_", "GIT_NO_LAZY_FETCH", "GIT_TRACE2", "GIT_TEST_"),
)
FALSE: Final = "PYTEST_FLAMEFALSE"
"""The name of an environment variable whose value is false, for ``git --config-env``."""


class GitError(FlameError):
    """Git is missing, the folder is not in a repository, or a commit is missing; ``fix`` is the command that helps."""


class NotARepository(GitError):
    """Neither the folder nor one above it is a repository."""


def run_git(args: Sequence[str], folder: Path, variables: Mapping[str, str], stdin: bytes = b"") -> bytes:
    """The output of ``git ARGS``, run in ``folder``. Raises ``GitError``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_INHERITED)}
    environment |= {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        FALSE: "false",
        **variables,
    }
    # A setting on the command line overrides files and GIT_CONFIG_*.
    command = ["git", "--no-pager", *(part for setting in _SETTINGS for part in ("-c", setting)), *args]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True)
    except FileNotFoundError as e:
        if not folder.is_dir():
            raise GitError(f"there is no folder {folder}") from e
        raise GitError("the program git was not found", fix="install git (apt-get install git)") from e
    if done.returncode:
        name = next(arg for arg in args if not arg.startswith("-") and "=" not in arg)
        raise _failure(name, done.returncode, done.stderr.decode(errors="replace").strip(), folder)
    return done.stdout


def _failure(name: str, status: int, said: str, folder: Path) -> GitError:
    if "dubious ownership" in said:
        named = re.search(r"repository at '([^']+)'", said)
        place = named[1] if named else str(folder)
        return GitError(
            f"git refuses to read {place}",
            why="it belongs to another user, as is usual when a container runs as root on a mounted checkout",
            fix=f"git config --global --add safe.directory {shlex.quote(place)}",
        )
    if "not a git repository" in said:
        return NotARepository(
            f"{folder} is not in a git repository",
            why="the commit to compare with is taken from the project's own history",
            fix="run in a clone of the project; a CI job needs the .git directory, too",
        )
    if "must be run in a work tree" in said:
        return GitError(f"{folder} is in a repository without a work tree", fix="run in a checkout")
    if "smudge filter" in said or "external filter" in said or "git-lfs" in said:
        return GitError(
            "a filter of git could not write the commit's files",
            why=said,
            fix="make git checkout work for that commit; with Git LFS: git lfs fetch origin COMMIT",
        )
    return GitError(f"git {name} failed", why=said or f"status {status}")
