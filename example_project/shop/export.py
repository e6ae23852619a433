"""Orders as JSON for the web shop and the warehouse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from shop.model import Line, Order


def to_json(batch: Sequence[Order]) -> str:
    return json.dumps({"orders": batch}, default=plain, separators=(",", ":"))


def plain(value: object) -> Any:
    """What ``json`` cannot write itself, in terms of what it can."""
    if isinstance(value, Order):
        return order_fields(value)
    if isinstance(value, Line):
        return {"sku": value.sku, "quantity": value.quantity}
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON form for {value!r}")


def order_fields(order: Order) -> dict[str, object]:
    return {
        "number": order.number,
        "customer": order.customer,
        "email": order.email,
        "country": order.country,
        "placed": order.placed,
        "lines": order.lines,
    }
