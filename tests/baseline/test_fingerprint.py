from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_flame.baseline.fingerprint import (
    WORDS,
    differences,
    installed_packages,
    machine_fingerprint,
    sampler_differences,
)
from pytest_flame.model import SamplerInfo

RECORDED = {
    **dict.fromkeys(WORDS, "same"),
    "machine": "0f" * 8,
    "dependencies": "attrs==23.1.0 numpy==2.1.0 pytest==8.4.0",
}


def in_python(*options: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The fingerprint of another interpreter process with nothing but ``env`` in its environment."""
    code = "import json; from pytest_flame.baseline.fingerprint import *; print(json.dumps(machine_fingerprint()))"
    run = subprocess.run([sys.executable, *options, "-c", code], env=env or {}, capture_output=True, check=True)
    fingerprint: dict[str, str] = json.loads(run.stdout)
    return fingerprint


def test_a_fingerprint_is_texts_with_a_word_for_each() -> None:
    fingerprint = machine_fingerprint()
    assert list(fingerprint) == list(WORDS)
    assert all(isinstance(value, str) for value in fingerprint.values())
    assert fingerprint["python"].startswith("CPython 3.")


def test_two_processes_of_one_setup_agree() -> None:
    assert in_python() == in_python()


def test_the_interpreters_mode_is_part_of_it() -> None:
    assert in_python()["python_mode"] == "default"
    assert in_python("-O")["python_mode"] == "-O1"
    assert in_python("-X", "dev", env={"PYTHONMALLOC": "malloc"})["python_mode"] == "dev mode, PYTHONMALLOC=malloc"


def test_patch_releases_of_the_kernel_are_one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for release in ("6.8.0-1021-azure", "6.8.12", "6.9.1"):
        monkeypatch.setattr("platform.release", lambda release=release: release)
        seen.add(machine_fingerprint()["kernel"])
    assert seen == {"Linux 6.8", "Linux 6.9"}


def test_where_python_was_built_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(options: str) -> str:
        monkeypatch.setattr("sysconfig.get_config_var", {"CONFIG_ARGS": options, "PY_CFLAGS": "-O3"}.get)
        return machine_fingerprint()["python_build"]

    one = build("'--prefix=/opt/a' '--enable-optimizations' '--with-lto'")
    assert one.startswith("optimizations+lto ")
    assert build("'--prefix=/home/b' '--enable-optimizations' '--with-lto'") == one
    assert build("'--prefix=/opt/a' '--without-lto'").startswith("plain ")


# --- packages --------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    for name in ("attrs-23.1.0", "ruamel.yaml-0.18", "Foo_Bar-1.0+cpu"):
        (folder / f"{name}.dist-info").mkdir(parents=True)
    (folder / "old_style-2.0-py3.11.egg-info").touch()
    (folder / "attrs").mkdir()
    return folder


def test_packages_are_named_alike_however_they_were_installed(site: Path) -> None:
    assert installed_packages([str(site)]) == [
        "attrs==23.1.0",
        "foo-bar==1.0+cpu",
        "old-style==2.0",
        "ruamel-yaml==0.18",
    ]


def test_the_first_of_a_name_counts_as_it_does_for_imports(site: Path, tmp_path: Path) -> None:
    (tmp_path / "first" / "attrs-25.0.dist-info").mkdir(parents=True)
    assert "attrs==25.0" in installed_packages([str(tmp_path / "first"), str(site)])
    assert "attrs==23.1.0" in installed_packages([str(site), str(tmp_path / "first")])


def test_folders_that_are_not_there_hold_no_packages(tmp_path: Path) -> None:
    (tmp_path / "lib.zip").touch()
    assert installed_packages([str(tmp_path / "no"), str(tmp_path / "lib.zip")]) == []


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ({"url": "file://{here}", "dir_info": {"editable": True}}, None),
        ({"url": "file://{here}", "dir_info": {}}, None),
        ({"url": "file:///croot/attrs_1700/work", "dir_info": {}}, "attrs==23.1.0"),
        ({"url": "https://x/attrs.whl", "archive_info": {}}, "attrs==23.1.0"),
        ({"url": "https://x/attrs", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}}, "attrs==23.1.0@abababababab"),
        (["not", "PEP", 610], "attrs==23.1.0"),
        ({"url": None, "vcs_info": 3}, "attrs==23.1.0"),
    ],
)
def test_sources_under_work_are_not_packages(site: Path, origin: object, listed: str | None) -> None:
    text = json.dumps(origin).replace("{here}", str(site))
    (site / "attrs-23.1.0.dist-info" / "direct_url.json").write_text(text)
    packages = installed_packages([str(site)])
    assert [name for name in packages if name.startswith("attrs")] == ([listed] if listed else [])


@pytest.mark.parametrize(
    ("text", "left_out"),
    [('[project]\nname = "foo.Bar"', True), ("[project]", False), ("[project", False), ("project = 3", False)],
)
def test_the_project_itself_is_not_a_package(site: Path, tmp_path: Path, text: str, left_out: bool) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert ("foo-bar==1.0+cpu" not in installed_packages([str(site)], tmp_path)) is left_out


# --- differences -----------------------------------------------------------------------------------------------


def test_the_same_machine_has_no_differences() -> None:
    assert differences(RECORDED, dict(reversed(RECORDED.items()))) == []


@pytest.mark.parametrize("name", WORDS)
def test_each_entry_is_a_difference(name: str) -> None:
    (line,) = differences(RECORDED, {**RECORDED, name: "other==1"})
    assert line.startswith(f"{WORDS[name]}: ")


def test_a_difference_in_words() -> None:
    here = {**RECORDED, "cpu": "Intel Xeon", "kernel": ""}
    recorded = {**RECORDED, "cpu": "AMD EPYC"}
    assert differences(recorded, here) == [
        "CPU model: recorded on AMD EPYC, this is Intel Xeon",
        "kernel: recorded on same, this is an unknown one",
    ]


def test_another_machine_of_the_same_model() -> None:
    assert differences(RECORDED, {**RECORDED, "machine": "11" * 8}) == ["machine: recorded on a different one"]


def test_a_machine_that_cannot_be_identified_is_another_one() -> None:
    unknown = {**RECORDED, "machine": ""}
    assert differences(RECORDED, unknown) == ["machine: this one cannot be identified"]
    assert differences(unknown, RECORDED) == ["machine: the one it was recorded on cannot be identified"]
    assert len(differences(unknown, unknown)) == 1


def test_packages_are_compared_one_by_one() -> None:
    here = {**RECORDED, "dependencies": "attrs==23.1.0 pytest==9.0.1 scipy==1.17"}
    assert differences(RECORDED, here) == [
        "installed packages: numpy gone, pytest 8.4.0 → 9.0.1, scipy new",
    ]


def test_many_changed_packages_are_cut_short() -> None:
    here = {**RECORDED, "dependencies": " ".join(f"package{i}==1" for i in range(20))}
    (line,) = differences(RECORDED, here)
    assert line.endswith(" and 17 more")


def test_an_entry_of_one_side_only_is_a_difference() -> None:
    fewer = {name: value for name, value in RECORDED.items() if name != "libc"}
    assert differences(fewer, RECORDED) == ["C library: recorded on an unknown one, this is same"]
    assert differences(RECORDED, {**RECORDED, "gpu": "none"}) == ["gpu: recorded on an unknown one, this is none"]
    assert differences({}, RECORDED)


def test_samplers() -> None:
    recorded = SamplerInfo("perf-sigtrap", "task-clock", True, 997, "no PMU")
    assert sampler_differences(recorded, SamplerInfo("perf-sigtrap", "task-clock", True, 997, "")) == []
    assert sampler_differences(recorded, SamplerInfo("timer", "cpu-clock-looks", False, 499)) == [
        "sampler: perf-sigtrap when recorded, timer here",
        "sampled event: task-clock when recorded, cpu-clock-looks here",
        "kernel time: sampled when recorded, not sampled here",
        "sampling rate: 997 Hz when recorded, 499 Hz here",
    ]
