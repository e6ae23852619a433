from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.baseline.slug import slug


@pytest.mark.parametrize(
    ("test_id", "stem"),
    [
        ("tests/test_orders.py::test_parse", "tests-test_orders-test_parse-5dba0495cbf3"),
        ("tests/test_orders.py::TestA::test_parse[a-b.c]", "tests-test_orders-TestA-test_parse-a-b-c-0b8145d64f33"),
        ("../../etc/passwd", "etc-passwd-3754d6cb3a38"),
        ("con.py::test", "con-test-b714e0cba818"),
        ("日本", "test-cf2abf0c5be3"),
        ("", "test-e3b0c44298fc"),
        ("a" * 300, "a" * 96 + "-9835fa6bf4e2"),
    ],
)
def test_a_stem_never_changes_between_versions(test_id: str, stem: str) -> None:
    assert slug(test_id) == stem


@given(st.text(max_size=400))
def test_a_stem_is_safe_on_every_file_system(test_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*-[0-9a-f]{12}", slug(test_id))
    assert len(slug(test_id)) <= 109


@pytest.mark.parametrize(
    "ids",
    [
        ("t.py::test_a", "t.py::test_A"),
        ("t.py::test[a/b]", "t.py::test[a.b]", "t.py::test[a b]", "t.py::test[a b ]", "t.py::test[a b.]"),
        ("x" * 300 + "1", "x" * 300 + "2"),
        ("é", "e\N{COMBINING ACUTE ACCENT}", "\udc80"),
        ("a::t", "a.py::t"),
    ],
)
def test_stems_stay_apart_where_the_file_system_ignores_case(ids: tuple[str, ...]) -> None:
    assert len({slug(test_id).lower() for test_id in ids}) == len(ids)


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_tests_have_different_stems(one: str, other: str) -> None:
    assert (slug(one).lower() == slug(other).lower()) == (one == other)
