"""Without ``--flame`` the plugin imports nothing heavy. How long it takes is for benchmarks/startup.py to say."""

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


def test_the_interval_of_a_median_covers_it() -> None:
    # Binomial tail of 40 tosses: 14th and 27th of the ordered values (Conover, Practical Nonparametric Statistics).
    assert startup.median_interval([float(i) for i in range(1, 41)]) == (20.5, 14.0, 27.0)
