"""A commit and the working tree as copies; the checkout stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.git import Repository
from pytest_flame.git_program import GitError
from pytest_flame.trees import ignored
from pytest_flame.trees.copies import Trees, build_trees, files_below
from pytest_flame.trees.existed import test_existed as existed

Build = Callable[..., Trees]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout.init(tmp_path / "project")


@pytest.fixture
def build(checkout: Checkout, tmp_path: Path) -> Build:
    """Builds both trees and checks that none of the user's files changed."""

    def build(ref: str = "HEAD", **more: object) -> Trees:
        repo = Repository.find(checkout.path)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        before = checkout.state()
        try:
            return build_trees(repo, repo.resolve(ref), scratch, ("test_*.py",), **more)  # type: ignore[arg-type]
        finally:
            assert checkout.state() == before

    return build


def content(tree: Path) -> dict[str, str]:
    return {p: (tree / p).read_text() for p in files_below(tree)}


def test_a_dirty_working_tree(checkout: Checkout, build: Build) -> None:
    for name in ("kept.py", "changed.py", "deleted.py"):
        checkout.write(name, "old")
    checkout.commit()
    checkout.write("changed.py", "new")
    checkout.write("staged.py", "staged")
    checkout.git("add", "staged.py")
    checkout.write("untracked.py", "untracked")
    (checkout.path / "deleted.py").unlink()
    trees = build()
    assert content(trees.base) == {"kept.py": "old", "changed.py": "old", "deleted.py": "old"}
    assert content(trees.head) == {
        "kept.py": "old",
        "changed.py": "new",
        "staged.py": "staged",
        "untracked.py": "untracked",
    }


def test_heads_tests_and_their_data_go_to_base(checkout: Checkout, build: Build) -> None:
    for name in (
        "pkg/__init__.py",
        "pkg/x.py",
        "pkg/test_x.py",
        "tests/test_a.py",
        "tests/gone.json",
        "tests/test_gone.py",
    ):
        checkout.write(name, "old")
    checkout.commit()
    checkout.git("rm", "-q", "tests/gone.json", "tests/test_gone.py")
    for name in ("pkg/x.py", "pkg/test_x.py", "tests/test_a.py", "tests/new.json"):
        checkout.write(name, "new")
    assert content(build().base) == {
        "pkg/__init__.py": "old",
        "pkg/x.py": "old",
        "pkg/test_x.py": "new",
        "tests/test_a.py": "new",
        "tests/new.json": "new",
    }


def test_head_is_a_commit_with_the_working_trees_tests(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "generated.py\nonce.py\nlater.py\n")
    checkout.write("code.py", "first")
    checkout.write("tests/test_a.py", "first")
    checkout.write("once.py", "first")
    checkout.git("add", "-f", "once.py")
    checkout.commit()
    checkout.git("rm", "-q", "once.py")
    checkout.write("code.py", "second")
    checkout.write("added.py", "second")
    checkout.write("tests/test_gone.py", "second")
    checkout.write("later.py", "second")
    checkout.git("add", "-f", "later.py")
    second = checkout.commit()
    checkout.git("rm", "-q", "tests/test_gone.py", "later.py")
    checkout.commit()
    for name in ("code.py", "added.py", "tests/test_a.py", "tests/test_new.py", "generated.py", "once.py", "later.py"):
        checkout.write(name, "now")
    checkout.write("untracked.py", "now")
    trees = build("HEAD~2", head_commit=second)
    tests = {"tests/test_a.py": "now", "tests/test_new.py": "now"}
    ignored = {"generated.py": "now", ".gitignore": (checkout.path / ".gitignore").read_text()}
    assert content(trees.base) == {"code.py": "first", "once.py": "first", **tests, **ignored}
    assert content(trees.head) == {
        **{"code.py": "second", "added.py": "second", "later.py": "second", "once.py": "now"},
        **tests,
        **ignored,
    }


@pytest.mark.parametrize(("changed", "side"), [("HEAD~1", "base"), ("HEAD", "head")])
def test_compiled_modules_are_those_of_the_working_tree(
    checkout: Checkout, build: Build, changed: str, side: str
) -> None:
    """One side's source for it differs from what it was built from; the other side's does not."""
    checkout.write(".gitignore", "*.so\n")
    for commit in ("HEAD~1", "HEAD"):
        checkout.write("fast.c", "old" if commit == changed else "now")
        checkout.commit()
    checkout.write("fast.c", "now")
    checkout.write("fast.so", "built")
    with pytest.raises(GitError, match=f"fast.so. cannot be used for the {side}") as raised:
        build("HEAD~1", head_commit=checkout.git("rev-parse", "HEAD"))
    assert f"the {side}'s: fast.c" in raised.value.why


def test_generated_files_are_on_both_sides_and_caches_on_none(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "*\n!.gitignore\n!*.txt\n")
    checkout.write("tracked.txt", "old")
    checkout.write("written.txt", "old")
    checkout.commit()
    checkout.git("rm", "-q", "--cached", "written.txt")
    checkout.write(".gitignore", "*\n!.gitignore\n!tracked.txt\n")
    checkout.write("written.txt", "generated now, tracked at REF")
    for name in ("pkg/_version.py", "x.egg-info/PKG-INFO", "data/a.bin"):
        checkout.write(name, "generated")
    for name in (".venv/pyvenv.cfg", "env2/pyvenv.cfg", "c/CACHEDIR.TAG", "node_modules/x.js", "pkg/__pycache__/a.pyc"):
        checkout.write(name, "left out")
        checkout.write(str(Path(name).with_name("more.py")), "left out")
    checkout.write("build/lib/x.py", "left out")
    trees = build()
    generated = {"pkg/_version.py", "x.egg-info/PKG-INFO", "data/a.bin"}
    assert set(files_below(trees.head)) == generated | {".gitignore", "tracked.txt", "written.txt"}
    assert set(files_below(trees.base)) == generated | {".gitignore", "tracked.txt", "written.txt"}
    assert (trees.base / "written.txt").read_text() == "old"


def test_what_git_tracks_in_odd_folders_is_copied(checkout: Checkout, build: Build) -> None:
    checkout.write("build/tool.py", "old")
    checkout.write("sub/.cache/x.txt", "old")
    checkout.commit()
    checkout.write("build/fresh.py", "new")
    trees = build()
    assert set(files_below(trees.base)) == {"build/tool.py", "sub/.cache/x.txt"}
    assert set(files_below(trees.head)) == {"build/tool.py", "sub/.cache/x.txt", "build/fresh.py"}


def test_attributes_are_those_of_the_commit(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitattributes", "*.txt eol=crlf\nsecret.py export-ignore\n")
    checkout.write("a.txt", "1\n2\n")
    checkout.write("secret.py", "old")
    checkout.commit()
    checkout.write(".gitattributes", "")
    trees = build()
    assert (trees.base / "a.txt").read_bytes() == b"1\r\n2\r\n"
    assert (trees.base / "secret.py").exists()


def test_modes_and_links(checkout: Checkout, tmp_path: Path, build: Build) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("outside")
    checkout.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    checkout.write("pkg/a.txt", "old")
    (checkout.path / "inside").symlink_to("pkg/a.txt")
    (checkout.path / "absolute").symlink_to(checkout.path / "pkg" / "a.txt")
    (checkout.path / "folder").symlink_to("pkg")
    (checkout.path / "leaves").symlink_to("../outside.txt")
    (checkout.path / "nowhere").symlink_to("missing")
    checkout.commit()
    checkout.write("pkg/a.txt", "new")
    trees = build()
    for tree, text in ((trees.base, "old"), (trees.head, "new")):
        assert (tree / "run.sh").stat().st_mode & 0o111
        assert (
            (tree / "inside").read_text()
            == (tree / "absolute").read_text()
            == (tree / "folder/a.txt").read_text()
            == text
        )
        assert (tree / "leaves").read_text() == "outside"
        assert (tree / "nowhere").is_symlink()


@pytest.fixture
def library(tmp_path: Path) -> Checkout:
    made = Checkout.init(tmp_path / "library")
    made.commit(lib_py="1")
    return made


def test_submodules(checkout: Checkout, library: Checkout, build: Build) -> None:
    checkout.git("submodule", "--quiet", "add", str(library.path), "vendor/library")
    checkout.commit()
    library.commit(lib_py="2")
    checkout.git("-C", "vendor/library", "pull", "-q")
    checkout.commit()
    checkout.write("vendor/library/lib.py", "3")
    checkout.write("vendor/library/new.py", "new")
    trees = build("HEAD~1")
    assert (trees.base / "vendor/library/lib.py").read_text() == "1"
    assert not (trees.base / "vendor/library/new.py").exists()
    assert (trees.head / "vendor/library/lib.py").read_text() == "3"
    assert (trees.head / "vendor/library/new.py").exists()


def test_a_submodule_that_head_dropped(checkout: Checkout, library: Checkout, build: Build) -> None:
    checkout.git("submodule", "--quiet", "add", str(library.path), "library")
    checkout.commit()
    checkout.git("rm", "-q", "library")
    checkout.commit()
    trees = build("HEAD~1")
    assert (trees.base / "library/lib.py").read_text() == "1"
    assert not (trees.head / "library").exists()


def test_a_submodule_commit_that_is_not_here(checkout: Checkout, library: Checkout, build: Build) -> None:
    checkout.git("submodule", "--quiet", "add", str(library.path), "library")
    checkout.commit()
    missing = "1" * 40
    checkout.git("update-index", "--cacheinfo", f"160000,{missing},library")
    checkout.git("commit", "-qm", "elsewhere")
    with pytest.raises(GitError) as e:
        build()
    assert e.value.fix == f"git -C library fetch origin {missing}"


def test_a_submodule_that_is_not_initialised(checkout: Checkout, library: Checkout, tmp_path: Path) -> None:
    checkout.git("submodule", "--quiet", "add", str(library.path), "library")
    checkout.commit()
    checkout.git("clone", "-q", str(checkout.path), str(tmp_path / "clone"))
    repo = Repository.find(tmp_path / "clone")
    (tmp_path / "scratch").mkdir()
    trees = build_trees(repo, repo.resolve("HEAD"), tmp_path / "scratch", ("test_*.py",))
    assert "library is not initialised" in trees.notes[0]


def test_compiled_parts_are_shared_while_their_sources_are_the_same(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "*.so\n")
    checkout.write("pkg/fast.c", "old")
    checkout.write("pyproject.toml", "[build-system]\nrequires = []\n[project]\nversion = '1'\n")
    checkout.commit()
    checkout.write("pyproject.toml", "[build-system]\nrequires = []\n[project]\nversion = '2'\n")
    checkout.write("pkg/fast.so", "compiled")
    checkout.write("pkg/code.py", "new")
    trees = build()
    assert trees.shared == ("pkg/fast.so",)
    assert (trees.base / "pkg/fast.so").exists()


@pytest.mark.parametrize("changed", ["pkg/fast.c", "pyproject.toml", "setup.py", "Cargo.toml"])
def test_compiled_parts_of_other_sources_are_refused(checkout: Checkout, build: Build, changed: str) -> None:
    checkout.write(".gitignore", "*.so\n")
    checkout.write("pkg/fast.c", "old")
    checkout.commit()
    checkout.write("pkg/fast.so", "compiled")
    checkout.write(changed, "[build-system]\nrequires = ['x']\n")
    with pytest.raises(GitError, match="compiled modules") as e:
        build()
    assert changed in e.value.why
    assert "--flame-base-install" in e.value.fix


@pytest.mark.parametrize(
    ("written", "text", "generator"),
    [
        ("pkg/fast.c", "/* Generated by Cython 3.1 */", "pkg/fast.pyx"),
        ("pkg/fast.cpp", "/* Generated by Cython 3.1 */", "pkg/fast.py"),
        ("pkg/fast_wrap.c", "swig", "pkg/fast.i"),
        ("pkg/parse.c", "bison", "pkg/parse.y"),
        ("pkg/config.h", "configured", "pkg/config.h.in"),
        ("pkg/tables.inc", "by something else", "tools/tables.txt"),
    ],
)
@pytest.mark.parametrize("tracked_at_base", [False, True])
def test_what_a_build_writes_is_no_source(
    checkout: Checkout,
    build: Build,
    written: str,
    text: str,
    generator: str,
    tracked_at_base: bool,
) -> None:
    checkout.write(generator, "source")
    if tracked_at_base:
        checkout.write(written, "as it was committed once")
    checkout.commit()
    if tracked_at_base:
        checkout.git("rm", "-q", "--cached", written)
    checkout.write(".git/info/exclude", f"*.so\n{written}\n")
    checkout.write(written, text)
    checkout.write("pkg/fast.so", "compiled")
    if tracked_at_base and generator == "tools/tables.txt":
        with pytest.raises(GitError, match="compiled modules"):
            build()
    else:
        assert build().shared == ("pkg/fast.so",)


def test_a_cython_source_that_differs_is_no_less_refused(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "*.so\n*.c\n")
    checkout.write("pkg/fast.pyx", "old")
    checkout.commit()
    checkout.write("pkg/fast.pyx", "new")
    checkout.write("pkg/fast.c", "/* Generated by Cython 3.1 */")
    checkout.write("pkg/fast.so", "compiled")
    with pytest.raises(GitError, match="compiled modules") as e:
        build()
    assert e.value.why.endswith(": pkg/fast.pyx")


def test_a_python_module_beside_its_compiled_form_is_a_source(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "*.so\n")
    checkout.write("pkg/fast.py", "old")
    checkout.commit()
    checkout.write("pkg/fast.py", "new")
    checkout.write("pkg/fast.cpython-311-x86_64-linux-gnu.so", "compiled")
    with pytest.raises(GitError, match="compiled modules") as e:
        build()
    assert e.value.why.endswith(": pkg/fast.py")


def test_ignored_data_is_linked_and_said(checkout: Checkout, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignored, "LARGEST_COPIED", 100)
    checkout.write(".gitignore", "*.bin\n_version.py\n")
    checkout.write("tests/data/kept.txt", "tracked")
    checkout.write("mixed/tracked.txt", "tracked")
    checkout.write("was/x.bin", "tracked once")
    checkout.git("add", "-f", "was/x.bin")
    checkout.commit()
    checkout.git("rm", "-q", "--cached", "was/x.bin")
    for name in ("data/a/1.bin", "data/b/2.bin", "tests/data/3.bin", "mixed/4.bin", "small/5.bin", "was/x.bin"):
        checkout.write(name, "x" * (10 if name.startswith("small") else 101))
    checkout.write("code/_version.py", "x" * 200)
    trees = build()
    for tree in (trees.base, trees.head):
        links = {p for p in files_below(tree) if (tree / p).is_symlink()}
        assert links == {"data", "tests/data/3.bin", "mixed/4.bin"}
        assert (tree / "data/b/2.bin").read_text() == "x" * 101
        assert (tree / "small/5.bin").exists()
        assert (tree / "code/_version.py").exists()
    assert (trees.base / "was/x.bin").read_text() == "tracked once"
    assert "data, which git ignores (0 MB in 2 files), is linked, not copied" in trees.notes[0]
    assert len(trees.notes) == 3


def test_ignored_data_is_copied_where_that_is_asked_for(
    checkout: Checkout, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignored, "MOST_COPIED", 1)
    checkout.write(".gitignore", "*.bin\n")
    checkout.commit()
    for name in ("data/1.bin", "data/2.bin", "more/deep/1.bin", "more/deep/2.bin", "left/1.bin", "left/2.bin"):
        checkout.write(name, "")
    trees = build(copied=["data/", "more/*"])
    assert {p for p in files_below(trees.base) if (trees.base / p).is_symlink()} == {"left"}


def test_a_sides_own_installation_brings_its_own_compiled_parts(checkout: Checkout, build: Build) -> None:
    checkout.write(".gitignore", "*.so\n")
    checkout.write("fast.c", "old")
    checkout.commit()
    checkout.write("fast.c", "new")
    checkout.write("fast.so", "compiled")
    trees = build(share_compiled=False)
    assert not (trees.base / "fast.so").exists()


def test_scratch_inside_the_checkout_is_not_copied(checkout: Checkout) -> None:
    checkout.commit(a_py="1")
    scratch = checkout.path / "tmp" / "scratch"
    scratch.mkdir(parents=True)
    repo = Repository.find(checkout.path)
    trees = build_trees(repo, repo.resolve("HEAD"), scratch, ("test_*.py",))
    assert files_below(trees.head) == files_below(trees.base) == ["a.py"]


TESTS = """
import pytest

def test_plain(): pass

class TestGroup(Base):
    def test_method(self): pass

if True:
    def test_conditional(): pass

test_assigned = make()
"""


@pytest.mark.parametrize(
    ("node", "there"),
    [
        ("test_plain", True),
        ("test_plain[1-a::b]", True),
        ("TestGroup::test_method", True),
        ("TestGroup::test_inherited", True),
        ("test_conditional", True),
        ("test_assigned", True),
        ("test_new", False),
        ("TestNew::test_method", False),
    ],
)
def test_whether_a_test_existed(checkout: Checkout, node: str, there: bool) -> None:
    checkout.write("tests/test_a.py", TESTS)
    commit = checkout.commit()
    repo = Repository.find(checkout.path)
    assert existed(repo, commit, checkout.path / "tests/test_a.py", f"tests/test_a.py::{node}") is there


def test_a_renamed_test_file_is_followed(checkout: Checkout) -> None:
    checkout.write("tests/test_old.py", TESTS)
    commit = checkout.commit()
    new = checkout.path / "tests/perf/test_new.py"
    new.parent.mkdir()
    (checkout.path / "tests/test_old.py").rename(new)
    new.write_text(TESTS + "\ndef test_more(): pass\n")
    repo = Repository.find(checkout.path)
    before = checkout.state()
    assert existed(repo, commit, new, "tests/perf/test_new.py::test_plain")
    assert not existed(repo, commit, new, "tests/perf/test_new.py::test_more")
    assert checkout.state() == before
