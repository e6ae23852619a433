"""The index of a text: which words stand in which paragraphs, and how often."""

from __future__ import annotations

from collections.abc import Sequence


def paragraphs(number: int = 40) -> list[str]:
    stems = ("parcel", "Invoice", "refund", "Customer", "address", "late", "paid", "sealed")
    return [" ".join(f"{stems[(i * n) % 8]}{(i + n) % 13}," for n in range(50)) for i in range(number)]


def index(paragraphs: Sequence[str]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for number, paragraph in enumerate(paragraphs):
        for word in words(paragraph):
            places = found.setdefault(stem(word), {})
            places[number] = places.get(number, 0) + 1
    return found


def words(paragraph: str) -> list[str]:
    kept = []
    word = ""
    for character in paragraph + " ":
        if character.isalnum():
            word += character
        elif word:
            kept.append(word)
            word = ""
    return kept


def stem(word: str) -> str:
    return word.lower().rstrip("0123456789")
