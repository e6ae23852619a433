"""The day's report shows every order."""

from __future__ import annotations

import pytest

from shop.model import Order, Quote
from shop.report import bar, initials, render


@pytest.mark.flame
class TestRender:
    def test_every_order_has_a_row(self, batch: list[Order], quotes: list[Quote]) -> None:
        page = render(batch, quotes)
        assert page.count("<tr") == len(batch)
        assert page.count("<li>") == 6


def test_filters() -> None:
    assert bar(0.5, width=3) == "█▌"
    assert bar(0.0) == ""
    assert initials('Lovelace, "Ada"') == "AL"
