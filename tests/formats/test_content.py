"""Everything is read within bounds."""

from __future__ import annotations

import gzip
import io
import itertools
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import FormatError
from pytest_flame.formats import reading
from pytest_flame.formats.content import Bounds, Content, parse_size, size_text
from pytest_flame.formats.format import ReadOptions

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SMALL = Bounds(size=1 << 20, line=1 << 18)
TINY = Bounds(size=1 << 18)


def refused(stream: BinaryIO | io.RawIOBase, bounds: Bounds = SMALL) -> FormatError:
    with pytest.raises(FormatError) as caught:
        # To mypy a raw stream is no BinaryIO, though it has the methods.
        reading.read(cast(BinaryIO, stream), "p", ReadOptions(bounds=bounds))
    return caught.value


class Endless(io.RawIOBase):
    """Repeats a text forever, and counts how much of it was read."""

    def __init__(self, text: bytes) -> None:
        self.text = itertools.cycle(text * 1000)
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        self.taken += len(view)
        view[:] = bytes(itertools.islice(self.text, len(view)))
        return len(view)


def test_a_compressed_file_grows_to_a_bound() -> None:
    bomb = gzip.compress(b"a;b 1\n" * 1_000_000)
    assert len(bomb) < 100_000
    error = refused(io.BytesIO(bomb))
    assert error.what == "p is larger than 1M when decompressed"
    assert "--max-size 4M" in error.fix
    assert "gzip -dc p" in error.fix
    found = reading.read(io.BytesIO(bomb), "p", ReadOptions(bounds=Bounds(size=8 << 20)))
    assert sum(found.costs.values()) == 1_000_000


@pytest.mark.parametrize("text", [b"x", b"main;", b"a b c ", b"\xc3\xa9"])
def test_a_line_without_end_is_given_up(text: bytes) -> None:
    stream = Endless(text)
    error = refused(stream)
    assert error.what.startswith("p, line 1 is longer than 256k characters")
    assert error.fix
    assert stream.taken < 3 << 20


def test_a_long_line_within_the_bounds_is_read() -> None:
    names = ";".join(f"f{i}" for i in range(16_000))
    (stack,) = reading.read(io.BytesIO(f"{names} 1\n".encode()), "p", ReadOptions()).costs
    assert len(stack) == 16_000


def test_a_document_without_end_is_given_up() -> None:
    stream = Endless(b'{"a": [1,\n')
    error = refused(stream)
    assert error.what == "p is larger than 1M"
    assert "--max-size 4M" in error.fix
    assert stream.taken < 4 << 20


def test_a_plain_file_of_any_size_is_read_where_its_stacks_are_few() -> None:
    lines = itertools.chain.from_iterable(itertools.repeat([b"a;b 1\n", b"a;c 1\n"], 300_000))
    stream = io.BytesIO(b"".join(lines))
    assert len(reading.read(stream, "p", ReadOptions(bounds=SMALL)).costs) == 2


def test_too_many_different_stacks_are_given_up() -> None:
    text = "".join(f"main;f{i} 1\n" for i in range(20_000)).encode()
    error = refused(io.BytesIO(text), TINY)
    assert error.what.startswith("p contains too many different stacks")
    assert "--max-size" in error.fix


def test_names_count_for_what_they_are_long() -> None:
    text = "".join(f"{i:0100000d} 1\n" for i in range(30)).encode()
    assert "too many different stacks" in refused(io.BytesIO(text), TINY).what


def test_frames_that_perf_prints_without_end_are_given_up() -> None:
    text = "".join(f"x 1 1.0: 1 cycles:\n\t7f f{i} (/x)\n\n" for i in range(20_000)).encode()
    assert "too many different stacks" in refused(io.BytesIO(text), TINY).what


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("4k", 4096), ("512M", 1 << 29), ("2G", 2 << 30), ("1.5 GiB", 3 << 29)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "G", "1X", "1e9", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@given(
    st.lists(st.text(st.characters(blacklist_characters="\n\0", blacklist_categories=["Cs"]))),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_lines_are_those_of_the_text(lines: list[str], encoding: str) -> None:
    data = "\n".join(["x" * 20, *lines]).encode(encoding)
    for stream in (io.BytesIO(data), io.BytesIO(gzip.compress(data))):
        assert list(Content(stream, "p", Bounds()).lines()) == list(enumerate(["x" * 20, *lines], start=1))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = reading.read(io.BytesIO(data), "p", ReadOptions())
    except FormatError:
        return
    assert sum(found.costs.values()) > 0
