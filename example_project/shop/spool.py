"""A spool file of checksummed records, written in blocks, as the warehouse's printer reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from zlib import crc32

BLOCK = 16 * 1024


class DamagedSpool(ValueError):
    """A record whose checksum does not match."""


def write_spool(path: Path, records: Iterable[str]) -> int:
    """Write the records, one a line; returns the number of bytes."""
    written = 0
    block = bytearray()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        for record in records:
            block += pack(record)
            if len(block) >= BLOCK:
                written += os.write(file, block)
                block.clear()
        written += os.write(file, block)
    finally:
        os.close(file)
    return written


def read_spool(path: Path) -> list[str]:
    records = []
    for line in read_lines(path):
        records.append(unpack(line))
    return records


def read_lines(path: Path) -> Iterator[bytes]:
    rest = b""
    file = os.open(path, os.O_RDONLY)
    try:
        while chunk := os.read(file, BLOCK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    finally:
        os.close(file)
    if rest:
        raise DamagedSpool(f"{path} ends in the middle of a record")


def pack(record: str) -> bytes:
    """Checksum in hexadecimal, a space, the record in UTF-8, a newline."""
    data = record.encode()
    return b"%08x %s\n" % (crc32(data), data)


def unpack(line: bytes) -> str:
    checksum, _, data = line.partition(b" ")
    if int(checksum, 16) != crc32(data):
        raise DamagedSpool(f"checksum of {line!r} does not match")
    return data.decode()
