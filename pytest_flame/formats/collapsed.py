"""Folded stacks of any tool: ``frame;frame;frame count``, one line a stack, root first.

What writes them: the ``stackcollapse-*.pl`` scripts of FlameGraph, ``inferno-collapse-*``, py-spy (``--format raw``),
Austin, CPython's ``profiling.sampling --collapsed``, async-profiler, pytest-flame itself. The count follows the last
white space (names may hold spaces and end in digits) and may have decimals. The form with two counts, as of
``difffolded.pl``, can't be told from a name that ends in a number, so it has to be asked for. ``formats.folded`` is
the strict reader and writer of pytest-flame's own files.
"""

from __future__ import annotations

import gzip
import itertools
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pytest_flame.errors import FormatError
from pytest_flame.formats.folded import encode_frame
from pytest_flame.formats.labels import UNNAMED, Namer, Naming, decoded
from pytest_flame.formats.roots import is_austin, split
from pytest_flame.model import Frame, SourceLine, Stack

PER_COUNT: Final = 1000
"""Counts are whole numbers of thousandths: decimals beyond the third are rounded."""

_NUMBER: Final = r"(?:[0-9]{1,18}(?:\.[0-9]*)?|\.[0-9]+)"
_ONE: Final = re.compile(rf"(.*\S|)[ \t]+({_NUMBER})", re.DOTALL)
_TWO: Final = re.compile(rf"(.*\S|)[ \t]+({_NUMBER})[ \t]+({_NUMBER})", re.DOTALL)
_COMMENT: Final = re.compile(r"#(?:[\s!].*)?", re.DOTALL)
_BLANK: Final = " \t\r\f\v"
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SHOWN: Final = 100
_HEAD: Final = 1000
"""Lines that show whose file it is."""


@dataclass(frozen=True, slots=True)
class Collapsed:
    """One profile. ``counts`` are thousandths of the file's own unit, whatever that is, by stack."""

    counts: Mapping[Stack, int]
    lines: Mapping[Frame, SourceLine]
    """Where functions were seen, by tools that say it: the smallest line, which is near the definition."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """By module, the file that gave it its name; not of installed libraries."""
    maybe_pairs: bool = False
    """Every line would also read as the form with two counts."""


def loads(data: bytes, name: str, naming: Naming | None = None) -> Collapsed:
    """Read a profile. A stack on several lines is added up; blank lines and comments (``#`` and white space) are not
    read. UTF-8 or UTF-16, with or without a byte order mark, and gzip are recognised.

    ``name`` is what errors call the file. Raises ``FormatError`` with the line and what was expected of it.
    """
    (profile,) = _read(data, name, naming or Naming(), 1)
    return profile


def loads_pair(data: bytes, name: str, naming: Naming | None = None) -> tuple[Collapsed, Collapsed]:
    """Read the form with two counts, before and after, at the end of each line. Raises as ``loads`` does."""
    before, after = _read(data, name, naming or Naming(), 2)
    return before, after


def dumps(columns: Sequence[Mapping[Stack, int]], per: int) -> str:
    """Write profiles, one count a line for each: the form with one count, or, of before and after, that with two.

    ``per`` is what costs of one count are; counts that are not whole have up to three decimals. Sorted, with names
    escaped as in ``formats.folded``, but for the colon of frames without a module.
    """
    stacks = {stack for column in columns for stack in column}
    rows = sorted((";".join(map(_label, stack)), stack) for stack in stacks)
    return "".join(f"{text} {' '.join(_count(c.get(stack, 0), per) for c in columns)}\n" for text, stack in rows)


def _label(frame: Frame) -> str:
    label = encode_frame(frame)
    # A percent sign stays as it is where that reads back as the same frame.
    plain = label.replace("%25", "%")
    if plain != label and decoded(plain) == frame:
        label = plain
    return label.removeprefix(":") or UNNAMED.qualname if not frame.module else label


def _count(cost: int, per: int) -> str:
    return f"{cost / per:.3f}".rstrip("0").rstrip(".")


def _read(data: bytes, name: str, naming: Naming, columns: int) -> list[Collapsed]:
    text = _text(data, name)
    pattern = _ONE if columns == 1 else _TWO
    namer = Namer(naming, austin=is_austin(itertools.islice(text.split("\n"), _HEAD)))
    counts: list[dict[Stack, int]] = [defaultdict(int) for _ in range(columns)]
    maybe_pairs = columns == 1
    for number, line in _lines(text):
        match = pattern.fullmatch(line)
        if match is None:
            raise _refused(text, name, number, line, columns)
        maybe_pairs = maybe_pairs and _TWO.fullmatch(line) is not None
        stack = namer.stack(split(match[1].lstrip(_BLANK)))
        for column, written in zip(counts, match.groups()[1:], strict=True):
            column[stack] += _thousandths(written)
    if not counts[0]:
        raise FormatError(
            f"{name} holds no stacks",
            why="it is empty" if not data.strip() else "there are only blank lines and comments in it",
        )
    maybe_pairs = maybe_pairs and len(counts[0]) > 1
    return [
        Collapsed({s: n for s, n in column.items() if n}, dict(namer.lines), namer.paths, maybe_pairs)
        for column in counts
    ]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines to be read, numbered from 1. Names may hold what ``str.splitlines`` takes for the end of a line."""
    for number, line in enumerate(text.split("\n"), start=1):
        # A count behind nothing but a space is that of a thread without frames: py-spy writes such lines.
        line = line.rstrip(_BLANK)
        if line and not _COMMENT.fullmatch(line.lstrip(_BLANK)):
            yield number, line


def _thousandths(number: str) -> int:
    whole, _, decimals = number.partition(".")
    thousandths = int(whole or "0") * PER_COUNT
    return thousandths + round(float(f"0.{decimals}") * PER_COUNT) if decimals else thousandths


def _text(data: bytes, name: str) -> str:
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as e:
            raise FormatError(f"{name} can't be decompressed", why=f"it begins as a gzip file does, but: {e}") from e
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None) or _by_zeros(data[:4096])
    # Names may come from files and programs whose names are not UTF-8: their bytes are kept.
    lenient = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        text = data.decode(encoding, lenient).removeprefix("\ufeff")
    except UnicodeDecodeError as e:
        raise FormatError(f"{name} is not text in {encoding.upper()}, which it begins as", why=str(e)) from e
    if "\0" in text:
        raise FormatError(f"{name} is a binary file, not folded stacks", why=_BINARY, fix=_FOLD)
    return text


def _by_zeros(start: bytes) -> str:
    """UTF-16 without a mark: of what is mostly ASCII, every other byte is zero."""
    half = len(start) // 2
    if half and start[1::2].count(0) > 0.6 * half and start[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if half and start[::2].count(0) > 0.6 * half and start[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return "utf-8"


# --- errors ---------------------------------------------------------------------------------------------------

_LINE: Final = {
    1: "a line is frames joined by ';', white space, and a count: main;parse;next 42",
    2: "a line is frames joined by ';' and two counts, before and after: main;parse;next 42 57",
}
_BINARY: Final = "pprof, speedscope, perf.data and Austin's MOJO files are other formats"
_FOLD: Final = "fold it first, such as: perf script | stackcollapse-perf.pl | flame draw - -o out.svg"
_ELSE: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"\s*[{\[]\s*[\"{\[\]}]"), "this looks like JSON"),
    (re.compile(r"\s*<(?:\?xml|svg|!doctype|html)", re.IGNORECASE), "this looks like a page or a picture"),
    (
        re.compile(r"[^\n;]+:\s*\n\s+[0-9a-f]{4,16} [^\n]*\)"),
        "this looks like what perf script prints",
    ),
    (re.compile(r"\s*\d+ function calls"), "this looks like what cProfile prints, which knows no stacks"),
)


def _refused(text: str, name: str, number: int, line: str, columns: int) -> FormatError:
    here = "\n".join(text.split("\n")[number - 1 : number + 2])
    end = line.split()[-1]
    if columns == 2 and _ONE.fullmatch(line):
        problem = "has one count, and two were asked for"
    elif re.fullmatch(_NUMBER, line):
        problem = "has a count and no stack"
    elif re.fullmatch(rf"-{_NUMBER}", end):
        problem = f"has a negative count, {end}"
    elif re.fullmatch(r"[0-9.,'_]*[0-9][0-9.,'_eE+-]*", end):
        problem = f"ends in {end}, which is no whole or decimal number"
    else:
        problem = "does not end in a count"
    other = next((guess for pattern, guess in _ELSE if pattern.match(here)), "")
    return FormatError(
        f"{name}, line {number} {problem}: {_shortened(line)!r}",
        why=f"{_LINE[columns]}{f'; {other}' if other else ''}",
        fix=_FOLD if other else "",
    )


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN * 2 // 3]}…{line[-_SHOWN // 3 :]}"
