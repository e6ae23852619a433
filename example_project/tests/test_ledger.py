"""The ledger notices a change. Only posting is measured: ``flame(function, …)`` calls it and returns its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shop.ledger import BrokenSeal, canonical, invoice, post
from shop.model import Order, Quote


@pytest.mark.flame
def test_post(flame: Callable[..., Any], batch: list[Order], quotes: list[Quote]) -> None:
    entries = [invoice(order, quote) for order, quote in zip(batch, quotes, strict=True)]
    ledger = flame(post, entries)
    assert ledger.seals[-1].startswith("1166ff9acbaa4eb1")
    ledger.entries[7] = {**ledger.entries[7], "total": 0}
    with pytest.raises(BrokenSeal, match="00008"):
        ledger.verify()


def test_canonical_form() -> None:
    assert canonical({"b": [1, "x\\"], "a": 'say "yes"'}) == r'{"a":"say \"yes\"","b":[1,"x\\"]}'
