"""Made-up business, the same on every machine: all randomness comes from the seed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from shop.model import Line, Order, Product
from shop.sku import make_sku

CATEGORIES = {"TEA": "tea", "COF": "coffee", "CUP": "cup", "POT": "pot", "BIS": "biscuits", "BOK": "book"}
ORIGINS = ("Assam", "Darjeeling", "Yunnan", "Kyoto", "Sumatra", "Antigua", "Harrar", "Delft", "Meissen", "Oxford")
KINDS = ("black", "green", "smoked", "first flush", "organic", "large", "small", "hand painted", "roasted", "spiced")
FIRST = ("Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "John", "Margaret", "Tony")
LAST = ("Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Knuth", "Liskov", "Lovelace", "McCarthy", "Turing")
DOMAINS = ("example.com", "post.example.museum", "mail.example.org", "example.furniture")
COUNTRIES = ("AT", "CH", "DE", "FR", "GB", "NL")


def products(count: int = 60, seed: int = 1) -> list[Product]:
    random = Random(seed)
    chosen = []
    for serial in range(1, count + 1):
        code, noun = random.choice(list(CATEGORIES.items()))
        name = f"{random.choice(ORIGINS)} {random.choice(KINDS)} {noun}, No. {serial}"
        chosen.append(Product(make_sku(code, serial * 37), name, code, random.randrange(190, 9900)))
    return chosen


def orders(count: int, goods: Sequence[Product], seed: int = 2) -> list[Order]:
    random = Random(seed)
    return [_order(serial, goods, random) for serial in range(1, count + 1)]


def _order(serial: int, goods: Sequence[Product], random: Random) -> Order:
    first, last = random.choice(FIRST), random.choice(LAST)
    return Order(
        number=f"2026-{serial:05d}",
        customer=f"{last}, {first}" if random.random() < 0.7 else f'{last}, "{first}"',
        email=f"{first}.{last}{random.randrange(100)}@{random.choice(DOMAINS)}".lower(),
        country=random.choice(COUNTRIES),
        placed=date(2026, 1, 1) + timedelta(days=random.randrange(300)),
        lines=tuple(Line(item.sku, random.randint(1, 40)) for item in random.sample(goods, random.randint(2, 6))),
    )


def as_csv(batch: Sequence[Order]) -> str:
    """One row per order line, as the till exports it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["number", "customer", "email", "country", "placed", "sku", "quantity"])
    for order in batch:
        head = [order.number, order.customer, order.email, order.country, order.placed.isoformat()]
        writer.writerows([*head, line.sku, line.quantity] for line in order.lines)
    return out.getvalue()
