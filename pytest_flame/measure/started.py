"""Records which commands this process starts, for the message that has to name one.

An audit hook cannot be removed and costs a call per event: only for a process whose figures are not used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, Final

_MOST: Final = 20


class Started:
    """Since ``watch``."""

    def __init__(self) -> None:
        self._commands: dict[str, None] = {}

    def watch(self) -> None:
        sys.addaudithook(self._note)

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(self._commands)

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        match event:
            case "os.system":
                command = _text(args[0])
            case "subprocess.Popen" | "os.posix_spawn" | "os.exec":
                command = _text(args[1])
            case _:
                return
        if len(self._commands) < _MOST:
            self._commands[command] = None


def _text(command: Any) -> str:
    """The command of a command line, given as text or as words."""
    if isinstance(command, (str, bytes, os.PathLike)):
        return os.fsdecode(command)
    return " ".join(os.fsdecode(word) for word in command) if isinstance(command, Iterable) else repr(command)
