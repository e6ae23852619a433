from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Change, Judgement, Recording, Verdict
from pytest_flame.render.lines import Line, paint, wants_colour
from pytest_flame.render.terminal_tree import tree_lines
from pytest_flame.render.text import cells

Judge = Callable[..., Judgement]


def names(lines: list[Line]) -> list[str]:
    """The contents of the tree, without figures, bars and branches."""
    return [line.text.split("  ")[-1].lstrip(" ▏▎▍▌▋▊▉█│├└…") for line in lines[1:]]


def test_the_changed_functions_with_bars(regressed: Judgement) -> None:
    assert paint(tree_lines(regressed), colour=False) == (
        "     base      head     change  changed functions, CPU time per iteration\n"
        " 10.01 ms  11.47 ms   +1.46 ms  ███████▎ tests.test_orders:test_parse\n"
        "  9.98 ms  11.45 ms   +1.46 ms  ███████▎ └ orders.api:handle_batch\n"
        "  4.25 ms   5.68 ms   +1.43 ms  ███████▏   └ orders.parse:parse_order\n"
        " 370.0 µs    0.0 µs  −370.0 µs  █▉           ├ GONE orders.parse:_legacy_unquote\n"
        " 60.00 µs   0.00 µs  −60.00 µs  ▎            │ └ GONE codecs:charmap_decode\n"
        "  2.62 ms   4.23 ms   +1.62 ms  ████████     ├ ◆ orders.parse:tokenize\n"
        "   0.0 µs  175.0 µs  +175.0 µs  ▉            └ NEW orders.parse:unquote_fast\n"
    )


def test_growth_and_shrinking_have_colours_and_the_culprit_is_bold(regressed: Judgement) -> None:
    lines = tree_lines(regressed)
    markup = {line.text.split()[-1]: line.markup for line in lines[1:]}
    assert markup["orders.parse:parse_order"] == {"red": True}
    assert markup["orders.parse:_legacy_unquote"] == {"cyan": True}
    assert markup["orders.parse:tokenize"] == {"red": True, "bold": True}
    assert lines[0].markup == {}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_keeps_to_the_width(regressed: Judgement, hostile: Judgement, width: int) -> None:
    for judgement in (regressed, hostile):
        assert max(cells(line.text) for line in tree_lines(judgement, width=width)) <= width


def test_figures_end_in_one_column(regressed: Judgement) -> None:
    for end in (9, 19, 30):
        assert all(line.text[end - 1] != " " and line.text[end] == " " for line in tree_lines(regressed))


def test_nothing_significant_is_no_tree(make_judgement: Judge) -> None:
    judgement = make_judgement("t", Verdict.PASS, "m:root 1000 1001\n  m:f 500 502\n", "")
    assert tree_lines(judgement) == []


def test_without_both_sides_there_is_no_tree(regressed: Judgement) -> None:
    assert tree_lines(replace(regressed, base=None)) == []
    assert tree_lines(Judgement("t", Verdict.ERROR, "the body failed")) == []


def test_what_was_not_tested_shows_differences_and_says_so(make_judgement: Judge) -> None:
    judgement = make_judgement("t", Verdict.PASS, "m:root 1000 1001\n  m:f 500 502\n", "")
    assert judgement.comparison is not None
    untested = replace(judgement, comparison=replace(judgement.comparison, tested=False))
    lines = tree_lines(untested)
    assert "differences, not tested" in lines[0].text
    assert names(lines) == ["m:root", "m:f"]


def test_callers_that_pass_a_change_on_are_left_out_and_counted(make_judgement: Judge) -> None:
    levels = "".join(f"{'  ' * i}m:f{i:02} 5 {5 + (i == 20) * 900}\n" for i in range(21))
    judgement = make_judgement("t", Verdict.REGRESSED, levels, "", culprits={"m:f20": 900})
    assert names(tree_lines(judgement)) == ["m:f00", "⋮ 19 callers omitted", "◆ m:f20"]


def test_a_recursive_culprit_is_pointed_at_once(make_judgement: Judge) -> None:
    levels = "m:root 5 5\n" + "".join(f"{'  ' * i}m:walk 5 {5 + (i == 9) * 900}\n" for i in range(1, 12))
    judgement = make_judgement("t", Verdict.REGRESSED, levels, "", culprits={"m:walk": 900})
    assert [name for name in names(tree_lines(judgement)) if "◆" in name] == ["◆ m:walk"]


def test_the_largest_are_kept_and_the_rest_is_counted(make_judgement: Judge) -> None:
    children = "".join(f"  m:f{i:02} 1000 {1100 + i * 10}\n" for i in range(30))
    judgement = make_judgement("t", Verdict.REGRESSED, f"m:root 10 10\n{children}", "", noise=0.001)
    lines = tree_lines(judgement, most=6)
    assert names(lines) == ["m:root", "m:f25", "m:f26", "m:f27", "m:f28", "m:f29", "and 25 smaller changes"]


def test_a_culprit_is_shown_however_small(make_judgement: Judge) -> None:
    children = "".join(f"  m:f{i:02} 1000 {2000 + i * 10}\n" for i in range(30))
    text = f"m:root 10 10\n{children}  m:thin 1 9\n"
    judgement = make_judgement(
        "t",
        Verdict.REGRESSED,
        text,
        "",
        culprits={"m:thin": 8},
        noise=0.0001,
        changes={"m:thin": (Change.SLOWER, None)},
    )
    assert "◆ m:thin" in names(tree_lines(judgement, most=5))


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=40), st.integers(40, 100))
def test_no_name_can_steer_the_terminal_or_break_a_line(make_judgement: Judge, name: str, width: int) -> None:
    text = "m:root 10 10\n  m:stand_in 100 900\n"
    judgement = make_judgement("t", Verdict.REGRESSED, text, "", culprits={"m:stand_in": 800})
    comparison, base, head = judgement.comparison, judgement.base, judgement.head
    assert comparison is not None and base is not None and head is not None

    def rename(recording: Recording) -> Recording:
        process = recording.processes[0]
        frames = [f for stack in process.stacks for f in stack]
        stranger = {f: type(f)(name, name) for f in frames if f.name == "m:stand_in"}
        stacks = {tuple(stranger.get(f, f) for f in stack): s for stack, s in process.stacks.items()}
        return replace(recording, processes=(replace(process, stacks=stacks),))

    changed = replace(judgement, base=rename(base), head=rename(head), comparison=replace(comparison, tested=False))
    lines = tree_lines(changed, width=width)
    assert len(lines) == 3
    for character in "".join(line.text for line in lines):
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


# --- colour ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_needs_a_terminal_that_wants_it() -> None:
    assert wants_colour(Terminal(), {})
    assert not wants_colour(io.StringIO(), {})
    assert not wants_colour(Terminal(), {"NO_COLOR": "1"})
    assert not wants_colour(Terminal(), {"TERM": "dumb"})
    assert wants_colour(Terminal(), {"NO_COLOR": ""})  # set but empty counts as unset (no-color.org)


def test_paint_ends_what_it_began() -> None:
    lines = [Line("plain"), Line("grew", {"red": True, "bold": True}), Line("", {"red": True})]
    assert paint(lines, colour=True) == "plain\n\x1b[31;1mgrew\x1b[0m\n\n"
    assert paint(lines, colour=False) == "plain\ngrew\n\n"
