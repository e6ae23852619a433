"""Couriers deliver every parcel once."""

from __future__ import annotations

import asyncio

import pytest

from shop.dispatch import dispatch
from shop.model import Order


@pytest.mark.flame
def test_every_order_is_delivered_once(batch: list[Order]) -> None:
    tours = asyncio.run(dispatch(batch))
    assert sorted(number for numbers in tours.values() for number in numbers) == [order.number for order in batch]
    assert len(tours) == 7
