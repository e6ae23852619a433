"""Reads untrusted JSON values: each accessor checks a type and a range; errors give the path of the value."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

_MAX: Final = 2**63 - 1

T = TypeVar("T")


class Malformed(ValueError):
    """A value does not match the schema; the message gives its path, ``processes[2].rounds[0][1]``."""


@dataclass(frozen=True, slots=True)
class Field:
    """One JSON value and its path."""

    value: Any
    path: str

    def fail(self, problem: str) -> NoReturn:
        raise Malformed(f"{self.path or 'the file'} {problem}")

    def __getitem__(self, name: str) -> Field:
        return Field(self.value[name], f"{self.path}.{name}" if self.path else name)

    def member(self, name: str) -> Field:
        """A field of an object that may have others, too."""
        if name not in self._object():
            self.fail(f"lacks {name!r}")
        return self[name]

    def optional(self, read: Callable[[Field], T]) -> T | None:
        """What ``read`` makes of the value, or None for null."""
        return None if self.value is None else read(self)

    def keys(self, *names: str, optional: tuple[str, ...] = ()) -> None:
        """The value is an object with exactly these fields; the optional ones may be missing."""
        members = self._object()
        for name in names:
            if name not in members:
                self.fail(f"lacks {name!r}")
        for name in members:
            if name not in names and name not in optional:
                self.fail(f"has the unknown field {name!r}")

    def items(self, *lengths: int) -> list[Field]:
        """The members of a list; of one of these lengths, if given."""
        if not isinstance(self.value, list):
            self._expected("a list")
        if lengths and len(self.value) not in lengths:
            self.fail(f"has {len(self.value)} members, not {' or '.join(map(str, lengths))}")
        return [Field(member, f"{self.path}[{index}]") for index, member in enumerate(self.value)]

    def integer(self, low: int | None = 0, high: int = _MAX) -> int:
        """A whole number from ``low`` (None: any negative number that fits in 64 bits) to ``high``."""
        if type(self.value) is not int:  # bool is an int, and 1.0 is not
            self._expected("a whole number")
        least = -_MAX - 1 if low is None else low
        if not least <= self.value <= high:
            self.fail(f"is {self.value}, outside {least} … {high}")
        return int(self.value)

    def optional_integer(self) -> int | None:
        return None if self.value is None else self.integer()

    def optional_number(self) -> float | None:
        """A number ≥ 0, or null."""
        if self.value is None:
            return None
        if type(self.value) not in (int, float) or not 0 <= self.value <= _MAX:
            self._expected("a number ≥ 0")
        return float(self.value)

    def number(self) -> float:
        """Any finite number that fits in 64 bits."""
        if type(self.value) not in (int, float) or not -_MAX <= self.value <= _MAX:
            self._expected("a number")
        return float(self.value)

    def fraction(self) -> float:
        """A number from 0 to below 1."""
        if type(self.value) not in (int, float) or not 0 <= self.value < 1:
            self._expected("a number from 0 to below 1")
        return float(self.value)

    def names(self) -> list[str]:
        """The fields of an object, in order."""
        return list(self._object())

    def text(self) -> str:
        if not isinstance(self.value, str):
            self._expected("a string")
        return str(self.value)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self._expected("true or false")
        return bool(self.value)

    def texts(self) -> dict[str, str]:
        """An object whose values are strings."""
        return {name: self[name].text() for name in self._object()}

    def flat(self, cls: type[T]) -> T:
        """A dataclass of strings, flags and whole numbers ≥ 0; fields with a default may be missing."""
        members = self._object()
        fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        readers = {"str": Field.text, "bool": Field.flag, "int": Field.integer, "int | None": Field.integer}
        for name in members:
            if name not in fields:
                self.fail(f"has the unknown field {name!r}")
        for name, field in fields.items():
            if name not in members and field.default is dataclasses.MISSING:
                self.fail(f"lacks {name!r}")
        return cls(**{name: readers[str(fields[name].type)](self[name]) for name in members})

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            self._expected("an object")
        return dict(self.value)

    def _expected(self, kind: str) -> NoReturn:
        shown = repr(self.value)
        self.fail(f"is {shown if len(shown) <= 40 else shown[:40] + '…'}, not {kind}")
