"""Ids that contain the checkout's path."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flame.trees.identity import Identity, top_of

HOME = Identity.at((Path("/home/u/repo/sub"), Path("/home/u/repo")))
TREE = Identity.at((Path("/tmp/x/head/sub"), Path("/tmp/x/head")), (Path("/home/u/repo/sub"), Path("/home/u/repo")))


@pytest.mark.parametrize(
    ("node_id", "portable"),
    [
        ("test_a.py::test[1]", "test_a.py::test[1]"),
        ("test_a.py::test[/home/u/repo/sub]", "test_a.py::test[{rootdir}]"),
        ("test_a.py::test[3-/home/u/repo/sub/a b.json]", "test_a.py::test[3-{rootdir}/a b.json]"),
        ("test_a.py::test[/home/u/repo/data.json-x]", "test_a.py::test[{checkout}/data.json-x]"),
        (
            "test_a.py::test[file:///home/u/repo/sub/a?x=/home/u/repo]",
            "test_a.py::test[file://{rootdir}/a?x={checkout}]",
        ),
        ("test_a.py::test[/home/u/repository/a]", "test_a.py::test[/home/u/repository/a]"),
        ("test_a.py::test[/mnt/home/u/repo/a]", "test_a.py::test[/mnt/home/u/repo/a]"),
        ("/home/u/repo/test_a.py::test", "/home/u/repo/test_a.py::test"),
    ],
)
def test_paths_of_the_checkout(node_id: str, portable: str) -> None:
    assert HOME.test_id(node_id) == portable
    assert TREE.test_id(node_id) == portable
    moved = node_id.replace("[/home/u/repo/", "[/tmp/x/head/") if "/repo/" in portable else node_id
    assert TREE.test_id(moved) == portable


def test_a_side_spells_them_by_its_tree() -> None:
    assert TREE.test_id("t.py::t[/tmp/x/head/sub/a]") == HOME.test_id("t.py::t[/home/u/repo/sub/a]")
    assert TREE.test_id("t.py::t[/tmp/x/head/a]") == HOME.test_id("t.py::t[/home/u/repo/a]")


def test_spellings_of_one_folder(tmp_path: Path) -> None:
    real = tmp_path / "größe"
    (real / ".git").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    identity = Identity.at((link, top_of(link)))
    for spelled in (link, real, Path(str(real).encode("unicode_escape").decode())):
        assert identity.test_id(f"t.py::t[{spelled}/a]") == "t.py::t[{rootdir}/a]"


def test_two_that_would_become_one_keep_their_ids() -> None:
    ids = ["t.py::t[/home/u/repo/sub]", "t.py::t[{rootdir}]", "t.py::t[/home/u/repo/sub/a]"]
    assert HOME.test_ids(ids) == [ids[0], ids[1], "t.py::t[{rootdir}/a]"]


def test_top_of_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.git").write_text("gitdir: elsewhere\n")
    assert top_of(tmp_path / "a/b") == tmp_path / "a"
    assert Identity.at((Path("/"), None)).places == ()
