"""What counts as the wrong side's file."""

from __future__ import annotations

from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from pytest_flame.trees.proof import Known, details, message, strays
from pytest_flame.trees.provenance import Provenance

NATIVE = f"pkg/fast{EXTENSION_SUFFIXES[0]}"


@pytest.fixture
def base(tmp_path: Path) -> Provenance:
    for folder in ("base", "head", "checkout"):
        write(tmp_path / folder / "pkg/__init__.py", folder)
        write(tmp_path / folder / "pkg/same.py", "same")
    write(tmp_path / "head/pkg/new.py", "new")
    return Provenance("base", str(tmp_path / "base"), str(tmp_path / "head"), str(tmp_path / "checkout"), roots=("",))


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def why(provenance: Provenance, module: str, file: str) -> str:
    found = strays(provenance, iter([(module, file)]))
    return found[0].why if found else ""


def test_own_tree_and_strangers_are_fine(base: Provenance, tmp_path: Path) -> None:
    assert why(base, "pkg", f"{base.tree}/pkg/__init__.py") == ""
    assert why(base, "json", write(tmp_path / "env/site-packages/json/__init__.py", "x")) == ""


def test_the_other_side_and_the_checkout_are_wrong(base: Provenance) -> None:
    assert why(base, "pkg", f"{base.other}/pkg/__init__.py") == "the other side's tree"
    assert why(base, "pkg", f"{base.checkout}/pkg/__init__.py") == "the checkout itself"


def test_installed_copies(base: Provenance, tmp_path: Path) -> None:
    site = tmp_path / "env/site-packages"
    assert why(base, "pkg.same", write(site / "pkg/same.py", "same")) == ""
    assert "differs" in why(base, "pkg", write(site / "pkg/__init__.py", "head"))
    assert "does not have" in why(base, "pkg.new", write(site / "pkg/new.py", "new"))
    # Written by a build: in no tree, or ignored by git.
    assert why(base, "pkg._built", write(site / "pkg/_built.py", "x")) == ""
    assert why(replace(base, generated=("pkg/same.py",)), "pkg.same", write(site / "pkg/same.py", "other")) == ""


def test_what_was_checked_before_a_fork_is_not_checked_again(base: Provenance, tmp_path: Path) -> None:
    installed = write(tmp_path / "env/site-packages/pkg/same.py", "another text")
    imported = [("pkg.same", installed), ("pkg", f"{base.checkout}/pkg/__init__.py")]
    known: Known = {}
    before = strays(base, iter(imported), known)
    assert len(before) == len(known) == 2
    Path(installed).unlink()
    assert strays(base, iter(imported), known) == before
    assert strays(base, iter([("other", str(tmp_path / "other.py"))]), known) == []
    assert len(known) == 3


def test_compiled_parts(base: Provenance, tmp_path: Path) -> None:
    installed = write(tmp_path / "env/site-packages" / NATIVE, "")
    assert "compiled" in why(base, "pkg.fast", installed)
    assert why(replace(base, shares_compiled=True), "pkg.fast", installed) == ""
    assert why(replace(base, own=(str(tmp_path / "env"),)), "pkg.fast", installed) == ""
    in_checkout = write(Path(base.checkout) / NATIVE, "")
    assert why(base, "pkg.fast", in_checkout) == "the checkout itself"
    assert why(replace(base, shares_compiled=True), "pkg.fast", in_checkout) == ""
    write(Path(base.tree) / NATIVE, "")
    assert why(replace(base, shares_compiled=True), "pkg.fast", in_checkout) == "the checkout itself"


def test_the_first_file_is_named_and_all_are_listed(base: Provenance) -> None:
    files = [("pkg.same", f"{base.checkout}/pkg/same.py"), ("pkg", f"{base.checkout}/pkg/__init__.py")]
    found = strays(base, iter(files))
    assert message(found[0], base) == f"base imported pkg from the checkout itself: {base.checkout}/pkg/__init__.py"
    assert all(file in details(found, base) for _, file in files)


def test_a_compiled_python_module_stands_for_one_source_only(base: Provenance, tmp_path: Path) -> None:
    """What mypyc and Cython's pure Python mode leave."""
    shared = replace(base, shares_compiled=True)
    for place in ("env/site-packages", "checkout/build/lib"):
        compiled = write(tmp_path / place / NATIVE, "")
        assert why(shared, "pkg.fast", compiled) == ""
        write(tmp_path / "head/pkg/fast.py", "head")
        assert "head's module" in why(shared, "pkg.fast", compiled)
        assert why(replace(shared, side="head", tree=base.other, other=base.tree), "pkg.fast", compiled) == ""
        assert why(replace(shared, own=(str(tmp_path / place),)), "pkg.fast", compiled) == ""
        (tmp_path / "head/pkg/fast.py").unlink()
