"""One marked test for each way in which Python programs spend their time. All do the same in every process."""

from __future__ import annotations

import json
import os
import re
import zlib

import numpy
import pytest

RECORDS = [
    {"id": i, "name": f"item {i}", "price": i * 1.25, "tags": ["a", "b", str(i % 7)], "stock": {"x": i, "y": None}}
    for i in range(60)
]
LOG = "\n".join(
    f"2024-03-{i % 28 + 1:02} 12:{i % 60:02} host{i % 5} GET /item/{i}?q={i * 7} 200 {i * 31}" for i in range(80)
)
LINE = re.compile(r"(\d+)-(\d+)-(\d+) (\S+) (host\d) (GET|POST) (/\S*?)(?:\?(\S*))? (\d{3}) (\d+)")
TEXT = LOG.encode() * 3
PAGE = bytes(4096)


# --- recursion: the interpreter and nothing else ------------------------------------------------------------


def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@pytest.mark.flame
def test_recursion() -> None:
    assert fibonacci(15) == 610


# --- dictionaries and JSON: hashing, allocation, the garbage collector ----------------------------------------


def by_tag(records: list[dict[str, object]]) -> dict[str, list[object]]:
    groups: dict[str, list[object]] = {}
    for record in records:
        for tag in record["tags"]:  # type: ignore[attr-defined]
            groups.setdefault(tag, []).append({**record, "tag": tag})
    return groups


@pytest.mark.flame
def test_json() -> None:
    assert len(json.dumps(by_tag(json.loads(json.dumps(RECORDS))))) > 1000


# --- regular expressions: one long native function --------------------------------------------------------------


@pytest.mark.flame
def test_regex() -> None:
    assert sum(int(match[10]) for match in LINE.finditer(LOG)) == 97960


# --- numpy: vector units and memory -----------------------------------------------------------------------------


@pytest.mark.flame
def test_numpy() -> None:
    x = numpy.linspace(0.0, 1.0, 20_000)
    y = numpy.sqrt(x * x + 1.0) - numpy.sin(x)
    assert numpy.sort(y[::-1])[0] < 2


# --- a C extension that does real work ----------------------------------------------------------------------------


@pytest.mark.flame
def test_compression() -> None:
    assert zlib.decompress(zlib.compress(TEXT, 6)) == TEXT


# --- many small functions in objects ------------------------------------------------------------------------------


class Amount:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cents + other.cents)

    def __lt__(self, other: Amount) -> bool:
        return self.cents < other.cents

    @property
    def whole(self) -> int:
        return self.cents // 100


def discounted(amount: Amount, percent: int) -> Amount:
    return Amount(part(amount.cents, 100 - percent))


def part(cents: int, percent: int) -> int:
    return cents * percent // 100


def priced(count: int) -> list[Amount]:
    return [discounted(Amount(number * 37 % 1000), number % 5) for number in range(count)]


def summed(amounts: list[Amount]) -> Amount:
    total = Amount(0)
    for amount in amounts:
        total = total + amount
    return total


@pytest.mark.flame
def test_objects() -> None:
    amounts = priced(200)
    assert summed(sorted(amounts)).whole == summed(amounts).whole > 0


# --- system calls ---------------------------------------------------------------------------------------------------


@pytest.mark.flame
def test_system_calls() -> None:
    read, write = os.pipe()
    for _ in range(100):
        os.write(write, PAGE)
        os.read(read, 4096)
    os.close(read)
    os.close(write)
    for _ in range(50):
        os.access("/proc/self", os.R_OK)
