"""What a launcher and a prepared process say to each other: one small JSON object per packet of a Unix socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from typing import Any, Final

_LONGEST: Final = 1 << 16


class Channel:
    """One end. Packets are kept whole, and reading ends (None) when every process has closed the other end."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """Given by the process that started this one; not passed on to others."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, **message: Any) -> bool:
        """Whether there is still someone to read it."""
        try:
            self._socket.send(json.dumps(message).encode())
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> Mapping[str, Any] | None:
        """Waits for the next one."""
        try:
            data = self._socket.recv(_LONGEST)
        except ConnectionResetError:
            return None
        message: Mapping[str, Any] | None = json.loads(data) if data else None
        return message
