"""The files that users copy: every one is checked by what reads it, as far as that can be had."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flame import options

YAML = pytest.importorskip("ruamel.yaml", reason="it may not exist for this Python yet").YAML
ROOT = Path(__file__).parents[2]
GITHUB = ROOT / "ci" / "github"
WORKFLOWS = sorted(path for path in GITHUB.glob("*.yml") if path.name != "action.yml")
SCRIPTS = [GITHUB / "gate.sh"]
DOCKERFILE = ROOT / "ci" / "container" / "Dockerfile"


def program(name: str) -> str:
    """Next to this Python, or on the path; skips where it cannot be installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def check(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        *(("vendor.github-workflows", path) for path in WORKFLOWS),
        ("vendor.github-actions", GITHUB / "action.yml"),
        ("vendor.gitlab-ci", ROOT / "ci" / "gitlab.yml"),
        ("vendor.compose-spec", ROOT / "ci" / "container" / "compose.yml"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_recipes_follow_the_services_schemas(schema: str, path: Path) -> None:
    transform = ("--data-transform", "gitlab-ci") if "gitlab" in schema else ()
    check(program("check-jsonschema"), "--builtin-schema", schema, *transform, path)


def test_workflows_pass_actionlint() -> None:
    check(program("actionlint"), *WORKFLOWS)


def test_workflows_and_the_action_pass_zizmor(tmp_path: Path) -> None:
    """Injection, credentials that are kept, dangerous triggers. Versions are named by tag, so that they can be read."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for path in WORKFLOWS:
        shutil.copy(path, folder)
    shutil.copy(GITHUB / "action.yml", tmp_path)
    config = tmp_path / "zizmor.yml"
    config.write_text('rules:\n  unpinned-uses:\n    config:\n      policies:\n        "*": ref-pin\n')
    check(program("zizmor"), "--offline", "--no-progress", "--config", config, tmp_path)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(path: Path) -> None:
    check(program("shellcheck"), path)


@pytest.mark.parametrize(("path", "name"), [(p, s) for p in [GITHUB / "action.yml", *WORKFLOWS] for s in ("run",)])
def test_no_expression_is_put_into_a_script(path: Path, name: str) -> None:
    """It would be expanded before the shell sees it: the values come through the environment."""
    jobs = load(path)
    steps = jobs["runs"]["steps"] if "runs" in jobs else [s for job in jobs["jobs"].values() for s in job["steps"]]
    assert not [step for step in steps if "${{" in str(step.get(name, ""))]


def test_scripts_in_the_gitlab_job_pass_shellcheck(tmp_path: Path) -> None:
    job = load(ROOT / "ci" / "gitlab.yml")["flame"]
    script = tmp_path / "job.sh"
    lines = [line for part in ("before_script", "script", "after_script") for line in job[part]]
    script.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    # FLAME_ARGUMENTS is several words on purpose.
    check(program("shellcheck"), "--exclude=SC2086", script)


def test_the_dockerfile_passes_hadolint() -> None:
    """DL3008: versions of Debian's packages are whatever that release has."""
    check(program("hadolint"), "--ignore", "DL3008", DOCKERFILE)


def test_what_the_dockerfile_copies_is_not_more_than_the_source() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv*", "build"} <= set(ignored)


def test_pre_commit_takes_the_hooks() -> None:
    check(program("pre-commit"), "validate-manifest", ROOT / ".pre-commit-hooks.yaml")


@pytest.mark.parametrize(
    "path",
    [*WORKFLOWS, GITHUB / "action.yml", *SCRIPTS, ROOT / "ci/gitlab.yml", DOCKERFILE, ROOT / ".pre-commit-hooks.yaml"],
    ids=lambda path: path.name,
)
def test_only_options_that_exist(path: Path) -> None:
    known = {option.flag for option in options.OPTIONS} | {
        "--flame",
        "--flame-only",
        "--flame-strict",
        "--flame-doctor",
    }
    assert set(re.findall(r"--flame[a-z-]*", path.read_text(encoding="utf-8"))) <= known


def test_the_half_with_a_token_checks_nothing_out() -> None:
    """It runs none of the change's code: no checkout, no installation from it, and its trigger cannot be bypassed."""
    workflow = load(GITHUB / "fork-comment.yml")
    (job,) = workflow["jobs"].values()
    assert list(workflow["on"]) == ["workflow_run"] and workflow["permissions"] == {}
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert used == ["actions/setup-python", "actions/download-artifact"]
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert [run.split()[0] for run in runs] == ["python", "flame"]


def test_the_half_that_runs_the_change_may_write_nothing() -> None:
    workflow = load(GITHUB / "fork-measure.yml")
    assert workflow["permissions"] == {"contents": "read"} and list(load(GITHUB / "fork-measure.yml")["on"])
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job and "secrets" not in (GITHUB / "fork-measure.yml").read_text().split("jobs:")[1]


def test_both_halves_agree_on_the_artifact_and_the_workflows_name() -> None:
    measure, comment = load(GITHUB / "fork-measure.yml"), load(GITHUB / "fork-comment.yml")
    assert comment["on"]["workflow_run"]["workflows"] == [measure["name"]]
    (up,) = [s["with"]["name"] for s in measure["jobs"]["flame"]["steps"] if "upload-artifact" in s.get("uses", "")]
    (down,) = [s["with"]["name"] for s in comment["jobs"]["comment"]["steps"] if "download" in s.get("uses", "")]
    assert up == down
