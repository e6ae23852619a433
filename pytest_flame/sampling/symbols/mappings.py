"""What is mapped where in a process: ``/proc/PID/maps`` (proc_pid_maps(5))."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DELETED: Final = " (deleted)"


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping: addresses ``start <= a < end`` show the file ``path`` from ``file_offset`` on."""

    start: int
    end: int
    permissions: str
    file_offset: int
    device: str
    """Major and minor, hexadecimal: ``fe:00``."""
    inode: int
    path: str
    """As the process sees it; a name in brackets for the kernel's own (``[vdso]``); empty for anonymous memory."""
    deleted: bool = False
    """The file has been removed or replaced since it was mapped."""
    base: int | None = None
    """Where the beginning of the file, its ELF header, is mapped by the same loading; None if it is not."""

    @property
    def executable(self) -> bool:
        return "x" in self.permissions


class Mappings:
    """The mappings of a process, by address."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._all = tuple(sorted(mappings, key=lambda m: m.start))
        self._starts = [m.start for m in self._all]

    def find(self, address: int) -> Mapping | None:
        """The mapping that contains ``address``."""
        i = bisect_right(self._starts, address) - 1
        return self._all[i] if i >= 0 and address < self._all[i].end else None

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Mapping]:
        return iter(self._all)


def read_mappings(pid: int | str = "self") -> Mappings:
    """The current mappings of a process. Raises ``OSError`` if the kernel does not show them."""
    return parse_mappings(os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes()))


def parse_mappings(text: str) -> Mappings:
    """``text`` as in ``/proc/PID/maps``."""
    mappings: list[Mapping] = []
    # For each file: where its header is mapped, and whether all mappings since then began at the header, too.
    bases: dict[tuple[str, int, str], tuple[int, bool]] = {}
    for line in text.split("\n"):
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            continue
        start, end = (int(field, 16) for field in fields[0].split("-"))
        file_offset, device, inode = int(fields[2], 16), fields[3], int(fields[4])
        path = fields[5].replace("\\012", "\n") if len(fields) > 5 else ""
        file = (device, inode, path)
        base, at_header = bases.get(file, (None, False))
        if path and file_offset == 0 and not at_header:  # a new loading of the file, not its second segment
            base = start
        if base is not None:
            bases[file] = (base, file_offset == 0)
        deleted = path.endswith(DELETED)
        path = path.removesuffix(DELETED)
        mappings.append(Mapping(start, end, fields[1], file_offset, device, inode, path, deleted, base))
    return Mappings(mappings)
