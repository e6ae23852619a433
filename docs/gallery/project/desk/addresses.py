"""The distinct addresses of a mailing, in the order they came."""

from __future__ import annotations

from collections.abc import Iterable


def mailing(size: int = 900) -> list[str]:
    return [f"  Person.{i * 31 % (size - 100)}+news@Example.{'com' if i % 3 else 'org'} " for i in range(size)]


def distinct(addresses: Iterable[str]) -> list[str]:
    seen = set()
    kept = []
    for address in map(normal_form, addresses):
        if address not in seen:
            seen.add(address)
            kept.append(address)
    return kept


def normal_form(address: str) -> str:
    name, _, host = address.strip().partition("@")
    return f"{without_tag(name)}@{host.lower()}"


def without_tag(name: str) -> str:
    return name.partition("+")[0].replace(".", "").lower()
