"""Folded stacks as other tools, editors and shells leave them."""

from __future__ import annotations

import gzip
import io
import os
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flame.errors import FormatError
from pytest_flame.formats import collapsed, reading
from pytest_flame.formats.format import ReadOptions
from pytest_flame.formats.labels import Naming
from pytest_flame.model import Costs, Frame, Profile

ONE = 1000
WRITTEN = Naming(functions=False)


def loads(data: bytes, name: str = "p", naming: Naming | None = None) -> Profile:
    return reading.read(io.BytesIO(data), name, ReadOptions(naming or Naming()))


def loads_pair(data: bytes, name: str = "p") -> tuple[Profile, Profile]:
    return reading.read_pair(io.BytesIO(data), name, ReadOptions())


def read(text: str | bytes, naming: Naming | None = None) -> dict[str, Fraction]:
    """Counts by the names of the stack's frames, joined."""
    found = loads(text.encode() if isinstance(text, str) else text, "p.folded", naming)
    return {";".join(f.name for f in stack): Fraction(n, found.metric.scale) for stack, n in found.costs.items()}


def test_the_count_follows_the_last_white_space() -> None:
    text = "main;operator new 2;std::vector<int, 3>::at 12\nmain;f(int, char) \t 7\n"
    assert read(text) == {"main;operator new 2;std::vector<int, 3>::at": 12, "main;f(int, char)": 7}


def test_one_stack_on_several_lines_is_added_up() -> None:
    assert read("a;b 1\na 5\na;b 2.5\n") == {"a;b": 3.5, "a": 5}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("3", "3"),
        ("0.5", "0.5"),
        (".25", "0.25"),
        ("1.0004", "1.0004"),
        ("4.", "4"),
        ("007", "7"),
        ("1e-05", "0.00001"),  # what Python prints of a small float
        ("1.5E+3", "1500"),
        ("0.1234567890123456789012345678901234567891", "0.1234567890123456789012345678901234567891"),
    ],
)
def test_decimals_are_kept(written: str, meant: str) -> None:
    assert read(f"a;b {written}\n") == {"a;b": Fraction(meant)}


def test_many_small_counts_lose_nothing() -> None:
    text = "".join(f"main;f{i} 0.0004\n" for i in range(2_000)) + "main;g 0.2\n"
    assert sum(read(text).values()) == 1


DECIMALS = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=None).map(abs)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["a", "a;b", "a;c"]), DECIMALS), min_size=1, max_size=20))
def test_sums_are_exact(rows: list[tuple[str, Decimal]]) -> None:
    rows = [*[(stack, Decimal(f"{count:.12f}")) for stack, count in rows], ("z", Decimal(1))]
    found = read("".join(f"{stack} {count}\n" for stack, count in rows))
    expected: defaultdict[str, Fraction] = defaultdict(Fraction)
    for stack, count in rows:
        expected[stack] += Fraction(count)
    assert found == {stack: count for stack, count in expected.items() if count}


@pytest.mark.parametrize("text", ["a 0\n", "a 0\nb 0.000\n", "a;b 0e5\n"])
def test_a_profile_that_counts_nothing_says_so(text: str) -> None:
    with pytest.raises(FormatError, match=r"p.folded counts nothing") as caught:
        read(text)
    assert "0" in caught.value.why


def test_one_side_of_two_counts_that_counts_nothing_is_named() -> None:
    with pytest.raises(FormatError, match="p counts nothing after"):
        loads_pair(b"a 1 0\nb 2 0\n")


def test_a_stack_that_counts_nothing_is_not_in_the_profile() -> None:
    assert read("a 0\nb 1\n") == {"b": 1}


ENCODED: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-16-le with a mark, as PowerShell's > writes it": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "utf-16-be with a mark": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-32-le with a mark": lambda text: b"\xff\xfe\x00\x00" + text.encode("utf-32-le"),
    "gzip": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("encode", ENCODED.values(), ids=ENCODED.keys())
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "open"])
def test_encodings_and_line_ends(encode: Callable[[str], bytes], end: str, last: bool) -> None:
    text = end.join(["main;größe;日本 12", "", "main 3"]) + (end if last else "")
    assert read(encode(text)) == {"main;größe;日本": 12, "main": 3}


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    assert read(b"caf\xe9;f 1\n") == {"caf\udce9;f": 1}


def test_comments_are_not_read_and_names_that_begin_like_one_are() -> None:
    text = "# austin: 4.0.0\n# interval: 100\n#\n#!made by x 3\n#private;f 2\n  # indented 7\n"
    assert read(text) == {"#private;f": 2}


def test_only_a_newline_ends_a_line() -> None:
    assert read("a\u2028b;c\x85d 1\n\n a\x0bb 2\n") == {"a\u2028b;c\x85d": 1, "a\x0bb": 2}


def test_empty_frames() -> None:
    assert read("a;;b 1\n;c 2\na;b; 3\na;b;; 4\n") == {"a;[unnamed];b": 1, "[unnamed];c": 2, "a;b": 7}


def test_a_thread_without_frames() -> None:
    assert read(" 11\nmain 2\n\t 5\n") == {"[no frames]": 16, "main": 2}


def test_two_counts_only_on_request() -> None:
    text = b"main;f 3 5\nmain;g 0 2\n"
    assert read(text) == {"main;f 3": 5, "main;g 0": 2}
    before, after = loads_pair(text, "p")
    main, f, g = (Frame("", name) for name in ("main", "f", "g"))
    assert (before.costs, after.costs) == ({(main, f): 3}, {(main, f): 5, (main, g): 2})


@pytest.mark.parametrize(
    ("text", "maybe"), [("a 3 5\nb 2 7\n", True), ("a 3 5\nb 7\n", False), ("a 3 5\n", False), ("a 1\nb 2\n", False)]
)
def test_what_may_have_two_counts_is_noticed(text: str, maybe: bool) -> None:
    assert collapsed.maybe_pairs(loads(text.encode(), "p")) is maybe


@pytest.mark.parametrize(
    ("text", "line", "problem", "why"),
    [
        ("a;b 1\n\na;b\n", 3, "does not end in a count", "a line is frames joined by ';'"),
        ("a;b 1\n12\n", 2, "has a count but no stack", ""),
        ("a;b -3\n", 1, "has a negative count, -3", ""),
        ("a;b 1,200\n", 1, "ends in 1,200, which is not a whole or decimal number", ""),
        ("a;b 1e555\n", 1, "ends in 1e555, which is not a whole or decimal number", ""),
        ("a;b 1.0.0\n", 1, "ends in 1.0.0, which is not a whole or decimal number", ""),
        ("a;b nan\n", 1, "does not end in a count", ""),
        ("a;b ٣\n", 1, "does not end in a count", ""),
        (f"a {'9' * 40}\n", 1, "ends in 99", ""),
    ],
)
def test_errors_name_file_line_and_what_was_expected(text: str, line: int, problem: str, why: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(text)
    assert caught.value.what.startswith(f"p.folded, line {line} {problem}")
    assert why in caught.value.why
    assert caught.value.fix or "no stack" in problem


def test_one_count_where_two_were_asked_for() -> None:
    with pytest.raises(FormatError, match="p, line 2 has one count, but two were requested: 'a;c 3'"):
        loads_pair(b"a;b 1 2\na;c 3\n", "p")


@pytest.mark.parametrize(
    ("data", "what", "why"),
    [
        (b"", "contains no stacks", "it is empty"),
        (b"\n# austin: 4.0.0\n", "contains no stacks", "only blank lines and comments"),
        (b"a;b\0c 3\n", "is a binary file", "zero bytes"),
        (b"\x1f\x8b\x08\x00 not gzip at all", "can't be decompressed", "it begins like a gzip file"),
        (gzip.compress(b"a 1\n" * 10**5)[:-9], "can't be decompressed", "end-of-stream"),
        (b"\xff\xfea\x00 ", "is not UTF-16-LE text", "truncated"),
    ],
)
def test_what_cannot_be_folded_stacks(data: bytes, what: str, why: str) -> None:
    with pytest.raises(FormatError) as caught:
        loads(data, "x.bin")
    assert caught.value.what.startswith(f"x.bin {what}")
    assert why in caught.value.why
    assert caught.value.fix or "zero bytes" in why or "UTF" in what


def test_a_long_line_is_shortened_in_the_error() -> None:
    with pytest.raises(FormatError) as caught:
        read("x" * 100_000)
    assert len(caught.value.what) < 250


NAMES = st.text(st.sampled_from(list(";:% \t\n\r\x00\x85\u2028#_[]()/.09é日x")) | st.characters(), max_size=10)
FRAMES = st.builds(Frame, st.just(""), NAMES.filter(bool))
COSTS = st.dictionaries(
    st.lists(FRAMES, min_size=1, max_size=5).map(tuple), st.integers(1, 10**9), min_size=1, max_size=6
)


@given(COSTS)
def test_any_names_are_written_so_that_lines_hold(costs: Costs) -> None:
    text = collapsed.dumps([costs], ONE)
    assert len(text.splitlines()) == len({collapsed.dumps([{stack: 1}], ONE) for stack in costs})
    assert sum(read(text.encode(), WRITTEN).values()) == Fraction(sum(costs.values()), ONE)


BOTH = st.tuples(*[st.integers(0, 9)] * 2)


@given(st.dictionaries(st.sampled_from(["a", "a;b", "a;c", "d"]), BOTH).map(lambda pairs: pairs | {"z": (1, 1)}))
def test_two_counts_survive_writing_and_reading(pairs: dict[str, tuple[int, ...]]) -> None:
    sides = [{tuple(Frame("", n) for n in names.split(";")): p[i] for names, p in pairs.items()} for i in (0, 1)]
    read_again = loads_pair(collapsed.dumps(sides, 1).encode(), "p")
    assert [dict(side.costs) for side in read_again] == [{s: n for s, n in side.items() if n} for side in sides]


@pytest.mark.parametrize("name", ["#", "#!x", "# x"])
def test_what_begins_as_a_comment_does_is_no_comment(name: str) -> None:
    assert sum(loads(collapsed.dumps([{(Frame("", name),): 3}], 1).encode()).costs.values()) == 3


def test_lines_of_equal_profiles_are_equal() -> None:
    a, b = (Frame("", "a"),), (Frame("", "b"),)
    assert collapsed.dumps([{a: 1500, b: 2000}], ONE) == collapsed.dumps([{b: 2000, a: 1500}], ONE) == "a 1.5\nb 2\n"


def corpus() -> list[Path]:
    folder = os.environ.get("FLAMEGRAPH_CORPUS")
    return sorted(Path(folder).glob("*-collapsed-*.txt")) if folder else []


@pytest.mark.skipif(not corpus(), reason="FLAMEGRAPH_CORPUS names no folder of FlameGraph's collapsed test results")
def test_flamegraphs_own_examples() -> None:
    """Sums are exact and names those that flamegraph.pl shows, whatever options stackcollapse-perf.pl had."""
    for path in corpus():
        rows = [line.rpartition(" ") for line in path.read_text("utf-8").splitlines() if line]
        for naming in (Naming(), Naming(threads=False), WRITTEN):
            counts = loads(path.read_bytes(), path.name, naming).costs
            assert sum(counts.values()) == sum(int(count) for _, _, count in rows), path.name
        shown = {tuple(name.removesuffix("_[k]") for name in names.split(";")) for names, _, _ in rows}
        assert {tuple(frame.qualname for frame in stack) for stack in counts} == shown, path.name
