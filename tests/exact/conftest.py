from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_flame.baseline import exact_wire
from pytest_flame.baseline.json_text import parse
from pytest_flame.model import Exact

PROGRAMS = Path(__file__).with_name("programs")

RunProgram = Callable[..., str]
Record = Callable[..., list[Exact]]
Tree = Callable[..., Path]


@pytest.fixture(scope="session")
def run_program() -> RunProgram:
    """What a program of the folder ``programs`` prints in a fresh interpreter."""

    def run_program(name: str, *arguments: str | Path) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-X", "faulthandler", PROGRAMS / name, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_program


@pytest.fixture(scope="session")
def record(run_program: RunProgram) -> Record:
    """Exact passes of the subjects in these folders, each in a process of its own."""

    def record(*trees: Path) -> list[Exact]:
        return [exact_wire.decode(parse(text)) for text in json.loads(run_program("record.py", *trees))]

    return record


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A folder with a subject and other files: path → text."""

    def tree(subject: str, files: Mapping[str, str] | None = None) -> Path:
        folder = tmp_path_factory.mktemp("tree")
        for path, text in {"subject.py": textwrap.dedent(subject), **(files or {})}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    return tree
