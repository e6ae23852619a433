"""Every state in which a stored baseline cannot be used, and what to do about it.

Each function builds a ``BaselineError``. ``test_id`` is None if a directory is listed and the test is not known.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pytest_flame.baseline.stored import SCHEMA
from pytest_flame.errors import BaselineError

_NO_ORIGIN = "the commit that the baseline of {} was recorded from was not found"
_CONFLICT = re.compile(r"^<{7} .*^={7}$.*^>{7} ", re.MULTILINE | re.DOTALL)


def is_conflicted(text: str) -> bool:
    """Whether the text contains conflict markers as git writes them."""
    return _CONFLICT.search(text) is not None


def conflicted(test_id: str | None, path: Path) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} holds an unresolved merge conflict: {path}",
        why="two branches recorded it, and recordings cannot be merged line by line",
        fix=f"record the merged code: {_record(test_id)}"
        f"\n       or take one side whole: git checkout --theirs -- {_quoted(path)}",
    )


def malformed(test_id: str | None, path: Path, problem: str) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} is damaged: {path}",
        why=problem,
        fix=_restore_or_record(test_id, path),
    )


def half(test_id: str, folded_path: Path, json_path: Path) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} is incomplete: {json_path} is missing",
        why=f"{folded_path.name} exists, which an earlier release wrote next to it; perhaps one was not committed",
        fix=_restore_or_record(test_id, json_path),
    )


def edited(test_id: str | None, path: Path) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} was changed after it was recorded: {path}",
        why="its content differs from the stored hash: edited by hand, or merged",
        fix=_restore_or_record(test_id, path),
    )


def newer(test_id: str | None, path: Path, version: int) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} was written by a newer pytest-flame: {path}",
        why=f"its schema is pytest-flame/baseline/{version}; this version reads {SCHEMA} and earlier ones",
        fix="pip install --upgrade pytest-flame",
    )


def unknown_schema(test_id: str | None, path: Path, schema: object) -> BaselineError:
    shown = "missing" if schema is None else repr(schema)[:80]
    return BaselineError(
        f"{_whose(test_id)} is not in a format that this version reads: {path}",
        why=f"its schema is {shown}; this version reads {SCHEMA} and earlier ones",
        fix=_restore_or_record(test_id, path),
    )


def foreign(test_id: str, path: Path, stated: str) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} belongs to a different test: {path}",
        why=f"it was recorded for {stated}; a copied or renamed file is not a baseline",
        fix=_restore_or_record(test_id, path),
    )


def misnamed(test_id: str, path: Path, right: Path) -> BaselineError:
    return BaselineError(
        f"{path} is not named after the test it was recorded for",
        why=f"it says it is for {test_id}, whose baseline is {right.name}",
        fix=f"rename it back, or delete it: rm -f {_quoted(path)}",
    )


def claimed_twice(test_id: str, first: Path, second: Path, right: Path) -> BaselineError:
    wrong = first if second.name == right.name else second
    return BaselineError(
        f"two files claim to be the baseline of {test_id}: {first} and {second}",
        why=f"its baseline is {right.name}; the other is a copy",
        fix=f"delete the copy: rm -f {_quoted(wrong)}",
    )


def unreadable(test_id: str | None, path: Path, error: OSError) -> BaselineError:
    return BaselineError(
        f"{_whose(test_id)} cannot be read: {path}",
        why=_system_words(error),
        fix=f"make it readable for this user: ls -l {_quoted(path)}",
    )


def unwritable(test_id: str, directory: Path, error: OSError) -> BaselineError:
    return BaselineError(
        f"cannot write the baseline of {test_id} in {directory}; the files there are unchanged",
        why=_system_words(error),
        fix=f"once that is fixed: {_record(test_id)}",
    )


def undeletable(test_id: str, path: Path, error: OSError) -> BaselineError:
    return BaselineError(
        f"cannot delete the baseline of {test_id}: {path}",
        why=_system_words(error),
        fix=f"delete it once that is fixed: rm -f {_quoted(path)}",
    )


def another_session(test_id: str, path: Path, different: list[str]) -> BaselineError:
    return BaselineError(
        f"this recording cannot be added to the baseline of {test_id}: {path}",
        why="; ".join(different),
        fix=f"record the code as it is now: {_record(test_id)}",
    )


def origin_cut_off(test_id: str) -> BaselineError:
    return BaselineError(
        _NO_ORIGIN.format(test_id),
        why="the clone is shallow: its history is incomplete, and no commit in it has the recorded sources",
        fix="git fetch --unshallow    (in GitHub's checkout action: fetch-depth: 0)",
    )


def origin_without_sources(test_id: str, path: Path) -> BaselineError:
    return BaselineError(
        _NO_ORIGIN.format(test_id),
        why=f"{path} is not committed in its current state, and names no source file to find a commit by",
        fix=f"commit it: git add {_quoted(path)}",
    )


def origin_uncommitted(test_id: str) -> BaselineError:
    return BaselineError(
        _NO_ORIGIN.format(test_id),
        why="it was recorded from the current sources, and no commit has them",
        fix="commit the sources together with the baseline",
    )


def origin_unknown(test_id: str, path: Path, *, committed: bool) -> BaselineError:
    state = "" if committed else f"; {path} is not committed in its current state"
    return BaselineError(
        _NO_ORIGIN.format(test_id),
        why=f"no commit has the recorded sources{state}",
        fix=f"record it again, and commit it with the sources: {_record(test_id)}",
    )


def nothing_to_move(test_id: str, directory: Path) -> BaselineError:
    return BaselineError(
        f"there is no baseline of {test_id} in {directory} to move",
        fix='give the exact test id: the value of "test" in the baseline\'s JSON file',
    )


def in_the_way(old_id: str, new_id: str, path: Path) -> BaselineError:
    return BaselineError(
        f"cannot move the baseline of {old_id}: {new_id} already has one, {path}",
        why="moving never replaces a baseline",
        fix=f"delete the unwanted one: rm -f {_quoted(path)}",
    )


def _whose(test_id: str | None) -> str:
    return "a stored baseline" if test_id is None else f"the baseline of {test_id}"


def _restore_or_record(test_id: str | None, path: Path) -> str:
    restored = f"restore the committed file: git checkout HEAD -- {_quoted(path)}"
    return f"{restored}\n       or record it again: {_record(test_id)}"


def _record(test_id: str | None) -> str:
    return "pytest --flame-update=all" + (f" {shlex.quote(test_id)}" if test_id is not None else "")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _system_words(error: OSError) -> str:
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
