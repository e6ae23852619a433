from __future__ import annotations

import json

import jsonschema

from pytest_flame.render.json import schema

from .conftest import Flame


def test_the_schema_is_printed_as_it_is_packaged(flame: Flame) -> None:
    said = flame("schema")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out) == schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(said.out))
