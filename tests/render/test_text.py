from __future__ import annotations

import xml.etree.ElementTree as ET
from html import escape

from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.render.text import cells, fit_start, fit_tail, printable, printable_lines

anything = st.text(st.characters(exclude_categories=()), max_size=60)


def test_controls_become_visible() -> None:
    assert printable("a\x1b[31m\n\x00\x7f\x9b") == "a␛[31m␊␀␡�"


def test_direction_changes_and_lone_surrogates_are_replaced() -> None:
    assert printable("a\u202eb\u2066c\ud800") == "a�b�c�"


def test_other_scripts_are_left_alone() -> None:
    assert printable("注文.検証する ümlaut é 🔥") == "注文.検証する ümlaut é 🔥"


@given(anything)
def test_printable_text_is_legal_xml_and_utf8(text: str) -> None:
    document = f"<a>{escape(printable(text))}</a>"
    assert ET.fromstring(document.encode()).text in (printable(text), None)


def test_lines_survive_where_they_are_wanted() -> None:
    assert printable_lines("one\n\ttwo\x1b") == ["one", "        two␛"]


def test_wide_and_combining_characters_count_as_they_are_drawn() -> None:
    assert [cells(text) for text in ("abc", "注文", "e\u0301", "🔥", "क्षि")] == [3, 4, 1, 2, 3]


@given(anything, st.integers(-3, 80))
def test_ends_fit(text: str, room: int) -> None:
    shown = fit_tail(printable(text), room)
    assert cells(shown) <= max(room, 0)
    assert printable(text).endswith(shown.removeprefix("…"))


@given(anything, st.integers(1, 80))
def test_beginnings_fit(text: str, room: int) -> None:
    shown = fit_start(printable(text), room)
    assert cells(shown) <= room
    assert printable(text).startswith(shown.removesuffix("…"))
