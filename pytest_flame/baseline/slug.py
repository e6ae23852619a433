"""File names for tests."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_READABLE_LENGTH: Final = 96
_HASH_LENGTH: Final = 12


def slug(test_id: str) -> str:
    """The stem of a test's baseline files: readable, safe on every file system, and different for every test id.

    ASCII letters, digits, ``_`` and ``-`` only, so neither directories nor reserved names (``con.py``) can arise, at
    most 109 characters. The hash of the exact id always follows: ids that differ in case, or in what was replaced or
    cut off, stay distinct even if the file system ignores case.
    """
    readable = re.sub(r"\.py(?=::|\Z)", "", test_id)
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", readable)[:_READABLE_LENGTH].strip("-")
    digest = hashlib.sha256(test_id.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{readable or 'test'}-{digest}"
