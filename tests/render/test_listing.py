from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from pytest_flame.model import Frame, Judgement, SourceLine
from pytest_flame.render.listing import ListedLine, listings

TOKENIZE = Frame("orders.parse", "tokenize")
BEFORE = '''"""Orders."""


@cached
def tokenize(text):
    def word(start):
        return text[start:]

    return [word(0)]
'''
AFTER = BEFORE.replace("    return [word(0)]", "    parts = list(text)\n    return [word(0), parts]")
TOTAL = 2_930_000_000
"""Own cost of ``tokenize`` in head, picoseconds; 1,310,000,000 in base."""


@dataclass
class Files:
    before: str | None = BEFORE
    after: str | None = AFTER

    def base(self, judgement: Judgement, path: str) -> str | None:
        return self.before if path == "orders/parse.py" else None

    def head(self, judgement: Judgement, path: str) -> str | None:
        return self.after if path == "orders/parse.py" else None


@pytest.fixture
def measured(regressed: Judgement) -> Judgement:
    place = {TOKENIZE: SourceLine("orders/parse.py", 4)}
    assert regressed.base is not None and regressed.head is not None
    base = replace(regressed.base, lines=place, line_weights={TOKENIZE: {7: 1, 9: 9}})
    head = replace(regressed.head, lines=place, line_weights={TOKENIZE: {7: 1, 9: 3, 10: 6}})
    return replace(regressed, base=base, head=head)


def test_both_sides_line_by_line(measured: Judgement) -> None:
    (listing,) = listings(measured, Files())
    assert listing.frame == TOKENIZE
    assert {line for line in listing.lines if line.tag != " "} == {
        ListedLine(9, 0, "    return [word(0)]", 1_179_000_000, 0, "-"),
        ListedLine(0, 9, "    parts = list(text)", 0, 879_000_000, "+"),
        ListedLine(0, 10, "    return [word(0), parts]", 0, 1_758_000_000, "+"),
    }
    assert listing.lines[0] == ListedLine(4, 4, "@cached", 0, 0, " ")
    assert sum(line.head for line in listing.lines) == TOTAL
    assert sum(line.base for line in listing.lines) == 1_310_000_000
    inner = next(line for line in listing.lines if line.before == 7)
    assert (inner.text, inner.base, inner.head) == ("        return text[start:]", 131_000_000, 293_000_000)


def test_a_missing_side_is_said_and_nothing_looks_new(measured: Judgement) -> None:
    (listing,) = listings(measured, Files(before=None))
    assert "source before is not available" in listing.note
    assert {line.tag for line in listing.lines} == {" "}


def test_without_any_source_there_is_no_listing(measured: Judgement) -> None:
    assert listings(measured, Files(None, None)) == ()


@pytest.mark.parametrize("text", ["def tokenize(:", "x = 1\n" * 20, "\0", "def other():\n    pass\n" * 9])
def test_text_without_the_function_is_no_source(measured: Judgement, text: str) -> None:
    assert listings(measured, Files(None, text)) == ()


def test_baselines_without_lines_say_so(measured: Judgement) -> None:
    assert measured.base is not None
    (listing,) = listings(replace(measured, base=replace(measured.base, line_weights={})), Files())
    assert "baseline has no lines" in listing.note
    assert sum(line.base for line in listing.lines) == 0


def test_of_long_functions_what_costs_or_changed_is_shown(measured: Judgement) -> None:
    filler = "".join(f"    x{i} = {i}\n" for i in range(500))
    before = BEFORE.replace("    return [word(0)]\n", f"{filler}    return [word(0)]\n")
    (listing,) = listings(measured, Files(before, before))
    assert len(listing.lines) < 40
    assert [line.tag for line in listing.lines].count("…") == 1
    assert any(line.text == "        return text[start:]" for line in listing.lines)


def test_names_in_the_source_are_made_printable(measured: Judgement) -> None:
    hostile = AFTER.replace("list(text)", "list('\x1b[31m\u202e</script>')")
    (listing,) = listings(measured, Files(None, hostile))
    text = "\n".join(line.text for line in listing.lines)
    assert "\x1b" not in text and "\u202e" not in text and "</script>" in text


def test_culprits_come_first_and_then_the_dearest(measured: Judgement) -> None:
    comparison, head = measured.comparison, measured.head
    assert comparison is not None and head is not None
    cheap, costly = Frame("orders.api", "handle_batch"), Frame("orders.rules", "apply_discounts")
    place = dict.fromkeys((TOKENIZE, cheap, costly), SourceLine("orders/parse.py", 1))
    weights = {frame: {1: 1} for frame in (TOKENIZE, cheap, costly)}
    module = "def tokenize(): apply_discounts = 1\n"
    both = "def handle_batch(): pass", "def apply_discounts(): pass"
    files = {"tokenize": module, "handle_batch": both[0], "apply_discounts": both[1]}

    class PerFunction(Files):
        def head(self, judgement: Judgement, path: str) -> str | None:
            return files[path]

    named = {frame: replace(line, path=frame.qualname) for frame, line in place.items()}
    alone = replace(measured, base=None, head=replace(head, lines=named, line_weights=weights))
    found = [listing.frame for listing in listings(replace(alone, comparison=None), PerFunction())]
    assert found == [TOKENIZE, costly, cheap]  # 2930, 168 and 63 µs
    blamed = replace(comparison, culprits=tuple(d for d in comparison.frames if d.frame == cheap))
    found = [listing.frame for listing in listings(replace(alone, comparison=blamed), PerFunction())]
    assert found == [cheap, TOKENIZE, costly]
