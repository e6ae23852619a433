"""A record of two thousand columns, each with a reader of its own made for it, as generated code does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Reader = Callable[[str], Any]
KINDS: tuple[Reader, ...] = (int, float, str.strip, str.upper)


def readers(columns: int = 2_000) -> list[Reader]:
    return [reader(f"read_c{i:04}", KINDS[i % len(KINDS)]) for i in range(columns)]


def reader(name: str, convert: Reader) -> Reader:
    def read(text: str) -> Any:
        if not text:
            return None
        return convert(text)

    read.__code__ = read.__code__.replace(co_name=name, co_qualname=name)
    return read


def line(columns: int = 2_000) -> list[str]:
    """Numbers, but for one column that holds a list."""
    texts = [str(i * 31 % 1_000) for i in range(columns)]
    texts[1_207] = str([*range(12)])
    return texts


def record(readers: Sequence[Reader], texts: Sequence[str]) -> list[Any]:
    return [read(text) for read, text in zip(readers, texts, strict=True)]
