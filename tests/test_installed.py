from __future__ import annotations

from pathlib import Path

from pytest_flame.installed import is_installed, lies_in_environment


def test_folders_that_packages_are_installed_into() -> None:
    assert is_installed(("lib", "python3.11", "site-packages", "attr", "_make.py"))
    assert not is_installed(("src", "packages", "orders.py"))


def test_an_environment_is_known_by_its_settings_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "odd name" / "bin").mkdir(parents=True)
    (tmp_path / "odd name" / "pyvenv.cfg").touch()
    (tmp_path / "src").mkdir()
    seen: dict[str, bool] = {}
    assert lies_in_environment(str(tmp_path / "odd name" / "bin" / "tool.py"), str(tmp_path), seen)
    assert lies_in_environment(str(tmp_path / "src" / "site-packages" / "a.py"), str(tmp_path), seen)
    assert not lies_in_environment(str(tmp_path / "src" / "a.py"), str(tmp_path), seen)
    assert seen[str(tmp_path / "odd name")] and not seen[str(tmp_path / "src")]


def test_what_lies_around_the_root_does_not_count(tmp_path: Path) -> None:
    root = tmp_path / "site-packages" / "checkout"
    root.mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").touch()
    assert not lies_in_environment(str(root / "a.py"), str(root), {})
