from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.exact.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("side/src", "side/build", "environment"):
        (tmp_path / folder).mkdir(parents=True)
    return Places({"tree": tmp_path / "side", "environment": tmp_path / "environment"}, [tmp_path / "side" / "build"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("side/src/a.py", "tree/src/a.py"),
        ("side", "tree"),
        ("environment/lib/b.so", "environment/lib/b.so"),
        ("side/build/c", None),
        ("side/build", None),
    ],
)
def test_a_path_is_named_by_the_innermost_folder(places: Places, tmp_path: Path, path: str, name: str | None) -> None:
    assert places.name(str(tmp_path / path)) == name


def test_a_folder_whose_name_begins_alike_is_another_one(places: Places, tmp_path: Path) -> None:
    assert places.name(str(tmp_path / "side-by-side" / "a.py")) == str(tmp_path / "side-by-side" / "a.py")


def test_a_root_inside_a_scratch_folder_keeps_its_name(tmp_path: Path) -> None:
    inner = Places({"tree": tmp_path / "scratch" / "side"}, [tmp_path / "scratch"])
    assert inner.name(str(tmp_path / "scratch" / "side" / "a.py")) == "tree/a.py"
    assert inner.name(str(tmp_path / "scratch" / "a.py")) is None


def test_a_word_of_the_command_line_with_a_scratch_folder_in_it_is_no_file(places: Places, tmp_path: Path) -> None:
    # pytest-django looks for a Django project at every word, also at the value of -o.
    scratch = tmp_path / "side" / "build"
    for path in (f"cache_dir={scratch}", f"cache_dir={scratch}/cache"):
        assert places.name(f"{tmp_path}/side/src/{path}") is None
        assert places.name(f"/elsewhere/{path}") is None
    assert places.name(f"/elsewhere/cache_dir={scratch}-2") == f"/elsewhere/cache_dir={scratch}-2"


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/maps", "/sys/kernel"])
def test_the_systems_own_folders_are_no_inputs(places: Places, path: str) -> None:
    assert places.name(path) is None


def test_folders_above_a_root_are_on_every_side(places: Places, tmp_path: Path) -> None:
    assert places.contains_root(str(tmp_path))
    assert places.contains_root("/")
    assert not places.contains_root(str(tmp_path / "side" / "src"))


def test_scratch_files_have_a_name_below_their_folder(places: Places, tmp_path: Path) -> None:
    assert places.scratch(str(tmp_path / "side" / "build" / "made.py")) == "made.py"
    assert places.scratch(str(tmp_path / "side" / "src" / "a.py")) is None
