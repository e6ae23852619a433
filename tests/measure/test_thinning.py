"""Long output keeps its beginning and its end, and says how much is missing in between."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.measure.thinning import MOST, ROOM, thin_file, thin_list, thinned

pieces = st.lists(
    st.sampled_from(["a\n", "é" * 900, "漢字 ", "🔥" * 5000, "x" * 70_000, "[... 12 bytes left out ...]\n"])
)


@given(pieces)
def test_whatever_is_written_is_bounded_and_nothing_goes_uncounted(written: list[str]) -> None:
    file = io.BytesIO()
    for piece in written:
        file.write(piece.encode())
        thin_file(file)
        assert file.tell() == len(file.getvalue()), "the next writer goes on at the end"
    whole, kept = "".join(written).encode(), file.getvalue()
    assert len(kept) <= 2 * ROOM + 100
    kept.decode()  # no character is cut
    gone = re.search(rb"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n", kept[ROOM - 4 :]) if kept != whole else None
    if kept != whole:
        assert gone is not None
        first, last = kept[: ROOM - 4 + gone.start()], kept[ROOM - 4 + gone.end() :]
        assert whole.startswith(first) and whole.endswith(last)
        assert len(first) >= ROOM - 3 and len(last) >= ROOM - 3
        assert len(first) + int(gone[1]) + len(last) == len(whole)


def test_short_output_stays_as_it_is() -> None:
    text = "é" * (ROOM - 1)
    assert thinned(text) == text


def test_bytes_that_are_no_text_are_thinned_all_the_same() -> None:
    file = io.BytesIO(b"\x80\xff" * 10 * ROOM)
    thin_file(file)
    assert len(file.getvalue()) <= 2 * ROOM + 100


@given(st.lists(st.integers(0, 3 * ROOM), max_size=400))
def test_lists_keep_both_ends(sizes: list[int]) -> None:
    entries = list(enumerate(sizes))
    for _ in range(2):  # a second time changes nothing
        thin_list(entries, lambda entry: entry[1])
    assert len(entries) <= 2 * MOST and sum(size for _, size in entries) <= 2 * 3 * ROOM
    assert not sizes or (entries[0], entries[-1]) == ((0, sizes[0]), (len(sizes) - 1, sizes[-1]))
    assert entries == sorted(entries)


def test_mark_stands_once_where_entries_are_missing() -> None:
    entries = ["first"]
    for call in range(3 * MOST):
        entries += [f"call {call}"] * 3
        thin_list(entries, len, "left out")
    assert entries[0] == "first" and entries[-1] == f"call {3 * MOST - 1}"
    assert entries.count("left out") == 1
