from __future__ import annotations

import json

import pytest

from pytest_flame.baseline.fields import Malformed
from pytest_flame.baseline.json_text import content_sha256, layout, parse


def test_rows_stand_one_a_line_and_other_lists_fill_lines() -> None:
    text = layout({"rows": [[1, ["a" * 130]], [2, ["b"]]], "numbers": list(range(60))})
    rows = [line.strip() for line in text.splitlines()]
    assert f'[1, ["{"a" * 130}"]],' in rows and '[2, ["b"]]' in rows
    assert all(len(line) <= 120 for line in text.splitlines() if "aaa" not in line)
    assert parse(text) == {"rows": [[1, ["a" * 130]], [2, ["b"]]], "numbers": list(range(60))}


def test_reformatting_is_not_an_edit() -> None:
    document = {"a": 1, "b": [1, {"c": None}], "content_sha256": "x"}
    reformatted = json.loads(json.dumps(dict(reversed(document.items())), indent=4))
    assert content_sha256(reformatted) == content_sha256(document)
    assert content_sha256({**document, "a": 2}) != content_sha256(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: Expecting value"),
        ('{\n"a": 1,\n', "line 3: Expecting property name"),
        ("[]", "the file is not a JSON object"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": {"b": 1, "b": 2}}', "the name 'b' appears twice in one object"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        ("9" * 10_000, "Exceeds the limit"),
    ],
)
def test_what_is_not_json_is_said_where(text: str, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert str(caught.value).startswith(message)
