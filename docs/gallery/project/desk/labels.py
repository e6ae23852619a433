"""Shipping labels, each printed with the settings of its carrier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

SETTINGS: dict[str, dict[str, Any]] = {
    carrier: {
        "width": 60,
        "fields": ["name", "street", "town"],
        "margins": {"top": 1, "left": 2},
        "surcharge": {"heavy": 390, "bulky": 1_190},
    }
    for carrier in ("post", "courier", "bicycle")
}


def parcels(number: int = 60) -> list[dict[str, str]]:
    carriers = list(SETTINGS)
    return [
        {"carrier": carriers[i % 3], "name": f"Person {i}", "street": f"{i} Long Lane", "town": f"{10_000 + i} Town"}
        for i in range(number)
    ]


def sheet(parcels: Sequence[dict[str, str]]) -> str:
    return "\n\n".join(label(parcel) for parcel in parcels)


def label(parcel: dict[str, str]) -> str:
    settings = settings_of(parcel["carrier"])
    return "\n".join(centred(parcel[field], settings["width"]) for field in settings["fields"])


def settings_of(carrier: str) -> dict[str, Any]:
    return copy.deepcopy(SETTINGS[carrier])


def centred(text: str, width: int) -> str:
    words = text.split()
    return " ".join(word.capitalize() for word in words).center(width)
