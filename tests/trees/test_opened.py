"""Code of the wrong side that any process opened, seen by a real keeper; whichever way the process was started."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_flame.measure import keeper
from pytest_flame.trees.opened import Reads, Watched, watched
from pytest_flame.trees.proof import misread, misread_details, misread_message
from pytest_flame.trees.provenance import Provenance

PYTHON = (sys.executable, "-I", "-S")


@dataclass
class Project:
    """Two trees, a checkout, a folder of packages, and whose side is measured."""

    path: Path
    provenance: Provenance

    @property
    def site(self) -> Path:
        return self.path / "site-packages"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    @property
    def watched(self) -> Watched:
        files = {
            path.relative_to(tree).as_posix()
            for tree in (self.path / "base", self.path / "head")
            for path in tree.rglob("*")
            if path.is_file()
        }
        return watched(self.provenance, sorted(files), [str(self.site)])

    def run(self, code: str) -> tuple[dict[str, list[str]], str | None]:
        """Runs a worker's code under a keeper; returns what that recorded."""
        self.watched.write(self.path / "watched.json")
        report = self.path / "kept.json"
        # The worker of the gate starts its children long after the watching began.
        code = "import os, subprocess, sys, time\ntime.sleep(0.3)\n" + textwrap.dedent(code)
        command = [*PYTHON, keeper.__file__, str(report), str(self.path / "watched.json"), "", *PYTHON, "-c", code]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.wait(30) == 0
        found = json.loads(report.read_text())
        assert found["status"] == 0
        return found["opened"], found["unwatched"]

    def why(self, code: str) -> list[str]:
        return [stray.why for stray in misread(self.provenance, self.run(code)[0])]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    provenance = Provenance(
        "base", str(tmp_path / "base"), str(tmp_path / "head"), str(tmp_path / "checkout"), roots=("",)
    )
    made = Project(tmp_path, provenance)
    for side in ("base", "head", "checkout"):
        made.write(f"{side}/pkg/__init__.py", f"side = {side!r}")
        made.write(f"{side}/pkg/data.txt", "no code")
        made.write(f"{side}/tool", f"#!{sys.executable}\nimport sys")
        (tmp_path / side / "tool").chmod(0o755)
    return made


WAYS = {
    "an environment of its own": "subprocess.run([sys.executable, '-c', CODE], env={})",
    "-I": "subprocess.run([sys.executable, '-I', '-c', CODE])",
    "-S": "subprocess.run([sys.executable, '-S', '-c', CODE])",
    "a shell": "os.system(f'env -i {sys.executable} -c \"{CODE}\"')",
    "a child of a child": "subprocess.run([sys.executable, '-c', f'import os; os.system({SHELL!r})'], env={})",
    "fork and exec": "os.fork() or os.execv(sys.executable, [sys.executable, '-c', CODE])\nos.wait()",
    "posix_spawn": "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-c', CODE], {}), 0)",
    "bytecode": "subprocess.run([sys.executable, '-c', CODE], env={})\n" * 2,
}


@pytest.mark.parametrize("start", WAYS.values(), ids=WAYS)
def test_a_process_that_imports_the_checkout(project: Project, start: str) -> None:
    code = f"import sys; sys.path.insert(0, {project.provenance.checkout!r}); import pkg"
    shell = f'"{sys.executable}" -c "{code}"'
    found, unwatched = project.run(f"CODE = {code!r}\nSHELL = {shell!r}\n{start}")
    strays = misread(project.provenance, found)
    assert unwatched is None
    assert [(stray.module, stray.why) for stray in strays] == [("pkg", "the checkout itself")]
    assert strays[0].file == f"{project.provenance.checkout}/pkg/__init__.py"


def test_the_other_side(project: Project) -> None:
    assert project.why(f"subprocess.run([sys.executable, '{project.path}/head/pkg/__init__.py'])") == [
        "the other side's tree"
    ]


def test_a_program_without_a_suffix(project: Project) -> None:
    assert project.why(f"subprocess.run(['{project.path}/checkout/tool'])") == ["the checkout itself"]


def test_an_installed_copy(project: Project) -> None:
    project.write("site-packages/pkg/__init__.py", "side = 'another'")
    code = f"import sys; sys.path.insert(0, {str(project.site)!r}); import pkg"
    assert project.why(f"subprocess.run([sys.executable, '-c', {code!r}])") == [
        "an installed copy that differs from this side's file"
    ]
    project.write("site-packages/pkg/__init__.py", "side = 'base'")
    assert project.why(f"subprocess.run([sys.executable, '-B', '-c', {code!r}])") == []


def test_an_installed_module(project: Project) -> None:
    for place in ("base/single.py", "head/single.py", "site-packages/single.py", "site-packages/other.py"):
        project.write(place, f"place = {place!r}")
    code = f"import sys; sys.path.insert(0, {str(project.site)!r}); import single, other"
    found, _ = project.run(f"subprocess.run([sys.executable, '-c', {code!r}])")
    assert {Path(file).name.partition(".")[0] for file in found} == {"single"}
    assert [stray.module for stray in misread(project.provenance, found)] == ["single"]


def test_its_own_tree_and_what_is_no_code(project: Project) -> None:
    code = f"import sys; sys.path.insert(0, {project.provenance.tree!r}); import pkg, json"
    read = f"open({project.provenance.checkout + '/pkg/data.txt'!r}).read()"
    assert project.run(f"subprocess.run([sys.executable, '-c', {code!r}], env={{}})\n{read}") == ({}, None)


def test_environments_inside_the_checkout_are_not_looked_at(project: Project) -> None:
    for side in ("base", "head", "checkout"):
        project.write(f"{side}/env/x.py", "")
    project.write("checkout/env/pyvenv.cfg", "")
    assert f"{project.path}/checkout/env" not in project.watched.folders
    assert f"{project.path}/checkout/pkg" in project.watched.folders


def test_bytecode_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = project.path / "bytecode"
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(prefix))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    code = f"import sys; sys.path.insert(0, {project.provenance.checkout!r}); import pkg"
    subprocess.run([sys.executable, "-c", code], check=True)
    found, _ = project.run(f"subprocess.run([sys.executable, '-c', {code!r}])")
    assert list(found) == [f"{prefix}{project.path}/checkout/pkg/__init__.{sys.implementation.cache_tag}.pyc"]
    assert [stray.why for stray in misread(project.provenance, found)] == ["the checkout itself"]


def test_words(project: Project) -> None:
    (stray,) = misread(project.provenance, [f"{project.path}/checkout/pkg/__init__.py"])
    file = f"{project.path}/checkout/pkg/__init__.py"
    for started, who in (("tool --all",), "`tool --all`"), (("a", "b"), "a process that the test started"):
        said = misread_message(stray, started, project.provenance)
        assert said == f"{who} ran, on base, the code of the checkout itself: {file}"
    assert "started: tool --all" in misread_details([stray], ["tool --all"], project.provenance)


def test_what_is_running_then_is_noted(project: Project) -> None:
    code = f"import sys, time; sys.path.insert(0, {project.provenance.checkout!r}); import pkg; time.sleep(1)"
    found, _ = project.run(f"subprocess.run([sys.executable, '-c', {code!r}])")
    assert any("import pkg" in command for commands in found.values() for command in commands)


@pytest.mark.parametrize(("number", "words"), [(28, "max_user_watches"), (24, "max_user_instances"), (13, "cannot be")])
def test_folders_that_cannot_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    class Refusing:
        def inotify_init1(self, flags: int) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *a, **k: Refusing())
    monkeypatch.setattr(ctypes, "get_errno", lambda: number)
    reads = Reads(Watched({str(tmp_path): None}))
    assert words in (reads.unknown or "")
    assert reads.take() == []
