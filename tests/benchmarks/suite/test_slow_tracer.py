"""What counts as another function for the slow tracer."""

from __future__ import annotations

import pytest

from benchmarks.suite.slow_tracer import compiled

BEFORE = '''
def f(a):
    """Text."""
    return [a, lambda: 1, lambda: 1]
'''


def hashes(source: str) -> dict[str, list[str]]:
    """By qualified name, in the order of lines."""
    found: dict[str, list[str]] = {}
    for (name, _), codes in sorted(compiled(source).items(), key=lambda item: item[0][1]):
        found.setdefault(name, []).extend(sorted(codes))
    return found


@pytest.mark.parametrize(
    "after",
    [
        BEFORE.replace("Text.", "Other."),
        BEFORE.replace('    """Text."""\n', ""),
        f"# comment\n{BEFORE}",
        BEFORE.replace("[a, ", "[\n        a,\n        "),
    ],
)
def test_how_it_is_written_does_not_count(after: str) -> None:
    assert hashes(after) == hashes(BEFORE)


def test_what_it_does_counts_where_it_is_done() -> None:
    before, after = hashes(BEFORE), hashes(BEFORE.replace("return [a", "return [-a"))
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"f"}
    nested = hashes(BEFORE.replace("lambda: 1, lambda: 1", "lambda: 1, lambda: 2"))
    assert {name for name in before if before[name] != nested[name]} == {"f.<locals>.<lambda>"}
