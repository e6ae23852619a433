"""The golden files' own rules."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def test_no_golden_file_is_an_orphan() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in FOLDER.iterdir() if f'golden("{path.name}"' not in tests] == []
