from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_cases import CASES, frame_of

from pytest_flame.model import Frame
from pytest_flame.render.names import fit, fit_complete, forms
from pytest_flame.render.text import cells

anything = st.text(st.characters(exclude_categories=()), max_size=60)
nested = st.text("ab.:/<>(){}[]- …注", max_size=40)


@pytest.mark.parametrize("case", CASES["names"], ids=lambda case: case["qualname"] or case["module"])
def test_the_function_survives(case: Mapping[str, Any]) -> None:
    assert [[room, fit(frame_of(case), room)] for room, _ in case["fits"]] == case["fits"]


@given(anything | nested, anything | nested, st.integers(-3, 80))
def test_what_is_fitted_fits(module: str, qualname: str, room: int) -> None:
    assert cells(fit(Frame(module, qualname), room)) <= max(room, 0)


@given(nested, st.integers(0, 60))
def test_a_complete_name_is_cut_nowhere_but_in_lists(qualname: str, room: int) -> None:
    frame = Frame("m", qualname)
    shown = fit_complete(frame, room)
    assert shown == "" or shown in forms(frame).complete
    assert cells(shown) <= room


def test_very_long_names_are_cut_like_any_text() -> None:
    frame = Frame("app", "f(" + "(" * 50_000 + ")" * 50_000 + ".g")
    assert fit(frame, 10) == "…))))))).g"
    assert fit(Frame("app", "a." * 900 + "f"), 12) == "…a.a.a.a.a.f"


def test_names_of_other_people_stay_printable() -> None:
    frame = Frame("m\x00", "f\x1b(int\u202e)")
    assert [fit(frame, room) for room in (40, 8, 6, 3)] == ["m␀:f␛(int�)", "m␀:f␛(…)", "…f␛", "…f␛"]
