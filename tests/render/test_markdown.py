from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Judgement, RunResult, Verdict
from pytest_flame.render.markdown import COMMENT_LIMIT, code, result_markdown

Golden = Callable[[str, str], None]


def test_comment(golden: Golden, result: RunResult) -> None:
    golden("comment.md", result_markdown(result))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tests/test_a.py::test_b[1]", "`tests/test_a.py::test_b[1]`"),
        ("<b>&amp;", "`<b>&amp;`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("`x`_*", "<code>&#96;x&#96;&#95;&#42;</code>"),
        ("a\\", "<code>a&#92;</code>"),
        ("a\nb", "`a␊b`"),
        (" a", "<code> a</code>"),
        ("", "<code></code>"),
    ],
)
def test_code(text: str, shown: str) -> None:
    assert code(text) == shown


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_no_name_breaks_out_of_its_table_cell(name: str) -> None:
    shown = code(name)
    assert "|" not in shown and "\n" not in shown
    inside = shown.removeprefix("<code>").removesuffix("</code>")
    if inside != shown:
        assert not set(inside) & set("<>`*_[]\\")
    else:
        assert shown.count("`") == 2


def test_text_cannot_mention_people_or_smuggle_markup(hostile: Judgement, result: RunResult) -> None:
    note = "@everyone ![x](http://x) <img> | `"
    shown = result_markdown(replace(result, judgements=(), notes=(note,)))
    assert "@everyone" not in shown and "<img" not in shown and "](" not in shown


def test_details_cannot_close_their_own_fence(result: RunResult) -> None:
    judgement = Judgement("t", Verdict.ERROR, "failed", details="one\n```\n</details>\n````\n# big")
    shown = result_markdown(replace(result, judgements=(judgement,)))
    assert "\n`````text\none\n```\n</details>\n````\n# big\n`````\n" in shown


def test_a_comment_never_exceeds_what_the_forge_accepts(regressed: Judgement, result: RunResult) -> None:
    many = tuple(
        replace(regressed, test_id=f"tests/test_x.py::test_{'long_' * 30}{i}", details="x" * 9000) for i in range(900)
    )
    passing = tuple(replace(j, verdict=Verdict.PASS, test_id=f"{j.test_id}_") for j in many)
    shown = result_markdown(replace(result, judgements=many + passing))
    assert COMMENT_LIMIT / 2 < len(shown) < 65_536
    assert shown.count("more tests, see the report") == 2


@pytest.mark.parametrize("limit", [20_000, COMMENT_LIMIT, 262_144])
def test_any_limit_is_kept_with_the_worst_first(limit: int, regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    tests = tuple(
        replace(
            regressed,
            test_id=f"tests/test_x.py::test_{i:04}",
            verdict=Verdict.REGRESSED if i % 2 else Verdict.PASS,
            comparison=replace(regressed.comparison, ratio=1.2 + i / 1000, high=3.0),
        )
        for i in range(1000)
    )
    notes = ("the machine was busy" * 10,) * 1000
    shown = result_markdown(replace(result, judgements=tests, notes=notes), limit)
    assert limit / 2 < len(shown) <= limit
    worst, next_one = (shown.find(f"`tests/test_x.py::test_{i:04}` | **REGRESSED**") for i in (999, 997))
    assert 0 < worst < next_one
    assert "more notes, see the report" in shown


def test_failures_come_before_the_folded_passes(result: RunResult) -> None:
    shown = result_markdown(result)
    assert shown.index("**REGRESSED**") < shown.index("<summary>2 tests passed</summary>") < shown.index("| PASS |")
