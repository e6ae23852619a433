"""Dictionaries and JSON. The leaves loop in C: no line of Python tells how often."""

import hashlib
import json
from typing import Any

PAGE = memoryview(bytes(range(256)) * 4096)
RECORDS = [
    {"id": i, "name": f"item {i}", "price": i * 1.25, "tags": ["a", "b", str(i % 7)], "stock": {"x": i, "y": None}}
    for i in range(60)
]


def work() -> int:
    records = json.loads(json.dumps(RECORDS))
    grouped = by_tag(records)
    return len(json.dumps(grouped))


def by_tag(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        weigh()
        stamp()
        tally()
        seal()
        for tag in record["tags"]:
            groups.setdefault(tag, []).append({**record, "tag": tag})
    return groups


def weigh() -> int:
    return sum(bytes(1001))


def stamp() -> int:
    return sum(bytes(1002))


def tally() -> int:
    return sum(bytes(1003))


def seal() -> bytes:
    return hashlib.sha256(PAGE[:1004]).digest()
