"""The file of accepted slowdowns: what it says, and what is said about a malformed one."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.errors import UsageError
from pytest_flame.gate.accepted_file import parse_accepted, read_accepted
from pytest_flame.model import Acceptance

ENTRY = {
    "test": '"tests/test_a.py::test_one"',
    "limit": '"+12 %"',
    "reason": '"rates are checked now"',
    "until": "2031-12-31",
}


def written(**changed: str | None) -> str:
    lines = {**ENTRY, **changed}
    return "\n".join(["[[accepted]]", *(f"{key} = {value}" for key, value in lines.items() if value is not None)])


def test_entries_in_their_order() -> None:
    text = "\n".join([written(), written(test='"tests/test_b.py::*"', culprit='"shop.tax:rate"', limit='"7.5%"')])
    until = datetime.date(2031, 12, 31)
    assert parse_accepted(text, "f.toml") == (
        Acceptance("tests/test_a.py::test_one", 0.12, "rates are checked now", until),
        Acceptance("tests/test_b.py::*", 0.075, "rates are checked now", until, "shop.tax:rate"),
    )
    assert [entry.place for entry in parse_accepted(text, "f.toml")] == ["f.toml, entry 1", "f.toml, entry 2"]


def test_a_date_may_be_quoted() -> None:
    (entry,) = parse_accepted(written(until='"2031-12-31"'), "f.toml")
    assert entry.until == datetime.date(2031, 12, 31)


def test_it_holds_on_its_last_day() -> None:
    (entry,) = parse_accepted(written(), "f.toml")
    assert not entry.expired(datetime.date(2031, 12, 31))
    assert entry.expired(datetime.date(2032, 1, 1))


def test_no_file_accepts_nothing_unless_it_is_named(tmp_path: Path) -> None:
    assert read_accepted(tmp_path / "none.toml") == ()
    with pytest.raises(UsageError, match=r"none\.toml") as e:
        read_accepted(tmp_path / "none.toml", required=True)
    assert "touch" in e.value.fix


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("accepted = 1", "accepted is not a list", "[[accepted]]"),
        ("[accepted]\ntest = 'a'", "accepted is not a list", "two brackets"),
        ("[[accept]]\ntest = 'a'", "'accept', which is not known", "[[accepted]]"),
        ("[[accepted]]\ntest = x", "is not TOML", "in quotes"),
        (written(test=None), "entry 1: test is missing", "test ="),
        (written(test="3"), "entry 1: test is 3, not a test id", "test ="),
        (written(limit=None), "entry 1 (tests/test_a.py::test_one): limit is missing", 'limit = "+12 %"'),
        (written(limit="12"), "limit is 12, not a percentage", 'limit = "+12 %"'),
        (written(limit='"-3 %"'), "limit is '-3 %'", 'limit = "+12 %"'),
        (written(limit='"0%"'), "limit is '0%'", 'limit = "+12 %"'),
        (written(reason=None), "reason is missing", "reason ="),
        (written(reason='"  "'), "reason is '  ', not a reason", "reason ="),
        (written(until=None), "until is missing", "until = 2031-12-31"),
        (written(until='"soon"'), "until is 'soon', not a date", "until = 2031-12-31"),
        (written(until="2031-12-31T10:00:00"), "until is 2031-12-31 10:00:00", "until = 2031-12-31"),
        (written(culprit='""'), "culprit is ''", "culprit ="),
        (written(because='"x"'), "'because' is not known", "an entry has test, culprit, limit, reason, until"),
        ("\n".join([written(), written(reason=None)]), "entry 2 (tests/test_a.py::test_one): reason", "reason ="),
    ],
)
def test_what_is_wrong_is_named_with_what_to_write(text: str, what: str, fix: str) -> None:
    with pytest.raises(UsageError) as e:
        parse_accepted(text, "flame-accepted.toml")
    assert e.value.what.startswith("flame-accepted.toml")
    assert what in e.value.what
    assert fix in e.value.fix


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        entries = parse_accepted(text, "f.toml")
    except UsageError:
        return
    assert all(entry.reason and entry.test for entry in entries)
