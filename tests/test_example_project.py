"""The worked example stays runnable, and the expectations about its patches agree with their text."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parent.parent / "example_project"
REGRESSIONS = EXAMPLE / "regressions"
PATCHES: list[dict[str, Any]] = tomllib.loads((REGRESSIONS / "expected.toml").read_text(encoding="utf-8"))["patch"]

each_patch = pytest.mark.parametrize("expected", PATCHES, ids=lambda expected: Path(expected["file"]).stem)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The example alone, as after copying it."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "flame-report", "flame-baselines")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example_project", ignore=ignored))


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def patch(project: Path, name: str) -> str:
    """Applies a patch without any tolerance; returns what ``patch`` printed."""
    command = ["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(REGRESSIONS / name)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def qualnames(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    """Qualified names of all functions defined in a module, as ``co_qualname`` has them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
            yield from qualnames(node, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from qualnames(node, f"{prefix}{node.name}.")
        else:
            yield from qualnames(node, prefix)


def test_the_example_passes(copy: Path) -> None:
    done = run_pytest(copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_patch_has_an_expectation() -> None:
    assert [expected["file"] for expected in PATCHES] == sorted(p.name for p in REGRESSIONS.glob("*.patch"))


def test_expected_tests_exist_and_are_marked(copy: Path) -> None:
    done = run_pytest(copy, "--collect-only", "-m", "flame")
    marked = {line for line in done.stdout.splitlines() if "::" in line}
    named = {test_id for expected in PATCHES for test_id in expected["verdicts"]}
    assert named <= marked, f"{sorted(named - marked)} are not marked tests\n{done.stdout}{done.stderr}"


@each_patch
def test_expectation_is_complete(expected: dict[str, Any]) -> None:
    verdicts = set(expected["verdicts"].values())
    assert verdicts <= {"PASS", "REGRESSED", "IMPROVED"}
    assert ("culprit" in expected) == (verdicts == {"REGRESSED"}), "a culprit is named exactly where a test fails"
    assert expected["title"] and expected["effect"] and expected["why"]


@each_patch
def test_patch_touches_only_the_shop(expected: dict[str, Any]) -> None:
    text = (REGRESSIONS / expected["file"]).read_text(encoding="utf-8")
    targets = [line.split()[1] for line in text.splitlines() if line.startswith(("--- ", "+++ "))]
    assert targets
    assert all(target.startswith(("a/shop/", "b/shop/")) for target in targets), targets


@each_patch
def test_patched_project_still_passes_its_tests(expected: dict[str, Any], copy: Path) -> None:
    said = patch(copy, expected["file"])
    assert "offset" not in said, f"the patch has drifted: {said}"
    for frame in filter(None, (expected.get("culprit"), expected.get("caller"))):
        module, _, qualname = frame.partition(":")
        path = copy / (module.replace(".", "/") + ".py")
        assert qualname in set(qualnames(ast.parse(path.read_text(encoding="utf-8")))), f"no function {frame}"
    done = run_pytest(copy, "-x")
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_baselines_are_small_enough_to_be_reviewed() -> None:
    """Including one with deep recursion, and one with code that asyncio runs."""
    sizes = [path.stat().st_size for path in (EXAMPLE / "flame-baselines").iterdir()]
    assert len(sizes) >= 15
    assert max(sizes) <= 40_000
    assert sum(sizes) <= 150_000
