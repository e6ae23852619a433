"""Settings of users and repositories neither break reading nor run anything: real repositories, scripts that leave a
mark."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.git import Repository
from pytest_flame.git_program import GitError
from pytest_flame.trees.copies import Trees, build_trees, files_below
from pytest_flame.trees.existed import renamed_from

HOOKS = (
    *("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge", "post-rewrite"),
    *("fsmonitor-watchman", "sendemail-validate", "push-to-checkout"),
)
SETTINGS = {
    "log.showSignature": "true",
    "gpg.program": "{script}",
    "core.fsmonitor": "{script}",
    "core.pager": "{script}",
    "pager.log": "{script}",
    "diff.external": "{script}",
    "diff.marked.command": "{script}",
    "diff.marked.textconv": "{script}",
    "interactive.diffFilter": "{script}",
    "core.editor": "{script}",
    "core.sshCommand": "{script}",
    "credential.helper": "{script}",
    "core.alternateRefsCommand": "{script}",
    "submodule.vendor/library.update": "!{script}",
    "alias.status": "!{script}",
    "alias.rev-parse": "!{script}",
    "hook.marked.event": "post-index-change",
    "hook.marked.command": "{script}",
    "hook.a=b.event": "post-index-change",
    "hook.a=b.command": "{script}",
    "status.short": "true",
    "status.branch": "true",
    "status.relativePaths": "true",
    "status.showUntrackedFiles": "no",
    "core.quotePath": "true",
    "core.splitIndex": "true",
    "core.untrackedCache": "true",
    "core.autocrlf": "true",
    "core.safecrlf": "true",
    "i18n.logOutputEncoding": "UTF-16",
    "i18n.commitEncoding": "UTF-16",
    "color.ui": "always",
    "color.status": "always",
    "column.ui": "always",
    "diff.noprefix": "true",
    "diff.renames": "copies",
    "diff.ignoreSubmodules": "all",
    "diff.relative": "true",
    "log.follow": "true",
    "log.decorate": "full",
    "log.mailmap": "true",
    "log.showRoot": "false",
    "core.abbrev": "4",
    "submodule.recurse": "true",
    "fetch.recurseSubmodules": "true",
    "protocol.allow": "never",
    "protocol.file.allow": "never",
    "safe.bareRepository": "explicit",
    "clone.defaultRemoteName": "elsewhere",
    "attr.tree": "HEAD",
    "gc.auto": "1",
}


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Exists as soon as any program of the user's settings has run."""
    return tmp_path / "ran"


@pytest.fixture
def script(tmp_path: Path, marker: Path) -> Path:
    made = tmp_path / "script.sh"
    made.write_text(f'#!/bin/sh\necho "$0 $*" >>{marker}\n')
    made.chmod(0o755)
    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout.init(tmp_path / "project")
    made.write("pkg/__init__.py", "SIDE = 'base'\n")
    made.write("pkg/ümlaut.py", "old\n")
    made.write(".gitattributes", "*.py diff=marked\n")
    made.write("tests/test_old.py", "\n".join(f"def test_{n}(): pass" for n in range(20)) + "\n")
    made.commit()
    made.git("mv", "tests/test_old.py", "tests/test_new.py")
    made.write("pkg/__init__.py", "SIDE = 'head'\n")
    made.commit()
    made.write("pkg/ümlaut.py", "new\n")
    return made


Read = Callable[[Checkout], Trees]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Everything that is ever read from a repository; nothing in it may change."""

    def read(checkout: Checkout, ref: str = "HEAD~1") -> Trees:
        before = checkout.state()
        repo = Repository.holding(checkout.path)
        commit = repo.resolve(ref)
        assert repo.resolve(f"{ref}...") == commit
        assert commit in repo.commits_touching(["pkg/__init__.py"], 5)
        assert repo.blob(commit, "pkg/__init__.py") == b"SIDE = 'base'\n"
        assert renamed_from(repo, commit, "tests/test_new.py") == "tests/test_old.py"
        assert repo.superprojects() == []
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        trees = build_trees(repo, commit, scratch, ("test_*.py",))
        with pytest.raises(GitError, match="there is no commit"):
            repo.resolve("nowhere")
        assert checkout.state() == before
        return trees

    return read


def test_nothing_of_the_users_runs_or_gets_in_the_way(
    checkout: Checkout, read: Read, script: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = checkout.path / ".git" / "hooks"
    for name in HOOKS:
        shutil.copy(script, hooks / name)
    for name, value in SETTINGS.items():
        checkout.git("config", name, value.format(script=script))
    checkout.git("config", "core.hooksPath", str(hooks))
    # The setting works: this is what a reader must not set off.
    subprocess.run(["git", "update-index", "--refresh"], cwd=checkout.path, capture_output=True)
    assert marker.exists()
    marker.unlink()
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "PAGER", "GIT_EDITOR", "GIT_SSH_COMMAND", "GIT_ASKPASS"):
        monkeypatch.setenv(name, str(script))
    trees = read(checkout)
    assert (trees.base / "pkg/ümlaut.py").read_bytes() == b"old\r\n"  # core.autocrlf, as in a checkout
    assert (trees.head / "pkg/ümlaut.py").read_bytes() == b"new\n"
    assert not marker.exists(), marker.read_text()


def test_hooks_that_a_users_settings_name(
    checkout: Checkout, read: Read, script: Path, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        shutil.copy(script, hooks / name)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\nhooksPath = {hooks}\nfsmonitor = {script}\n[log]\nshowSignature = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{hooks}'")
    read(checkout)
    assert not marker.exists(), marker.read_text()


def test_the_variables_of_a_hook_lead_nowhere_else(
    checkout: Checkout, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``git commit`` runs its hooks with these set."""
    other = Checkout.init(tmp_path / "other")
    other.commit(a_py="1")
    before = other.state()
    for name, value in {
        "GIT_DIR": str(other.path / ".git"),
        "GIT_INDEX_FILE": str(other.path / ".git/index"),
        "GIT_WORK_TREE": str(other.path),
        "GIT_OBJECT_DIRECTORY": str(other.path / ".git/objects"),
        "GIT_COMMON_DIR": str(other.path / ".git"),
        "GIT_PREFIX": "tests/",
        "GIT_NAMESPACE": "other",
        "GIT_GLOB_PATHSPECS": "1",
        "GIT_ICASE_PATHSPECS": "1",
        "GIT_ATTR_SOURCE": "nowhere",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TRACE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as without:  # the test's own commands go to the project
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            without.delenv(name)
        commit = checkout.git("rev-parse", "HEAD")
    assert Repository.find(checkout.path).resolve("HEAD") == commit
    read(checkout)
    assert other.state() == before


def test_filters_run_and_their_failure_is_explained(checkout: Checkout, read: Read, tmp_path: Path) -> None:
    """They determine a file's content, as with Git LFS; that is why only these run."""
    checkout.write(".gitattributes", "*.bin filter=upper\n")
    checkout.write("data.bin", "text")
    checkout.git("config", "filter.upper.smudge", "tr a-z A-Z")
    checkout.git("config", "filter.upper.clean", "tr A-Z a-z")
    checkout.git("config", "filter.upper.required", "true")
    commit = checkout.commit()
    (tmp_path / "one").mkdir()
    repo = Repository.find(checkout.path)
    trees = build_trees(repo, commit, tmp_path / "one", ("test_*.py",))
    assert (trees.base / "data.bin").read_text() == "TEXT"
    checkout.git("config", "filter.upper.smudge", "false")
    (tmp_path / "two").mkdir()
    with pytest.raises(GitError, match="filter of git could not write") as e:
        build_trees(repo, commit, tmp_path / "two", ("test_*.py",))
    assert "git lfs fetch" in e.value.fix


def test_a_sha256_repository(tmp_path: Path, read: Read) -> None:
    made = Checkout(tmp_path / "project")
    made.path.mkdir()
    made.git("init", "-q", "-b", "main", "--object-format=sha256")
    made.write("pkg/__init__.py", "SIDE = 'base'\n")
    made.write("tests/test_old.py", "def test_a(): pass\n" * 10)
    made.commit()
    made.git("mv", "tests/test_old.py", "tests/test_new.py")
    made.write("pkg/__init__.py", "SIDE = 'head'\n")
    made.commit()
    trees = read(made)
    assert (trees.base / "pkg/__init__.py").read_text() == "SIDE = 'base'\n"
    with pytest.raises(GitError, match="there is no commit"):
        Repository.find(made.path).resolve("1" * 64)


@pytest.mark.parametrize("bare", [False, True])
def test_a_linked_work_tree_and_one_of_a_bare_repository(
    checkout: Checkout, tmp_path: Path, read: Read, bare: bool
) -> None:
    if bare:
        checkout.git("clone", "-q", "--bare", str(checkout.path), str(tmp_path / "bare.git"))
        Checkout(tmp_path / "bare.git").git("worktree", "add", "-q", str(tmp_path / "linked"), "main")
    else:
        checkout.git("worktree", "add", "-q", str(tmp_path / "linked"), "main", "--force")
    linked = Checkout(tmp_path / "linked")
    trees = read(linked)
    assert (trees.base / "pkg/__init__.py").read_text() == "SIDE = 'base'\n"
    assert (trees.head / "pkg/__init__.py").read_text() == "SIDE = 'head'\n"
    assert not (trees.head / ".git").exists()


def test_both_sides_are_as_sparse_as_the_checkout(checkout: Checkout, read: Read) -> None:
    checkout.git("checkout", "-q", "--", ".")
    checkout.write("huge/a.py", "")
    checkout.write("pkg/__init__.py", "SIDE = 'base'\n")
    checkout.git("mv", "tests/test_new.py", "tests/test_old.py")
    checkout.commit()
    checkout.git("mv", "tests/test_old.py", "tests/test_new.py")
    checkout.write("pkg/__init__.py", "SIDE = 'head'\n")
    checkout.commit()
    checkout.git("sparse-checkout", "set", "--sparse-index", "pkg", "tests")
    assert not (checkout.path / "huge").exists()
    trees = read(checkout)
    assert "huge/a.py" not in {*files_below(trees.base), *files_below(trees.head)}
    assert "pkg/ümlaut.py" in files_below(trees.base)


# --- submodules ------------------------------------------------------------------------------------------------------


def with_submodule(checkout: Checkout, library: Checkout, name: str, path: str) -> None:
    """As in a clone: git refuses some of these names today, but older clones and manual changes have them."""
    checkout.git("submodule", "--quiet", "add", "--name", "plain", str(library.path), "./" + path)
    modules = checkout.path / ".gitmodules"
    modules.write_text(modules.read_text().replace('"plain"', f'"{name}"'))
    checkout.commit()


@pytest.fixture
def library(tmp_path: Path) -> Checkout:
    made = Checkout.init(tmp_path / "library")
    made.commit(lib_py="1")
    return made


@pytest.mark.parametrize("path", ["vendor/a library", "-library", "--upload-pack=touch ran", "ümlaut\nbreak"])
def test_submodules_at_odd_paths(checkout: Checkout, library: Checkout, tmp_path: Path, path: str) -> None:
    checkout.git("clone", "-q", str(library.path), str(checkout.path / path))
    checkout.git("add", "--", path)
    commit = checkout.commit()
    (tmp_path / "scratch").mkdir()
    trees = build_trees(Repository.find(checkout.path), commit, tmp_path / "scratch", ("test_*.py",))
    assert (trees.base / path / "lib.py").read_text() == (trees.head / path / "lib.py").read_text() == "1"
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize("name", ["../../outside", "../modules/../../outside", "/OUTSIDE", "..", "."])
def test_a_submodules_name_never_leads_out_of_gits_modules(
    checkout: Checkout, library: Checkout, tmp_path: Path, name: str, marker: Path, script: Path
) -> None:
    """A folder of the commit itself could be a git directory with settings that run something."""
    with_submodule(checkout, library, name.replace("/OUTSIDE", str(checkout.path / "outside")), "vendor")
    commit = checkout.git("rev-parse", "HEAD")
    outside = checkout.path / "outside"
    shutil.copytree(library.path / ".git", outside)
    (outside / "info/attributes").write_text("* filter=marked\n")
    with (outside / "config").open("a") as config:
        config.write(f'[filter "marked"]\nsmudge = {script}\n')
    shutil.rmtree(checkout.path / "vendor")
    shutil.rmtree(checkout.path / ".git/modules")
    (tmp_path / "scratch").mkdir()
    trees = build_trees(Repository.find(checkout.path), commit, tmp_path / "scratch", ("test_*.py",))
    assert any("submodule vendor is not initialised" in note for note in trees.notes)
    assert not marker.exists()


@pytest.mark.parametrize("state", ["an empty .git", "a link"])
def test_what_stands_where_a_submodule_was_is_not_taken_for_it(
    checkout: Checkout, library: Checkout, tmp_path: Path, state: str
) -> None:
    with_submodule(checkout, library, "vendor", "vendor")
    commit = checkout.git("rev-parse", "HEAD")
    shutil.rmtree(checkout.path / "vendor")
    shutil.rmtree(checkout.path / ".git/modules")
    if state == "a link":
        (checkout.path / "vendor").symlink_to(library.path)
    else:
        (checkout.path / "vendor/.git").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    trees = build_trees(Repository.find(checkout.path), commit, tmp_path / "scratch", ("test_*.py",))
    assert any("not initialised" in note for note in trees.notes)
    assert not (trees.base / "vendor/lib.py").exists()


def test_the_command_for_a_submodules_missing_commit_is_quoted(checkout: Checkout, library: Checkout) -> None:
    path = "a library; touch ran"
    checkout.git("clone", "-q", str(library.path), str(checkout.path / path))
    checkout.git("add", "--", path)
    checkout.commit()
    missing = "1" * 40
    checkout.git("update-index", "--cacheinfo", f"160000,{missing},{path}")
    checkout.git("commit", "-qm", "elsewhere")
    scratch = checkout.path.parent / "scratch"
    scratch.mkdir()
    with pytest.raises(GitError) as e:
        build_trees(Repository.find(checkout.path), checkout.git("rev-parse", "HEAD"), scratch, ())
    assert e.value.fix == f"git -C '{path}' fetch origin {missing}"


# --- which repository ------------------------------------------------------------------------------------------------


def test_the_repository_of_the_tests_where_the_root_lies_above(checkout: Checkout, tmp_path: Path) -> None:
    assert Repository.holding(tmp_path, checkout.path / "tests/test_new.py").top == checkout.path
    assert Repository.holding(checkout.path, checkout.path / "tests/test_new.py").top == checkout.path
    with pytest.raises(GitError, match="not in a git repository"):
        Repository.holding(tmp_path)
    other = Checkout.init(tmp_path / "other")
    other.commit(a_py="")
    with pytest.raises(GitError, match="several repositories"):
        Repository.holding(tmp_path, checkout.path / "tests", other.path / "a.py")


def test_a_repository_around_the_clone_counts_only_as_its_superproject(
    checkout: Checkout, library: Checkout, tmp_path: Path
) -> None:
    home = Checkout.init(tmp_path / "home")
    home.commit(dotfile="")
    home.git("clone", "-q", str(checkout.path), str(home.path / "clone"))
    assert Repository.holding(home.path, home.path / "clone/tests").top == home.path / "clone"
    checkout.git("submodule", "--quiet", "add", str(library.path), "vendor")
    checkout.commit()
    assert Repository.holding(checkout.path, checkout.path / "vendor/lib.py").top == checkout.path
