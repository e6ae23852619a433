"""What the intake refuses. Not measured."""

from __future__ import annotations

import pytest

from shop.intake import check_country, check_email, check_quantity, parse_csv, tokenize, unique
from shop.model import Order, OrderError
from shop.sku import check_sku, make_sku


def test_quoted_fields() -> None:
    assert tokenize('a, "b, c" ,"say ""yes""",') == ["a", "b, c", 'say "yes"', ""]


@pytest.mark.parametrize("line", ['"open', "a,b"])
def test_broken_csv(line: str) -> None:
    with pytest.raises(OrderError):
        parse_csv(line)


def test_wrong_check_digit() -> None:
    sku = make_sku("TEA", 4711)
    assert check_sku(sku) == sku
    with pytest.raises(OrderError, match="check digit"):
        check_sku(sku[:-1] + str((int(sku[-1]) + 1) % 10))


@pytest.mark.parametrize("address", ["", "ada", "ada@", "ada@example", "ada @example.com", "@example.com"])
def test_not_an_email(address: str) -> None:
    with pytest.raises(OrderError, match="e-mail"):
        check_email(address)


@pytest.mark.parametrize("quantity", ["0", "-1", 10_001])
def test_quantity_out_of_range(quantity: str | int) -> None:
    with pytest.raises(OrderError, match="quantity"):
        check_quantity(quantity)


def test_unknown_country() -> None:
    with pytest.raises(OrderError, match="XX"):
        check_country("XX")


def test_an_order_delivered_twice_counts_once(batch: list[Order]) -> None:
    assert unique([*batch, *batch[:3]]) == batch
