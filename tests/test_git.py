"""Reading real repositories; every command that an error names is run and helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.errors import FlameError
from pytest_flame.git import Repository
from pytest_flame.git_program import GitError


@pytest.fixture
def history(tmp_path: Path) -> Checkout:
    made = Checkout.init(tmp_path / "origin")
    made.commit(a_py="1", b_py="1")
    made.commit(a_py="2")
    made.commit(b_py="2")
    return made


def shallow(history: Checkout, path: Path) -> Checkout:
    history.git("clone", "-q", "--depth=1", f"file://{history.path}", str(path))
    return Checkout(path)


def fix_of(error: GitError) -> list[str]:
    return error.fix.partition("    (")[0].partition(", then")[0].split()


def test_finds_the_top_from_below(history: Checkout) -> None:
    inner = history.write("deep/er/x.txt", "").parent
    assert Repository.find(inner).top == history.path


def test_outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not in a git repository") as e:
        Repository.find(tmp_path)
    assert isinstance(e.value, FlameError)
    assert e.value.fix


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git was not found"):
        Repository.find(tmp_path)


def test_somebody_elses_checkout_names_the_setting(history: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(GitError, match="refuses to read") as e:
        Repository.find(history.path)
    assert e.value.fix == f"git config --global --add safe.directory {history.path}"


def test_refs_resolve_to_whole_hashes(history: Checkout) -> None:
    repo = Repository.find(history.path)
    head = history.git("rev-parse", "HEAD")
    history.git("tag", "-a", "v1", "-m", "release")
    assert repo.resolve("main") == repo.resolve("HEAD") == repo.resolve(head[:10]) == repo.resolve("v1") == head


def test_three_dots_are_the_merge_base(history: Checkout) -> None:
    fork = history.git("rev-parse", "HEAD")
    history.git("switch", "-q", "-c", "topic")
    history.commit(c_py="1")
    history.git("switch", "-q", "main")
    history.commit(d_py="1")
    history.git("switch", "-q", "topic")
    assert Repository.find(history.path).resolve("main...") == fork


def test_inherited_git_variables_do_not_lead_elsewhere(history: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert Repository.find(history.path).top == history.path


@pytest.mark.parametrize("ref", ["HEAD~1", "HEAD^", "SHA", "origin/topic", "topic", "v1.0", "origin/topic..."])
def test_the_command_that_an_error_names_helps(history: Checkout, tmp_path: Path, ref: str) -> None:
    old = history.git("rev-parse", "HEAD~2")
    history.git("branch", "topic", "HEAD~1")
    history.git("tag", "v1.0", "HEAD~1")
    clone = shallow(history, tmp_path / "clone")
    if ref.endswith("..."):
        clone.git("fetch", "-q", "--depth=1", "origin", "topic:refs/remotes/origin/topic")
    repo = Repository.find(clone.path)
    ref = ref.replace("SHA", old)
    assert repo.is_shallow()
    with pytest.raises(GitError) as e:
        repo.resolve(ref)
    assert "shallow" in e.value.why
    clone.git(*fix_of(e.value)[1:])
    ref = f"origin/{ref}" if ", then use " in e.value.fix else ref
    assert repo.resolve(ref) == (old if ref == old else history.git("rev-parse", "HEAD~1"))


def test_a_shortened_hash_that_is_not_there_needs_all_digits(history: Checkout, tmp_path: Path) -> None:
    clone = shallow(history, tmp_path / "clone")
    with pytest.raises(GitError, match="all 40 digits"):
        Repository.find(clone.path).resolve(history.git("rev-parse", "HEAD~1")[:8])


def test_no_remote_means_nothing_to_fetch(history: Checkout) -> None:
    with pytest.raises(GitError) as e:
        Repository.find(history.path).resolve("nowhere")
    assert "fetch" not in e.value.fix


def test_shallow_boundary(history: Checkout, tmp_path: Path) -> None:
    clone = shallow(history, tmp_path / "clone")
    assert Repository.find(clone.path).shallow_boundary() == {history.git("rev-parse", "HEAD")}
    assert Repository.find(history.path).shallow_boundary() == frozenset()


def test_blobs_of_odd_names(tmp_path: Path) -> None:
    made = Checkout.init(tmp_path / "odd")
    names = ["a b.txt", "ümlaut.txt", "line\nbreak.txt", "*.txt", "sub/x.txt", "empty.txt"]
    for name in names:
        made.write(name, "" if name == "empty.txt" else f"content of {name!r}")
    commit = made.commit()
    repo = Repository.find(made.path)
    found = repo.blobs(commit, [*names, "missing.txt", "sub"])
    assert found.pop("missing.txt") is None
    assert found.pop("sub") is None
    assert found == {name: (made.path / name).read_bytes() for name in names}
    assert sorted(repo.files(commit)) == sorted(names)


def test_more_paths_than_a_command_line_is_used_for(tmp_path: Path) -> None:
    made = Checkout.init(tmp_path / "many")
    names = [f"f{n:03}" for n in range(250)]
    for name in names:
        made.write(name, name)
    commit = made.commit()
    assert Repository.find(made.path).blobs(commit, names) == {name: name.encode() for name in names}


def test_which_commits_touched_a_path(history: Checkout) -> None:
    repo = Repository.find(history.path)
    assert repo.commits_touching(["a.py"], 5) == [repo.resolve("HEAD~1"), repo.resolve("HEAD~2")]
    assert repo.commits_touching(["a.py"], 1) == [repo.resolve("HEAD~1")]
    assert repo.commits_touching(["a.py"], 5, start="HEAD~2") == [repo.resolve("HEAD~2")]


def test_first_parents(history: Checkout) -> None:
    history.git("checkout", "-q", "-b", "side", "HEAD~1")
    history.git("commit", "-q", "--allow-empty", "-m", "of the side")
    history.git("checkout", "-q", "main")
    history.git("merge", "-q", "--no-ff", "-m", "größer,\nin two lines\n\nand a body", "side")
    repo = Repository.find(history.path)
    commits = repo.first_parents(repo.resolve("HEAD~2"), repo.resolve("HEAD"))
    assert [commit.oid for commit in commits] == [repo.resolve("HEAD~1"), repo.resolve("HEAD")]
    assert [commit.subject for commit in commits] == ["change", "größer, in two lines"]
    assert commits[1] == repo.commit(repo.resolve("HEAD"))
    assert (commits[1].author, commits[1].date[:2]) == ("Author", "20")
    assert repo.is_ancestor(repo.resolve("side"), repo.resolve("HEAD"))
    assert not repo.is_ancestor(repo.resolve("HEAD"), repo.resolve("side"))


def test_reading_changes_nothing(history: Checkout) -> None:
    history.write("a.py", "dirty")
    repo = Repository.find(history.path)
    before = history.state()
    repo.blob(repo.resolve("HEAD"), "a.py")
    repo.commits_touching(["a.py"], 3)
    assert history.state() == before


def test_a_linked_work_tree(history: Checkout, tmp_path: Path) -> None:
    history.git("worktree", "add", "-q", str(tmp_path / "linked"), "HEAD~1")
    repo = Repository.find(tmp_path / "linked")
    assert repo.top == tmp_path / "linked"
    assert repo.resolve("HEAD") == history.git("rev-parse", "HEAD~1")
