"""Bytes of a process's memory, this one's or that of another readable process (``/proc/PID/mem``)."""

from __future__ import annotations

import errno
import os
from types import TracebackType


class Memory:
    """Reads fail with ``OSError``, not with a fault, where nothing is mapped."""

    def __init__(self, pid: int | str = "self") -> None:
        self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def read(self, address: int, size: int) -> bytes:
        """At most ``size`` bytes; fewer where the mapping ends."""
        if address >= 1 << 63:  # the kernel's half, [vsyscall]
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return os.pread(self._descriptor, size, address)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
