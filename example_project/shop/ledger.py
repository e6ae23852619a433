"""Invoices sealed in a hash chain: changing one breaks the seal of every later one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from shop.model import Order, Quote

GENESIS = "0" * 64

Value = str | int | Sequence["Value"] | Mapping[str, "Value"]
Entry = Mapping[str, Value]


class BrokenSeal(ValueError):
    """An entry of the ledger does not match its seal."""


@dataclass(slots=True)
class Ledger:
    entries: list[Entry] = field(default_factory=list)
    seals: list[str] = field(default_factory=list)

    def append(self, entry: Entry) -> None:
        previous = self.seals[-1] if self.seals else GENESIS
        self.entries.append(entry)
        self.seals.append(seal(previous, entry))

    def verify(self) -> str:
        """The last seal, once every seal has been recomputed."""
        previous = GENESIS
        for entry, expected in zip(self.entries, self.seals, strict=True):
            previous = seal(previous, entry)
            if previous != expected:
                raise BrokenSeal(f"invoice {entry['number']} was changed after it was sealed")
        return previous


def post(entries: Iterable[Entry]) -> Ledger:
    """A ledger of the entries, sealed and verified."""
    ledger = Ledger()
    for entry in entries:
        ledger.append(entry)
    ledger.verify()
    return ledger


def invoice(order: Order, quote: Quote) -> Entry:
    return {
        "number": order.number,
        "customer": order.customer,
        "placed": order.placed.isoformat(),
        "lines": [{"sku": line.sku, "quantity": line.quantity} for line in order.lines],
        "total": quote.total,
    }


def seal(previous: str, entry: Entry) -> str:
    return sha256(f"{previous}\n{canonical(entry)}".encode()).hexdigest()


def canonical(value: Value) -> str:
    """One text for equal values: JSON with sorted keys and no spaces."""
    if isinstance(value, str):
        return quote_text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return canonical_mapping(value)
    return canonical_sequence(value)


def canonical_mapping(mapping: Mapping[str, Value]) -> str:
    parts = []
    for key in sorted(mapping):
        parts.append(f"{quote_text(key)}:{canonical(mapping[key])}")
    return "{" + ",".join(parts) + "}"


def canonical_sequence(values: Sequence[Value]) -> str:
    parts = []
    for value in values:
        parts.append(canonical(value))
    return "[" + ",".join(parts) + "]"


def quote_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
