"""Executed on the other host, by its Python: holds the host's lock, runs commands, and returns files.

It is sent as source text, so it imports nothing but Python's library. Messages are tuples of plain values; the first
item names what follows.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def serve(channel: Any) -> None:
    """Answers requests until the channel is closed; what it started and holds ends with it."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-flame" / "remote"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for request in channel:
            if request[0] == "hello":
                _hold(lock, channel)
                channel.send(("ready", _about(home / request[1])))
            elif request[0] == "run":
                _run(channel, *request[1:])
            else:
                _send_files(channel, request[1])
    finally:
        os.close(lock)


def _hold(lock: int, channel: Any) -> None:
    """One run at a time: two on one host would disturb each other."""
    said = False
    while not channel.isclosed():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not said:
                channel.send(("busy",))
                said = True
            time.sleep(0.2)


def _about(folder: Path) -> dict[str, Any]:
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        installed = version("pytest-flame")
    except PackageNotFoundError:
        installed = None
    return {"folder": str(folder), "python": sys.executable, "version": sys.version.split()[0], "flame": installed}


def _run(channel: Any, command: list[str], directory: str, variables: dict[str, str]) -> None:
    """Sends ``("output", bytes)`` as it comes, and ``("ended", status)``."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        while not channel.isclosed():
            if not select.select([process.stdout], [], [], 0.5)[0]:
                continue
            output = os.read(process.stdout.fileno(), 1 << 16)
            if not output:
                channel.send(("ended", process.wait()))
                return
            channel.send(("output", output))
    finally:
        if process.poll() is None:  # nobody is there to read the result
            os.killpg(process.pid, signal.SIGINT)  # lets pytest end its own workers
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        process.stdout.close()


def _send_files(channel: Any, paths: list[str]) -> None:
    """Sends ``("file", path, bytes)`` for each that is there, folders with all of theirs, and ``("done",)``."""
    for path in map(Path, paths):
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file():
                channel.send(("file", str(file), file.read_bytes()))
    channel.send(("done",))


if __name__ == "__channelexec__":
    serve(channel)  # type: ignore[name-defined]  # noqa: F821
