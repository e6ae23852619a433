"""Imports that would read the checkout read the tree; each case in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_flame.trees import redirect
from pytest_flame.trees.redirect import PathMap


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    checkout, tree = tmp_path / "checkout", tmp_path / "scratch/base"
    for folder in (checkout, tree):
        (folder / "pkg").mkdir(parents=True)
        (folder / "pkg/__init__.py").write_text("")
    return checkout, tree


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def python(two: tuple[Path, Path], code: str) -> str:
    """``code`` after the redirection; an editable finder for ``pkg`` and ``space`` stands in for an installation."""
    checkout, tree = two
    program = f"""
import sys
from importlib.util import spec_from_file_location as spec, module_from_spec
from importlib.machinery import ModuleSpec
from pathlib import Path

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "space":
            found = ModuleSpec(name, None, is_package=True)
            found.submodule_search_locations = [{str(checkout / "space")!r}]
            return found
        place = Path({str(checkout)!r}, *name.split("."))
        if (place / "__init__.py").exists():
            return spec(name, place / "__init__.py")
        if place.with_suffix(".py").exists() and name.startswith("pkg"):
            return spec(name, place.with_suffix(".py"))

sys.meta_path.append(Finder)
redirect_spec = spec("redirect", {redirect.__file__!r})
redirect = module_from_spec(redirect_spec)
redirect_spec.loader.exec_module(redirect)
redirect.install(redirect.PathMap({str(checkout)!r}, {str(tree)!r}))
{textwrap.dedent(code)}
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd="/")
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_packages_and_their_modules(two: tuple[Path, Path]) -> None:
    write(two[1] / "pkg/only_base.py")
    assert python(two, "import pkg.only_base; print(pkg.only_base.__file__)") == f"{two[1]}/pkg/only_base.py"


def test_a_module_that_only_the_checkout_has(two: tuple[Path, Path]) -> None:
    write(two[0] / "pkg/only_head.py")
    assert python(two, "import pkg.only_head") == "ModuleNotFoundError: No module named 'pkg.only_head'"


def test_a_top_level_package_that_the_installation_does_not_know(two: tuple[Path, Path]) -> None:
    write(two[1] / "core/__init__.py")
    write(two[0] / "setup.py")
    write(two[1] / "setup.py")
    assert python(two, "import pkg, core; print(core.__file__)") == f"{two[1]}/core/__init__.py"
    assert python(two, "import pkg, setup").startswith("ModuleNotFoundError")


def test_namespace_packages(two: tuple[Path, Path]) -> None:
    write(two[0] / "space/a.py")
    assert python(two, "import space").startswith("ModuleNotFoundError")
    write(two[1] / "space/a.py")
    assert python(two, "import space.a; print(space.a.__file__)") == f"{two[1]}/space/a.py"


def test_data_comes_from_the_tree(two: tuple[Path, Path]) -> None:
    write(two[0] / "pkg/data.txt", "head")
    write(two[1] / "pkg/data.txt", "base")
    assert python(two, "import importlib.resources as r; print((r.files('pkg') / 'data.txt').read_text())") == "base"


def test_places(two: tuple[Path, Path], tmp_path: Path) -> None:
    checkout, tree = two
    write(checkout / "env/pyvenv.cfg")
    write(checkout / "env/lib/x.py")
    write(checkout / "lib/site-packages/x.py")
    (tmp_path / "link").symlink_to(checkout)
    places = PathMap(str(checkout), str(tree), (str(checkout / "kept"),))
    assert places.mapped(str(checkout)) == str(tree)
    assert places.mapped(str(tmp_path / "link/pkg")) == f"{tree}/pkg"
    assert places.mapped(f"{checkout}-2/pkg") is None
    for kept in (checkout / "env/lib/x.py", checkout / "lib/site-packages/x.py", checkout / "kept/x.py", tree / "pkg"):
        assert places.mapped(str(kept)) is None


def test_a_checkout_inside_an_environment_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``pip install -e git+…`` puts them."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    write(tmp_path / "env/pyvenv.cfg")
    write(tmp_path / "env/src/project/x.py")
    places = PathMap(str(tmp_path / "env/src/project"), str(tmp_path / "tree"))
    assert places.mapped(str(tmp_path / "env/src/project/x.py")) == str(tmp_path / "tree/x.py")
