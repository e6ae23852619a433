"""A frame's name is the same on every checkout path, and any text that a code object can have gives one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Frame, FrameKind, SourceLine
from pytest_flame.sampling.naming import FrameNamer
from pytest_flame.sampling.profile_source import NATIVE_THREAD, TRUNCATED, RawFrame


def raw(path: object, qualname: str = "f", line: int = 7) -> RawFrame:
    return RawFrame(qualname, str(path), line)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with ``src`` on the search path, and an installed library next to it."""
    for file in ("repo/src/app/__init__.py", "repo/src/app/core.py", "repo/tools/run.py", "lib/dep/__init__.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def namer(checkout: Path, *more: str) -> FrameNamer:
    return FrameNamer(str(checkout / "repo"), [str(checkout / "repo/src"), str(checkout / "lib"), *more])


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("repo/src/app/core.py", "app.core"),
        ("repo/src/app/__init__.py", "app"),
        ("lib/dep/__init__.py", "dep"),
        ("repo/tools/run.py", "tools/run"),
        ("repo/tools/a:b.py", "tools/a.b"),
        ("repo/src/app/made.pyx", "app.made"),
        ("repo/src/app/../app/core.py", "app.core"),
    ],
)
def test_modules_are_named_as_they_are_imported(checkout: Path, file: str, module: str) -> None:
    assert namer(checkout).frame(raw(checkout / file, "C.f.<locals>.g")) == Frame(module, "C.f.<locals>.g")


@pytest.mark.parametrize(
    ("filename", "module"),
    [
        ("<string>", "<string>"),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap"),
        ("<doctest app:core[0]>", "<doctest app.core[0]>"),
        ("", "<unnamed>"),
    ],
)
def test_code_from_no_file_keeps_its_own_name(checkout: Path, filename: str, module: str) -> None:
    assert namer(checkout).frame(raw(filename)) == Frame(module, "f")
    assert namer(checkout).line(raw(filename)) is None


def test_what_the_sampler_makes_up_is_not_taken_for_python(checkout: Path) -> None:
    assert namer(checkout).frame(NATIVE_THREAD) == Frame("[native]", "[native thread]")
    assert namer(checkout).frame(TRUNCATED) == Frame("[stack]", "[truncated]")
    assert namer(checkout).frame(NATIVE_THREAD).kind is FrameKind.NATIVE
    assert namer(checkout).line(NATIVE_THREAD) is None
    assert namer(checkout).frame(RawFrame("native_call", "", 1)).module == "<unnamed>"


def test_the_longest_entry_of_the_search_path_wins(checkout: Path) -> None:
    names = namer(checkout, str(checkout / "repo"), str(checkout))
    assert names.frame(raw(checkout / "repo/src/app/core.py")).module == "app.core"
    assert names.frame(raw(checkout / "repo/tools/run.py")).module == "tools.run"


def test_entries_only_match_whole_folders(checkout: Path) -> None:
    (checkout / "repo/src2").mkdir()
    assert namer(checkout).frame(raw(checkout / "repo/src2/app.py")).module == "src2/app"


def test_two_checkouts_give_the_same_names(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "much" / "deeper"
    (other / "repo/src").mkdir(parents=True)
    (other / "lib").mkdir()
    for file in ("repo/src/app/core.py", "repo/tools/run.py", "repo/test_x.py"):
        assert namer(checkout).frame(raw(checkout / file)) == namer(other).frame(raw(other / file))
        assert namer(checkout).line(raw(checkout / file)) == namer(other).line(raw(other / file))


def test_a_checkout_behind_a_link_gives_the_same_names(checkout: Path) -> None:
    (checkout / "link").symlink_to(checkout / "repo")
    assert namer(checkout).frame(raw(checkout / "link/src/app/core.py")).module == "app.core"
    linked = FrameNamer(str(checkout / "link"), [str(checkout / "link/src")])
    assert linked.frame(raw(checkout / "repo/tools/run.py")).module == "tools/run"


def test_lines_are_relative_to_the_repository_where_they_lie_inside(checkout: Path) -> None:
    names = namer(checkout)
    assert names.line(raw(checkout / "repo/src/app/core.py")) == SourceLine("src/app/core.py", 7)
    outside = checkout / "lib/dep/__init__.py"
    assert names.line(raw(outside)) == SourceLine(str(outside), 7)


def test_relative_names_are_those_of_the_working_directory(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "repo")
    assert namer(checkout).frame(raw("tools/run.py")).module == "tools/run"


def test_the_running_programs_own_search_path_is_the_default() -> None:
    assert FrameNamer("/").frame(raw(pytest.__file__)).module == "pytest"
    assert FrameNamer("/", [p for p in sys.path if p]).frame(raw(os.__file__)).module == "os"


NAMES = FrameNamer("/repo", ["/", "/usr"])


@given(st.text(max_size=40), st.text(max_size=20), st.integers(0))
def test_any_code_object_has_a_name_that_can_be_read_back(filename: str, qualname: str, line: int) -> None:
    frame = NAMES.frame(RawFrame(qualname, filename, line))
    assert frame.module
    assert ":" not in frame.module
    assert Frame.parse(frame.name) == frame
    assert NAMES.frame(RawFrame(qualname, filename, line + 1)) == frame
    NAMES.line(RawFrame(qualname, filename, line))


@given(
    st.sampled_from(["/", "/repo", "/repo/src", "//", "/repo/", "."]),
    st.lists(st.sampled_from(list("/.:ab_\0 ")), max_size=8),
)
def test_odd_paths_have_names_too(start: str, rest: list[str]) -> None:
    frame = NAMES.frame(raw(start + "".join(rest)))
    assert frame.module and ":" not in frame.module
