"""Flame graphs inside a comment on GitHub: from a branch of pictures, which a job's own token can push.

The branch has one commit and no history. Each run adds a folder with a name of its own, and the oldest are dropped, so
that the repository does not grow. The user's clone is not touched: all of this happens in a temporary repository.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote, urlsplit

from pytest_flame.errors import FlameError
from pytest_flame.git_program import GitError, run_git
from pytest_flame.model import Judgement, RunResult, Verdict
from pytest_flame.render import words
from pytest_flame.render.report import dark_picture, light_picture
from pytest_flame.render.text import fit_tail, printable

MOST_SHOWN: Final = 3
KEPT: Final = 50
"""Runs whose pictures stay."""
_MOST_BYTES: Final = 2 << 20
_ATTEMPTS: Final = 5
_FOLDER_MODE: Final = "040000"
_NAME_COLUMNS: Final = 120
_AUTHOR: Final = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "pytest-flame"), ("EMAIL", "pytest-flame@users.noreply.github.com"))
}


@dataclass(frozen=True, slots=True)
class Branch:
    """Where pictures go. ``remote`` is what git pushes to, ``raw`` the address that the branch's files have."""

    remote: str
    name: str
    raw: str
    token: str = ""

    def publish(self, files: Mapping[str, bytes], kept: int = KEPT) -> str:
        """Push the files in a folder of their own; the folder's address. Raises ``GitError``."""
        folder = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        with TemporaryDirectory(prefix="flame-pictures-") as scratch:
            repository = _Scratch(Path(scratch), self._access())
            repository.git("init", "--quiet", "--bare", ".")
            added = {name: repository.blob(data) for name, data in files.items()}
            for left in reversed(range(_ATTEMPTS)):
                tip = repository.fetch(self.remote, self.name)
                commit = repository.commit(tip, folder, added, kept)
                lease = f"--force-with-lease=refs/heads/{self.name}:{tip}"
                try:
                    repository.git("push", "--quiet", lease, self.remote, f"{commit}:refs/heads/{self.name}")
                except GitError:
                    if left and repository.tip(self.remote, self.name) != tip:  # another job was faster
                        continue
                    raise
                break
        return f"{self.raw}/{quote(self.name)}/{folder}"

    def _access(self) -> dict[str, str]:
        """The token as git's settings in the environment: on the command line, other processes would see it."""
        if not self.token or urlsplit(self.remote).scheme != "https":
            return {}
        basic = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        number = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        return {
            "GIT_CONFIG_COUNT": str(number + 1),
            f"GIT_CONFIG_KEY_{number}": f"http.{self.remote}.extraHeader",
            f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {basic}",
        }


@dataclass(frozen=True, slots=True)
class _Scratch:
    path: Path
    access: Mapping[str, str]

    def git(self, *args: str, stdin: bytes = b"", **variables: str) -> str:
        where = {"GIT_DIR": str(self.path), **_AUTHOR, **self.access}
        return os.fsdecode(run_git(args, self.path, {**where, **variables}, stdin)).strip()

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=data)

    def tip(self, remote: str, branch: str) -> str:
        """The branch's commit; empty if there is no such branch yet."""
        return self.git("ls-remote", remote, f"refs/heads/{branch}").partition("\t")[0]

    def fetch(self, remote: str, branch: str) -> str:
        """The branch's commit, which is then here."""
        if not self.tip(remote, branch):
            return ""
        self.git("fetch", "--quiet", "--depth=1", "--no-tags", remote, f"refs/heads/{branch}")
        return self.git("rev-parse", "FETCH_HEAD")

    def tree(self, entries: Iterable[str]) -> str:
        """``100644 blob OID<tab>name`` and the like."""
        return self.git("mktree", "-z", stdin="".join(f"{entry}\0" for entry in entries).encode())

    def commit(self, tip: str, folder: str, added: Mapping[str, str], kept: int) -> str:
        """One without parents: the newest folders of ``tip``, ``kept`` in all, and the one that is added."""
        listed = self.git("ls-tree", "-z", tip).split("\0") if tip else []
        folders = sorted((e for e in listed if e.startswith(_FOLDER_MODE)), key=lambda entry: entry.partition("\t")[2])
        new = self.tree(f"100644 blob {oid}\t{name}" for name, oid in added.items())
        tree = self.tree([*folders[max(len(folders) - kept + 1, 0) :], f"{_FOLDER_MODE} tree {new}\t{folder}"])
        return self.git("commit-tree", "-m", "Flame graphs of pull requests", tree)


def embedded(result: RunResult, report: Path, branch: Branch) -> str:
    """Markdown with the differential flame graphs of the worst regressions, after publishing them.

    Empty if there are none. Raises ``FlameError`` if the pictures cannot be read or pushed.
    """
    shown = [j for j in words.worst_first(result) if j.verdict is Verdict.REGRESSED and j.baseline_written is None]
    pictures = {j.test_id: names for j in shown[:MOST_SHOWN] if (names := _names(j, report))}
    if not pictures:
        return ""
    files = {name: _read(report / name) for names in pictures.values() for name in names}
    address = branch.publish(files)
    return "".join(_shown(test_id, [f"{address}/{name}" for name in names]) for test_id, names in pictures.items())


def _names(judgement: Judgement, report: Path) -> list[str]:
    """Light and dark; none if the report has no picture of the test."""
    names = [light_picture(judgement.test_id), dark_picture(judgement.test_id)]
    return names if all((report / name).is_file() for name in names) else []


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as e:
        raise FlameError(f"{path} cannot be read", why=str(e)) from e
    if len(data) > _MOST_BYTES:
        raise FlameError(f"{path} is too large for a comment", why=f"more than {_MOST_BYTES >> 20} MiB")
    return data


def _shown(test_id: str, addresses: Sequence[str]) -> str:
    light, dark = (escape(address) for address in addresses)
    name = escape(fit_tail(printable(test_id), _NAME_COLUMNS))
    return (
        f"\n<details open><summary><code>{name}</code>, base against head</summary>\n\n"
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="Differential flame graph of {name}"></picture>\n\n</details>\n'
    )
