"""How money is written."""

from __future__ import annotations


def euros(cents: int) -> str:
    """``1234567`` → ``12,345.67 €``."""
    whole, part = divmod(abs(cents), 100)
    sign = "-" if cents < 0 else ""
    return f"{sign}{whole:,}.{part:02d} €"
