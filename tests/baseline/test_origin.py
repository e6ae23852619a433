"""Real repositories, one for each way a baseline and the sources it was recorded from get into history."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_flame.baseline import origin
from pytest_flame.baseline.origin import Evidence, Origin, OriginFinder
from pytest_flame.errors import BaselineError
from pytest_flame.git import Repository
from pytest_flame.model import Recording

AUTHOR = {
    **{f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
BASELINE = "flame-baselines/t.json"


def is_test(path: str) -> bool:
    return path.startswith("tests/") or path.endswith("conftest.py")


class Project:
    """A repository with a project in it, recorded by hashing its sources as they are there."""

    def __init__(self, top: Path, recording: Recording, below: str = "") -> None:
        self.top, self.root, self.recording = top, top / below, recording
        self.root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        command = ["git", "-C", str(self.top), *args]
        return subprocess.run(command, env={**os.environ, **AUTHOR}, check=True, capture_output=True, text=True).stdout

    def write(self, **contents: str) -> None:
        """Files of the project; ``__`` represents a slash, and all end in ``.py``."""
        for name, content in contents.items():
            self.file(name).parent.mkdir(parents=True, exist_ok=True)
            self.file(name).write_bytes(content.encode())

    def file(self, name: str) -> Path:
        return self.root / f"{name.replace('__', '/')}.py"

    def commit(self, *paths: str) -> str:
        self.git("add", "-A", *paths)
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD").strip()

    def record(self, note: str = "", path: str = BASELINE) -> Recording:
        """Write a baseline of the sources as they are now."""
        files = sorted(p for p in self.root.rglob("*.py"))
        hashes = {p.relative_to(self.root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(f"{note} {sorted(hashes.items())}\n")
        return dataclasses.replace(self.recording, source_hashes=hashes)

    def find(self, recording: Recording, path: str = BASELINE) -> Origin:
        repository = Repository.find(self.root)
        return OriginFinder(repository, self.root, is_test).find(recording, self.root / path)


@pytest.fixture
def project(tmp_path: Path, recording: Recording) -> Project:
    project = Project(tmp_path / "repo", recording)
    project.write(orders="x = 1\n", tests__test_orders="pass\n", conftest="pass\n")
    return project


def test_sources_and_baseline_in_one_commit(project: Project) -> None:
    recorded = project.record()
    first = project.commit()
    project.write(orders="x = 2\n")
    project.commit()
    found = project.find(recorded)
    assert (found.commit, found.how, found.unverified) == (first, Evidence.BROUGHT_IN, ())
    assert found.line == f"base {first[:7]}: the commit that added the baseline"


def test_a_baseline_committed_some_time_after_its_sources(project: Project) -> None:
    """The commit that added it changed only the baseline, but contains its sources."""
    project.commit()
    recorded = project.record()
    later = project.commit()
    assert project.find(recorded).commit == later


def test_tests_are_heads_and_do_not_count(project: Project) -> None:
    recorded = project.record()
    project.write(tests__test_orders="changed\n", conftest="changed\n")
    first = project.commit()
    assert project.find(recorded).commit == first


def test_a_baseline_committed_before_its_sources(project: Project) -> None:
    project.commit()
    project.write(orders="x = 2\n")
    recorded = project.record()
    project.commit("flame-baselines")
    sources = project.commit()
    project.write(orders="x = 3\n")
    project.commit()
    found = project.find(recorded)
    assert (found.commit, found.how) == (sources, Evidence.HASHES)
    assert found.line == f"base {sources[:7]}, found by its source hashes"


def test_a_baseline_whose_file_changed_later(project: Project) -> None:
    recorded = project.record()
    first = project.commit()
    project.write(orders="x = 2\n")
    (project.root / BASELINE).write_text("the same, laid out again\n")
    project.commit()
    found = project.find(recorded)
    assert (found.commit, found.how) == (first, Evidence.HASHES)


def test_a_squash_merge_that_holds_the_sources(project: Project) -> None:
    project.commit()
    project.git("checkout", "-q", "-b", "topic")
    project.write(orders="x = 2\n")
    project.commit()
    recorded = project.record()
    project.commit()
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--squash", "topic")
    squashed = project.commit()
    project.git("branch", "-q", "-D", "topic")
    assert project.find(recorded).commit == squashed


def test_a_squash_merge_whose_sources_were_changed_after_recording(project: Project) -> None:
    """Only the branch has them, as long as it exists."""
    project.commit()
    project.git("checkout", "-q", "-b", "topic")
    project.write(orders="x = 2\n")
    recorded = project.record()
    on_branch = project.commit()
    project.write(orders="x = 3\n")
    project.commit()
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "--squash", "topic")
    project.commit()
    assert project.find(recorded).commit == on_branch
    project.git("branch", "-q", "-D", "topic")
    with pytest.raises(BaselineError, match="no commit has the recorded sources"):
        project.find(recorded)


def test_sources_that_only_a_merge_brings_together(project: Project) -> None:
    project.write(prices="y = 1\n")
    project.commit()
    project.git("checkout", "-q", "-b", "topic")
    project.write(orders="x = 2\n")
    project.commit()
    project.git("checkout", "-q", "main")
    project.write(prices="y = 2\n")
    project.commit()
    project.git("merge", "-q", "--no-edit", "topic")
    merge = project.git("rev-parse", "HEAD").strip()
    recorded = project.record()
    project.write(orders="x = 3\n")
    project.commit()
    assert project.find(recorded).commit == merge


def test_of_several_commits_with_the_sources_the_nearest_one(project: Project) -> None:
    """Changed and changed back: the sources do not decide between them, the distance to the baseline's commit does."""
    recorded = project.record()
    commits = []
    for content in ("x = 1\n", "x = 2\n", "x = 3\n", "x = 1\n", "x = 4\n", "x = 1\n"):
        project.write(orders=content)
        commits.append(project.commit(*([] if content == "x = 3\n" else ["orders.py"])))
    assert project.find(recorded).commit == commits[3]


@pytest.mark.parametrize("tracked", [True, False])
def test_a_baseline_that_is_not_committed(project: Project, tracked: bool) -> None:
    if tracked:
        project.record("earlier")
    recorded_from = project.commit()
    recorded = project.record()
    found = project.find(recorded)
    assert (found.commit, found.how) == (recorded_from, Evidence.HASHES)


def test_a_baseline_outside_the_repository(project: Project, tmp_path: Path) -> None:
    recorded_from = project.commit()
    assert project.find(project.record(path="../t.json"), "../t.json").commit == recorded_from


def test_sources_that_were_never_committed(project: Project) -> None:
    project.commit()
    project.write(orders="x = 2\n")
    recorded = project.record()
    with pytest.raises(BaselineError) as caught:
        project.find(recorded)
    assert "from the current sources" in caught.value.why
    project.write(orders="x = 3\n")
    project.commit()
    with pytest.raises(BaselineError) as caught:
        project.find(recorded)
    assert caught.value.why == "no commit has the recorded sources"
    assert "pytest --flame-update=all" in caught.value.fix


def test_a_repository_without_commits(project: Project) -> None:
    with pytest.raises(BaselineError, match="from the current sources"):
        project.find(project.record())


def test_a_source_that_was_deleted_since(project: Project) -> None:
    project.write(prices="y = 1\n")
    recorded = project.record()
    first = project.commit()
    project.file("prices").unlink()
    project.commit()
    assert project.find(recorded).commit == first
    (project.root / BASELINE).write_text("the same, laid out again\n")
    project.commit()
    assert project.find(recorded).commit == first


def test_a_project_below_the_top(tmp_path: Path, recording: Recording) -> None:
    project = Project(tmp_path / "repo", recording, below="backend/shop")
    project.write(orders="x = 1\n")
    project.commit()
    project.write(orders="x = 2\n")
    recorded = project.record()
    project.commit("backend/shop/flame-baselines")
    sources = project.commit()
    project.write(orders="x = 3\n")
    project.commit()
    assert project.find(recorded).commit == sources


def test_a_project_that_was_moved(project: Project) -> None:
    recorded = project.record()
    project.commit()
    for name in ("orders.py", "flame-baselines"):
        (project.root / "backend").mkdir(exist_ok=True)
        project.git("mv", name, "backend") if name == "orders.py" else (project.root / name).rename(
            project.root / "backend" / name
        )
    moved = project.commit()
    project.root = project.root / "backend"
    assert project.find(recorded).commit == moved


@pytest.mark.parametrize(("stored", "checked_out"), [("\n", "\r\n"), ("\r\n", "\n"), ("\r\n", "\r\n")])
def test_line_ends_of_a_checkout_are_no_difference(project: Project, stored: str, checked_out: str) -> None:
    project.write(orders=f"x = 1{checked_out}y = 2{checked_out}")
    recorded = project.record()
    project.write(orders=f"x = 1{stored}y = 2{stored}")
    first = project.commit()
    assert project.find(recorded).commit == first


def test_names_git_would_quote(project: Project) -> None:
    project.write(**{"sälze [x]": "1", "a b\n": "2"})
    recorded = project.record()
    project.commit("flame-baselines")
    sources = project.commit()
    project.write(**{"sälze [x]": "3"})
    project.commit()
    assert project.find(recorded).commit == sources


def test_a_generated_file_is_left_out_and_said(project: Project) -> None:
    project.write(shop___version="version = '1'\n")
    (project.top / ".gitignore").write_text("_version.py\n")
    recorded = project.record()
    first = project.commit()
    project.write(shop___version="version = '2'\n")
    found = project.find(recorded)
    assert (found.commit, found.unverified) == (first, ("shop/_version.py",))


def test_a_file_of_a_submodule_is_left_out_and_said(project: Project, tmp_path: Path, recording: Recording) -> None:
    library = Project(tmp_path / "library", recording)
    library.write(code="z = 1\n")
    library.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.top), "vendor")
    recorded = project.record()
    first = project.commit()
    assert project.find(recorded).unverified == ("vendor/code.py",)
    assert project.find(recorded).commit == first


def test_a_test_that_imports_nothing_of_the_project(project: Project) -> None:
    """There is nothing to verify: the commit that added the baseline must be enough, and without it there is none."""
    recorded = project.record()
    first = project.commit()
    bare = dataclasses.replace(recorded, source_hashes={"tests/test_orders.py": "00"})
    assert project.find(bare).commit == first
    (project.root / BASELINE).write_text("changed\n")
    with pytest.raises(BaselineError, match="names no source file"):
        project.find(bare)


def clone(project: Project, depth: int) -> Project:
    target = project.top.with_name("clone")
    project.git("clone", "-q", f"--depth={depth}", f"file://{project.top}", str(target))
    shallow = object.__new__(Project)
    shallow.top = shallow.root = target
    return shallow


def test_a_shallow_clone_that_still_has_the_sources(project: Project) -> None:
    recorded = project.record()
    project.commit()
    head = project.commit()
    found = clone(project, 1).find(recorded)
    assert (found.commit, found.how) == (head, Evidence.HASHES)


def test_a_shallow_clone_without_them_says_how_to_get_them(project: Project) -> None:
    recorded = project.record()
    first = project.commit()
    project.write(orders="x = 2\n")
    project.commit()
    shallow = clone(project, 1)
    with pytest.raises(BaselineError) as caught:
        shallow.find(recorded)
    assert "shallow" in caught.value.why
    shallow.git(*caught.value.fix.partition("    ")[0].split()[1:])
    assert shallow.find(recorded).commit == first


def test_the_search_is_bounded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "MOST_COMMITS", 2)
    recorded = project.record("recorded")
    first = project.commit()
    for number in range(2, 4):
        project.write(orders=f"x = {number}\n")
        (project.root / BASELINE).write_text(f"laid out again {number}\n")
        project.commit()
        if number == 2:
            assert project.find(recorded).commit == first
    with pytest.raises(BaselineError, match="no commit has the recorded sources"):
        project.find(recorded)


def test_five_hundred_sources_take_few_calls_of_git(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(**{f"pkg__m{number}": f"x = {number}\n" for number in range(500)})
    recorded = project.record()
    project.commit("flame-baselines")
    sources = project.commit()
    for number in range(10):
        project.write(pkg__m7=f"x = -{number}\n")
        project.commit()
    calls: list[tuple[str, ...]] = []
    run = Repository.run

    def counted(self: Repository, *args: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        calls.append(args)
        return run(self, *args, stdin=stdin, variables=variables)

    monkeypatch.setattr(Repository, "run", counted)
    assert project.find(recorded).commit == sources
    assert len(calls) < 30


def test_a_root_above_the_clone(project: Project, tmp_path: Path) -> None:
    """Sources outside the clone are in none of its commits."""
    commit = project.commit()
    recording = project.record()
    hashes = {f"repo/{path}": digest for path, digest in recording.source_hashes.items()} | {"beside.py": "0" * 64}
    finder = OriginFinder(Repository.find(project.root), tmp_path, is_test)
    found = finder.find(dataclasses.replace(recording, source_hashes=hashes), tmp_path / "flame-baselines/x.json")
    assert (found.commit, found.how, found.unverified) == (commit, Evidence.HASHES, ("beside.py",))
