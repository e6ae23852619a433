"""The gallery's programs run, before their changes and after, and its page shows every case."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

GALLERY = Path(__file__).parent.parent / "docs/gallery"
CASES: list[dict[str, Any]] = tomllib.loads((GALLERY / "expected.toml").read_text(encoding="utf-8"))["case"]
NAMES = [case["name"] for case in CASES]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "flame-report")
    return Path(shutil.copytree(GALLERY / "project", tmp_path / "desk", ignore=ignored))


def run_tests(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_programs_run_before_and_after_their_changes(project: Path) -> None:
    run_tests(project)
    for name in NAMES:
        change = GALLERY / "changes" / f"{name}.patch"
        command = ["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(change)]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "offset" not in done.stdout
    run_tests(project)


def test_each_case_has_a_test_a_change_and_a_picture() -> None:
    tests = re.findall(r"^def test_(\w+)", (GALLERY / "project/test_desk.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert tests == NAMES
    assert sorted(file.stem for file in GALLERY.glob("changes/*.patch")) == sorted(NAMES)
    assert sorted(file.stem for file in GALLERY.glob("*.svg")) == sorted(NAMES)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_page_shows_each_case_as_it_was_measured(case: dict[str, Any]) -> None:
    page = (GALLERY / "README.md").read_text(encoding="utf-8")
    assert f"## {case['title']}\n" in page
    assert f"({case['name']}.svg)" in page
    change = (GALLERY / "changes" / f"{case['name']}.patch").read_text(encoding="utf-8")
    assert f"```diff\n{change}```\n" in page
    picture = (GALLERY / f"{case['name']}.svg").read_text(encoding="utf-8")
    words = " ".join(ElementTree.fromstring(picture).itertext())
    if case["verdict"] == "PASS":
        # A busy machine may leave it undecided; what only moved never raises an alarm.
        assert "REGRESSED" not in words
    else:
        assert case["verdict"] in words
    assert case.get("culprit", "") in words
