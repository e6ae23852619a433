from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flame.gate.source_texts import SourceTexts
from pytest_flame.model import Judgement, Process, Recording, Round, SamplerInfo, Verdict

OLD, NEW = "def f():\n    return 1\n", "def f():\n    return 2\n"
INFO = SamplerInfo("timer", "cpu-clock-looks", True, 997)


def git(folder: Path, *args: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *settings, *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def recording(text: str, path: str = "shop.py") -> Recording:
    process = Process((Round(1, 1, 1, True),), {})
    return Recording("t", (process,), INFO, {}, source_hashes={path: hashlib.sha256(text.encode()).hexdigest()})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a folder of its repository: OLD is committed, NEW is in the working tree."""
    git(tmp_path, "init", "-q")
    root = tmp_path / "sub"
    root.mkdir()
    (root / "shop.py").write_text(OLD)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    (root / "shop.py").write_text(NEW)
    return root


def judged(project: Path, base: str = OLD, head: str = NEW) -> Judgement:
    commit = git(project, "rev-parse", "HEAD")
    return Judgement("t", Verdict.PASS, "", base=recording(base), head=recording(head), base_commit=commit)


def test_base_comes_from_its_commit_and_head_from_the_working_tree(project: Path) -> None:
    texts = SourceTexts.of(project)
    assert texts.base(judged(project), "shop.py") == OLD
    assert texts.head(judged(project), "shop.py") == NEW
    assert texts.head_commit == git(project, "rev-parse", "HEAD")
    assert texts.prefix == "sub/"


def test_a_stored_base_is_found_where_it_still_is(project: Path) -> None:
    texts = SourceTexts.of(project)
    assert texts.base(replace(judged(project), base_commit=None), "shop.py") == OLD
    assert texts.base(replace(judged(project, base=NEW), base_commit=None), "shop.py") == NEW


def test_what_was_not_measured_is_not_shown(project: Path) -> None:
    texts, judgement = SourceTexts.of(project), judged(project)
    (project / "shop.py").write_text("def f(): changed meanwhile\n")
    assert texts.head(judgement, "shop.py") is None
    assert texts.base(judged(project, base="never committed\n"), "shop.py") is None
    assert texts.head(judgement, "other.py") is None


def test_line_ends_that_git_changed_are_the_same_source(project: Path) -> None:
    windows = OLD.replace("\n", "\r\n")
    assert SourceTexts.of(project).base(judged(project, base=windows), "shop.py") == windows


@pytest.mark.parametrize("path", ["/etc/hostname", "../shop.py", "a/../../shop.py"])
def test_no_file_outside_of_the_project_is_read(project: Path, path: str) -> None:
    outside = project.parent / "shop.py"
    outside.write_text(NEW)
    content = Path("/etc/hostname").read_text() if path.startswith("/") else NEW
    judgement = replace(judged(project), head=recording(content, path))
    assert SourceTexts.of(project).head(judgement, path) is None


def test_without_a_repository_the_checkout_is_all_there_is(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(NEW)
    texts = SourceTexts.of(tmp_path)
    judgement = Judgement("t", Verdict.PASS, "", base=recording(OLD), head=recording(NEW), base_commit="0" * 40)
    assert texts.head(judgement, "shop.py") == NEW
    assert texts.base(judgement, "shop.py") is None
    assert texts.head_commit is None and texts.prefix == ""


def test_a_commit_that_is_not_there_has_no_source(project: Path) -> None:
    assert SourceTexts.of(project).base(replace(judged(project, base="x"), base_commit="0" * 40), "shop.py") is None


def test_head_can_be_a_commit(project: Path) -> None:
    (project / "shop.py").write_text("of the working tree\n")
    git(project, "commit", "-qam", "later")
    texts = SourceTexts.of(project, "HEAD~1")
    assert texts.head_commit == git(project, "rev-parse", "HEAD~1")
    judgement = Judgement("t", Verdict.PASS, "", head=recording(OLD))
    assert texts.head(judgement, "shop.py") == OLD
    assert SourceTexts.of(project).head(judgement, "shop.py") is None
