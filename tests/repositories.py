"""Real git repositories to test with; identity and configuration come from the environment of each command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass(frozen=True)
class Checkout:
    """A work tree with its repository. Paths are relative to it."""

    path: Path

    @classmethod
    def init(cls, path: Path) -> Checkout:
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "-q", "-b", "main")
        return made

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *args],
            cwd=self.path,
            env=os.environ | IDENTITY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def commit(self, **files: str) -> str:
        """Commits everything as it is; ``a__b_py="text"`` is for short tests only, use ``write`` for other names."""
        for name, text in files.items():
            self.write(name.replace("__", "/").replace("_py", ".py"), text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def state(self) -> dict[str, str]:
        """A digest of every file, git's included, to show that nothing changed."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            if path.is_symlink():
                found[str(path)] = str(path.readlink())
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() + f" {path.stat().st_mtime_ns}"
        return found
