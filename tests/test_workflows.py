"""The project's own workflows: valid, with the least rights, and about the same Pythons and machines as the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_flame.sampling import native

yaml = pytest.importorskip("ruamel.yaml", reason="needs ruamel.yaml").YAML(typ="safe")

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
if not GITHUB.exists():
    pytest.skip("the source distribution has no workflows", allow_module_level=True)
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
READ = {"contents": "read"}
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((GITHUB / "workflows" / name).read_text(encoding="utf-8"))
    return loaded


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", ())]


def check(schema: str, *files: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="needs check-jsonschema")
    asked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_workflows_follow_their_schema() -> None:
    assert [path.name for path in FILES] == ["publish.yml", "tests.yml", "wheels.yml"]
    check("vendor.github-workflows", *FILES)


def test_actionlint_finds_nothing() -> None:
    if shutil.which("actionlint") is None:
        pytest.skip("needs actionlint")
    result = subprocess.run(["actionlint", *map(str, FILES)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_zizmor_finds_nothing() -> None:
    program = shutil.which("zizmor", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("needs zizmor")
    asked = [program, "--offline", "--no-progress", str(GITHUB)]
    result = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    foreign = [action for action in used if not action.startswith("./")]
    assert foreign and not [action for action in foreign if not PINNED.fullmatch(action)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_publishing_may_do_more_than_read(path: Path) -> None:
    read = workflow(path.name)
    assert read["permissions"] == READ
    more = {name: job["permissions"] for name, job in read["jobs"].items() if job.get("permissions", READ) != READ}
    assert more == ({"publish": {"id-token": "write"}} if path.stem == "publish" else {})
    checkouts = [step for step in steps(path.name) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_workflow_runs_what_a_stranger_wrote_into_a_script() -> None:
    for path in FILES:
        for step in steps(path.name):
            assert "${{" not in step.get("run", ""), "an expression in a script is replaced before the shell reads it"
        assert "pull_request_target" not in path.read_text(encoding="utf-8")


def test_only_a_tag_publishes_and_builds_nothing_then() -> None:
    publish = workflow("publish.yml")
    assert publish["on"] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    job = publish["jobs"]["publish"]
    assert job["environment"] == "pypi"
    assert [step["uses"].partition("@")[0] for step in job["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]


def test_the_tests_run_on_every_python_and_machine() -> None:
    jobs = workflow("tests.yml")["jobs"]
    assert tuple(jobs["pythons"]["strategy"]["matrix"]["python"]) == native.PYTHONS
    assert jobs["pythons"]["strategy"]["matrix"]["runner"] == ["ubuntu-latest", "ubuntu-24.04-arm"]
    assert "bash .ci/run" in [step.get("run") for step in steps("tests.yml")]


def test_wheels_are_built_for_every_python_and_machine() -> None:
    machines = [at["machine"] for at in workflow("wheels.yml")["jobs"]["wheels"]["strategy"]["matrix"]["include"]]
    assert tuple(machines) == native.MACHINES
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    assert settings["build"] == [f"cp{version.replace('.', '')}-*" for version in native.PYTHONS]
    assert "skip" not in settings, "of these, none is left out"
    images = {f"{libc}-{machine}-image" for libc in ("manylinux", "musllinux") for machine in native.MACHINES}
    assert images <= settings["linux"].keys()
    tested = re.fullmatch(r"python \{project\}/(\S+)", settings["test-command"])
    assert tested and (ROOT / tested[1]).is_file()


def test_scripts_that_workflows_call_exist() -> None:
    called = {
        found for path in FILES for found in re.findall(r"(?<![\w/])(\.?ci/[\w.]+)", path.read_text(encoding="utf-8"))
    }
    assert called
    assert not [name for name in called if not (ROOT / name).is_file()]


def test_dependabot_watches_the_actions() -> None:
    settings = yaml.load((GITHUB / "dependabot.yml").read_text(encoding="utf-8"))
    assert [update["package-ecosystem"] for update in settings["updates"]] == ["github-actions"]


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.stem)
def test_issue_forms_ask_something(path: Path) -> None:
    form = yaml.load(path.read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
