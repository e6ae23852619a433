from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_flame.baseline.source_hashes import module_files, source_hashes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a virtual environment inside."""
    for path in (
        "src/orders/parse.py",
        "tests/test_orders.py",
        "env/lib/python3.11/anything.py",
        "lib/site-packages/attrs/__init__.py",
    ):
        (tmp_path / "repo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / path).write_text(path)
    (tmp_path / "repo/env/pyvenv.cfg").touch()
    (tmp_path / "other.py").touch()
    return tmp_path / "repo"


def test_the_projects_own_files_are_hashed(project: Path) -> None:
    files = [str(project / "tests/test_orders.py"), str(project / "src/orders/parse.py")]
    assert source_hashes(project, files) == {
        path: hashlib.sha256(path.encode()).hexdigest() for path in ("src/orders/parse.py", "tests/test_orders.py")
    }
    assert list(source_hashes(project, files)) == ["src/orders/parse.py", "tests/test_orders.py"]


@pytest.mark.parametrize(
    "file",
    [
        "{project}/env/lib/python3.11/anything.py",
        "{project}/lib/site-packages/attrs/__init__.py",
        "{project}/../other.py",
        "{project}/gone.py",
        "{project}/src",
        types.__file__,
    ],
)
def test_other_files_are_left_out(project: Path, file: str) -> None:
    assert source_hashes(project, [file.format(project=project)]) == {}


def test_a_project_inside_an_environment_is_still_a_project(project: Path) -> None:
    root = project / "env/work"
    root.mkdir()
    (root / "a.py").touch()
    assert list(source_hashes(root, [str(root / "a.py")])) == ["a.py"]


def test_a_file_is_the_same_however_it_is_reached(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    file = str(tmp_path / "link/src/orders/parse.py")
    assert list(source_hashes(project, [file])) == ["src/orders/parse.py"]
    assert list(source_hashes(tmp_path / "link", [file])) == ["src/orders/parse.py"]


def test_a_changed_byte_is_a_changed_hash(project: Path) -> None:
    file = project / "src/orders/parse.py"
    before = source_hashes(project, [str(file)])
    file.write_text(file.read_text() + " ")
    assert source_hashes(project, [str(file)]) != before


def test_imported_modules_with_source(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(types.ModuleType):
        def __getattr__(self, name: str) -> NoReturn:
            raise RuntimeError(f"imported something for {name}")

    odd = {"lazy": Lazy("lazy"), "none": None, "object": object(), "int": types.SimpleNamespace(__file__=3)}
    odd["compiled"] = types.SimpleNamespace(__file__="/x/compiled.so")
    odd["source"] = types.SimpleNamespace(__file__="/x/source.py")
    for name, module in odd.items():
        monkeypatch.setitem(sys.modules, f"_odd_{name}", module)
    files = module_files()
    assert files == sorted(set(files))
    assert types.__file__ in files
    assert [file for file in files if file.startswith("/x/")] == ["/x/source.py"]
