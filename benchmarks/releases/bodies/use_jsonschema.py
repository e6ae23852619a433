"""A document is validated."""

from jsonschema import Draft7Validator

SCHEMA = {
    "definitions": {"item": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/definitions/item"}},
        "name": {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"},
    },
}
DOCUMENT = {"name": "name", "items": [{"id": i, "more": [i]} for i in range(20)]}
validator = Draft7Validator(SCHEMA)


def work() -> None:
    assert not list(validator.iter_errors(DOCUMENT))
