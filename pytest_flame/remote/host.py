"""Another host, reached by execnet: the checkout is sent there, commands run there, files come back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_flame.errors import FlameError, UsageError
from pytest_flame.git import Repository
from pytest_flame.git_program import NotARepository
from pytest_flame.remote import agent

_NEVER_SENT = frozenset({"__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".tox", ".nox"})
"""Folders, where git does not say what is ignored."""


@dataclass(frozen=True, slots=True)
class Host:
    """A connection whose run has the host for itself."""

    name: str
    folder: Path
    """There: of this checkout."""
    python: str
    version: str
    """Python's."""
    flame: str | None
    """The version of pytest-flame that is installed there."""
    _gateway: Any
    _channel: Any

    def send(self, top: Path) -> None:
        """Makes ``folder`` a copy of the checkout, without what git ignores; only what differs is sent."""
        from execnet import RSync

        left_out = _left_out(top)

        class Sending(RSync):
            def filter(self, path: str) -> bool:
                return not left_out(Path(path))

        try:
            sending = Sending(str(top), verbose=False)
            sending.add_target(self._gateway, str(self.folder), delete=True)
            sending.send()
        except OSError as e:
            raise FlameError(f"the checkout could not be sent to {self.name}", why=str(e)) from e

    def run(
        self, command: Sequence[str], directory: Path, variables: Mapping[str, str], said: Callable[[str], None]
    ) -> int:
        """Runs it there; ``said`` gets the lines of its output as they come. Returns its exit status."""
        self._channel.send(("run", [*command], str(directory), dict(variables)))
        rest = b""
        while True:
            kind, value = self._receive()
            if kind == "ended":
                if rest:
                    said(rest.decode("utf-8", "replace"))
                return int(value)
            *lines, rest = (rest + value).split(b"\n")
            for line in lines:
                said(line.decode("utf-8", "replace"))

    def files(self, paths: Sequence[Path]) -> dict[Path, bytes]:
        """The content of those that are there, by their path there; of folders all files."""
        self._channel.send(("files", [*map(str, paths)]))
        found: dict[Path, bytes] = {}
        while True:
            kind, *values = self._receive()
            if kind == "done":
                return found
            found[Path(values[0])] = values[1]

    def _receive(self) -> tuple[Any, ...]:
        try:
            received: tuple[Any, ...] = self._channel.receive()
        except (EOFError, self._channel.RemoteError) as e:
            raise FlameError(f"the connection to {self.name} broke", why=str(e) or type(e).__name__) from e
        return received


@contextlib.contextmanager
def connected(specification: str, top: Path, waiting: Callable[[str], None]) -> Iterator[Host]:
    """``specification`` is execnet's, such as ``ssh=quiet//python=/opt/venv/bin/python``. ``waiting`` is called with
    a sentence if the host is busy. Raises ``FlameError``."""
    try:
        import execnet
    except ImportError as e:
        raise UsageError("--flame-on needs execnet", why=str(e), fix="pip install 'pytest-flame[remote]'") from e
    name = specification.split("//")[0].rpartition("=")[2] or specification
    group = execnet.Group()
    try:
        gateway = group.makegateway(specification)
        channel = gateway.remote_exec(agent)
        channel.send(("hello", _slot(top)))
        while (answer := channel.receive())[0] == "busy":
            waiting(f"{name} is measuring for somebody else: waiting until it is done")
        about = answer[1]
    except (OSError, EOFError, ValueError, execnet.HostNotFound, execnet.RemoteError) as e:
        group.terminate(timeout=5)
        raise UsageError(
            f"--flame-on={specification}: no Python answers there",
            why=str(e).strip() or type(e).__name__,
            fix=f"try: ssh {name} python3 --version; the form is ssh=HOST//python=PATH-OF-PYTHON-THERE",
        ) from e
    try:
        yield Host(name, Path(about["folder"]), about["python"], about["version"], about["flame"], gateway, channel)
    finally:
        channel.close()
        group.terminate(timeout=5)


def _slot(top: Path) -> str:
    """The name of a checkout's folder there: another one, or one of the same path elsewhere, has its own."""
    digest = hashlib.sha256(f"{platform.node()}\0{top}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{top.name}-{digest[:12]}"


def _left_out(top: Path) -> Callable[[Path], bool]:
    """Whether a path is not sent: what git ignores, or if it is no checkout, environments and caches."""
    try:
        repository = Repository.find(top)
    except NotARepository:
        return lambda path: path.name in _NEVER_SENT or (path / "pyvenv.cfg").exists()
    listed = repository.run("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    ignored = {top / os.fsdecode(name).rstrip("/") for name in listed.split(b"\0") if name}
    return lambda path: path in ignored
