"""Orders as they arrive: CSV from the till, JSON from the web shop. Everything is checked on the way in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from shop.model import Line, Order, OrderError
from shop.sku import check_sku

COLUMNS = ["number", "customer", "email", "country", "placed", "sku", "quantity"]
EMAIL = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}")
COUNTRIES = frozenset({"AT", "BE", "CH", "DE", "FR", "GB", "IT", "NL"})


# --- CSV ---------------------------------------------------------------------------------------------------


def parse_csv(text: str) -> list[Order]:
    """Orders from CSV with one row per order line; the rows of an order stand together."""
    rows = read_rows(text)
    header = next(rows, [])
    if header != COLUMNS:
        raise OrderError(f"unexpected columns {header}")
    batch: list[Order] = []
    lines: list[Line] = []
    current: list[str] = []
    for row in rows:
        if current and row[0] != current[0]:
            batch.append(make_order(current, lines))
            lines = []
        current = row
        lines.append(make_line(row[5], row[6]))
    if current:
        batch.append(make_order(current, lines))
    return unique(batch)


def read_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        row = tokenize(line)
        if len(row) != len(COLUMNS):
            raise OrderError(f"{len(row)} fields instead of {len(COLUMNS)} in {line!r}")
        yield row


def tokenize(line: str) -> list[str]:
    """Split one line at the commas that stand outside quotes."""
    fields = []
    start = 0
    quoted = False
    for position, char in enumerate(line):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            fields.append(unquote(line[start:position]))
            start = position + 1
    if quoted:
        raise OrderError(f"unclosed quote in {line!r}")
    fields.append(unquote(line[start:]))
    return fields


def unquote(field: str) -> str:
    """A field's text without its quotes; a doubled quote inside stands for one."""
    field = field.strip()
    if field[:1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def make_order(row: list[str], lines: Iterable[Line]) -> Order:
    number, customer, email, country, placed, *_ = row
    return Order(number, customer, check_email(email), check_country(country), date.fromisoformat(placed), tuple(lines))


def make_line(sku: str, quantity: str | int) -> Line:
    return Line(check_sku(sku), check_quantity(quantity))


# --- JSON --------------------------------------------------------------------------------------------------


def parse_json(text: str) -> list[Order]:
    """Orders from the web shop's export (see ``shop.export``)."""
    batch = []
    for record in json.loads(text)["orders"]:
        batch.append(read_order(record))
    return unique(batch)


def read_order(record: dict[str, Any]) -> Order:
    lines = []
    for line in record["lines"]:
        lines.append(make_line(line["sku"], line["quantity"]))
    return Order(
        number=record["number"],
        customer=record["customer"],
        email=check_email(record["email"]),
        country=check_country(record["country"]),
        placed=date.fromisoformat(record["placed"]),
        lines=tuple(lines),
    )


# --- checks ------------------------------------------------------------------------------------------------


def unique(batch: Iterable[Order]) -> list[Order]:
    """The orders in sequence, the first of each number; both channels may deliver an order twice."""
    seen = set()
    kept = []
    for order in batch:
        if order.number not in seen:
            seen.add(order.number)
            kept.append(order)
    return kept


def check_email(address: str) -> str:
    if not EMAIL.fullmatch(address):
        raise OrderError(f"not an e-mail address: {address!r}")
    return address


def check_country(code: str) -> str:
    if code not in COUNTRIES:
        raise OrderError(f"no delivery to {code!r}")
    return code


def check_quantity(quantity: str | int) -> int:
    pieces = int(quantity)
    if not 1 <= pieces <= 10_000:
        raise OrderError(f"quantity {quantity!r} is not between 1 and 10000")
    return pieces
