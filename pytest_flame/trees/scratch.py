"""A scratch directory that is removed however the run ends: normally, by a signal, even by SIGKILL."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_flame.temporary import owned_folder, remove_abandoned

_REAPER: Final = r"""
trap '' HUP INT TERM
groups=
while read -r sign number; do
    if [ "$sign" = + ]; then
        groups="$groups $number"
        continue
    fi
    rest=
    for group in $groups; do [ "$group" = "$number" ] || rest="$rest $group"; done
    groups=$rest
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
for group in $groups; do
    tries=0
    while kill -s 0 -- "-$group" 2>/dev/null && [ "$tries" -lt 20 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -s KILL -- "-$group" 2>/dev/null
done
tries=0
while [ -e "$1" ] && [ "$tries" -lt 100 ]; do
    chmod -R u+rwx "$1" 2>/dev/null
    rm -rf -- "$1" 2>/dev/null || sleep 0.1
    tries=$((tries + 1))
done
"""
"""Waits for the end of its input, which comes when the writer dies. What it reads are the groups to kill then (``+ N``
begins, ``- N`` has ended): the keeper of a worker also kills what the worker has detached."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """``path`` is resolved."""

    path: Path
    reaper: subprocess.Popen[bytes] | None

    def guard(self, group: int) -> None:
        """This process group dies with the run."""
        self._tell(f"+ {group}\n")

    def release(self, group: int) -> None:
        """The group has ended; its number may be reused from now on."""
        self._tell(f"- {group}\n")

    def _tell(self, line: str) -> None:
        if self.reaper is not None and self.reaper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # killed manually: then only SIGKILL leaves something behind
                self.reaper.stdin.write(line.encode())


@contextlib.contextmanager
def scratch_directory() -> Iterator[Scratch]:
    """A fresh directory; a small shell process removes it, and kills the guarded group, if this process dies.
    Directories of runs whose shell was killed, too, are removed now."""
    remove_abandoned()
    with owned_folder() as path:
        reaper = _start_reaper(path)
        try:
            yield Scratch(path, reaper)
        finally:
            if reaper is not None:
                with contextlib.suppress(BrokenPipeError):
                    reaper.communicate()


def _start_reaper(path: Path) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            ["sh", "-c", _REAPER, "sh", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            bufsize=0,
            start_new_session=True,  # Ctrl-C and a closed terminal signal whole groups
        )
    except FileNotFoundError:  # container images without a shell
        return None
