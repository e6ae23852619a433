"""Without ``--flame`` the plugin imports nothing heavy. How long it takes is for benchmarks.startup to say."""

from __future__ import annotations

from pathlib import Path

from benchmarks import startup


def test_a_run_without_flame_imports_nothing_heavy(tmp_path: Path) -> None:
    modules = startup.imported_modules(tmp_path)
    assert "pytest_flame.plugin" in modules
    assert not modules & set(startup.HEAVY)


def test_the_check_would_notice(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import jinja2\n", encoding="utf-8")
    assert "jinja2" in startup.imported_modules(tmp_path)
