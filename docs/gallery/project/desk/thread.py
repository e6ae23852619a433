"""A discussion in which each message answers the one before: a thousand levels deep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    author: str
    words: str
    answer: Message | None = None


def discussion(depth: int = 1_000) -> Message:
    message = None
    for i in reversed(range(depth)):
        message = Message(f"Person {i % 7}", f"I don't agree with number {i} at all", message)
    assert message is not None
    return message


def show(message: Message, level: int = 0) -> list[str]:
    lines = show(message.answer, level + 1) if message.answer else []
    lines.append(heading(message, level))
    lines.append(message.words)
    return lines


def heading(message: Message, level: int) -> str:
    return f"{message.author}, answer {level}"
