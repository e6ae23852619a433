"""The bytes of a file as text: decompressed, decoded and split into lines, all within bounds."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from pytest_flame.errors import FormatError

HEAD: Final = 1 << 16
"""Number of bytes that show what a file is."""
_CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SIZE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*([kKMGT]?)(?:i?B)?")
_POWERS: Final = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of reading. Plain files are read line by line and may have any size."""

    size: int = 256 * 2**20
    """Bytes of a decompressed file, or of a document that has to be in memory as a whole."""
    line: int = 16 * 2**20
    """Characters of a line."""

    @property
    def held(self) -> int:
        """Approximate bytes of memory for different stacks."""
        return 4 * self.size


def parse_size(text: str) -> int:
    """``512M``, ``2G``: bytes. Raises ``ValueError``."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * 1024 ** _POWERS[match[2]]) if match else 0
    if size < 1:
        raise ValueError(f"{text!r} is not a size")
    return size


def size_text(size: int) -> str:
    """The inverse: ``256M``."""
    for unit, power in (("G", 3), ("M", 2), ("k", 1)):
        if size >= 1024**power:
            return f"{size / 1024**power:.3g}{unit}"
    return f"{size}"


class Content:
    """A file's bytes, decompressed, with their beginning at hand."""

    def __init__(self, stream: BinaryIO, name: str, bounds: Bounds) -> None:
        """Raises ``FormatError`` if a compressed file is corrupt, here or while reading further."""
        self.name = name
        self.bounds = bounds
        start = _read(stream, HEAD)
        self.compressed = start.startswith(_GZIP)
        self._stream: io.RawIOBase | io.BufferedIOBase = _Joined(start, stream)
        if self.compressed:
            self._stream = gzip.GzipFile(fileobj=self._stream, mode="rb")
            start = self._take(HEAD)
        self.head = start
        self._left = start if self.compressed else b""
        self._count = 0
        mark = next((mark for mark, _ in _MARKS if start.startswith(mark)), b"")
        self.encoding = dict(_MARKS).get(mark) or _by_zeros(start[:4096])

    @property
    def text_head(self) -> str:
        """The beginning as text, whatever it is."""
        return self.head.decode(self.encoding, "replace").removeprefix("\ufeff")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Numbered from 1, without line endings; only ``\\n`` ends a line, since names may contain other separators."""
        for number, lines in self.batches():
            yield from enumerate(lines, start=number)

    def batches(self) -> Iterator[tuple[int, list[str]]]:
        """The same lines, many at a time, with the number of the first."""
        number, pieces, length = 1, [""], 0
        for text in self._texts():
            first, *others = text.split("\n")
            pieces.append(first)
            length += len(first)
            if length > self.bounds.line:
                raise FormatError(
                    f"{self.name}, line {number} is longer than {size_text(self.bounds.line)} characters",
                    why="no stack is that long: this may not be a text file of stacks",
                    fix=f"check its beginning: head -c 300 {self.name}",
                )
            if others:
                yield number, ["".join(pieces), *others[:-1]]
                number += len(others)
                pieces, length = [others[-1]], len(others[-1])
        yield number, ["".join(pieces)]

    def whole(self) -> str:
        """The whole text, for formats that can't be read line by line."""
        parts, size = [], 0
        for text in self._texts():
            parts.append(text)
            size += len(text)
            if size > self.bounds.size:
                raise FormatError(
                    f"{self.name} is larger than {size_text(self.bounds.size)}",
                    why="a document of this kind has to fit into memory as a whole, at several times its size",
                    fix=f"raise the limit if that is intended: --max-size {size_text(4 * self.bounds.size)}",
                )
        return "".join(parts)

    def _texts(self) -> Iterator[str]:
        # Names may come from files and programs whose names are not UTF-8: their bytes are kept.
        lenient = "surrogateescape" if self.encoding == "utf-8" else "strict"
        decoder = codecs.getincrementaldecoder(self.encoding)(lenient)
        first = True
        while True:
            data = self._next()
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as e:
                why = f"{e.reason} after {self._count - len(data):,} bytes"
                raise FormatError(
                    f"{self.name} is not {self.encoding.upper()} text, although it begins like it", why=why
                ) from e
            if "\0" in text:
                raise FormatError(
                    f"{self.name} is a binary file of unknown format",
                    why="it contains zero bytes, which text does not",
                )
            if text and first:
                text, first = text.removeprefix("\ufeff"), False
            if text:
                yield text
            if not data:
                return

    def _next(self) -> bytes:
        if self._left:
            data, self._left = self._left, b""
        else:
            data = self._take(_CHUNK)
        self._count += len(data)
        if self.compressed and self._count > self.bounds.size:
            raise FormatError(
                f"{self.name} is larger than {size_text(self.bounds.size)} when decompressed",
                why="reading further could fill the memory: a few bytes can expand to very many",
                fix=f"raise the limit if intended: --max-size {size_text(4 * self.bounds.size)}; or unpack it first, "
                f"since plain files are read line by line: gzip -dc {self.name}",
            )
        return data

    def _take(self, size: int) -> bytes:
        try:
            return _read(self._stream, size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as e:
            raise FormatError(
                f"{self.name} can't be decompressed",
                why=f"it begins like a gzip file, but: {e}",
                fix="copy or record it again: it is incomplete or corrupt",
            ) from e


class _Joined(io.RawIOBase):
    """The bytes already read, followed by the rest of a stream."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        data, self._start = self._start[:size], self._start[size:]
        data = data or self._rest.read(size)
        buffer[: len(data)] = data
        return len(data)


def _read(stream: BinaryIO | io.RawIOBase | io.BufferedIOBase, size: int) -> bytes:
    """That many bytes, fewer only at the end."""
    parts, missing = [], size
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _by_zeros(start: bytes) -> str:
    """UTF-16 without a mark: of what is mostly ASCII, every other byte is zero."""
    half = len(start) // 2
    if half and start[1::2].count(0) > 0.6 * half and start[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if half and start[::2].count(0) > 0.6 * half and start[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return "utf-8"
