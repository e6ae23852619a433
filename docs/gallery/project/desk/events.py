"""Events sealed and sent: each is written as JSON and signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

KEY = b"gallery"
Event = Mapping[str, Any]


def day(events: int = 150) -> list[Event]:
    return [
        {
            "id": i,
            "kind": "payment" if i % 4 else "refund",
            "card": {"number": f"4000 0000 0000 {i:04}", "holder": f"Person {i}"},
            "lines": [{"sku": f"A-{i}-{n}", "cents": i * n * 17 % 9_900} for n in range(6)],
        }
        for i in range(events)
    ]


def send(events: Iterable[Event]) -> list[tuple[str, str]]:
    return [sealed(event) for event in events]


def sealed(event: Event) -> tuple[str, str]:
    text = canonical(event)
    return text, signature(text)


def canonical(event: Event) -> str:
    return json.dumps(event, sort_keys=True, separators=(",", ":"))


def signature(text: str) -> str:
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
