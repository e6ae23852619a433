"""Which libraries have another release on the other side, and their import names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from simulated import SHOP, record

from pytest_flame.baseline.libraries import changed_packages, changed_releases
from pytest_flame.model import Recording


def of(dependencies: str) -> Recording:
    return replace(record(SHOP, np.random.default_rng(1)), fingerprint={"dependencies": dependencies})


def test_equal_installations_change_nothing() -> None:
    same = of("click==8.1.7 pytest==9.0.0")
    assert changed_packages(same, same) == frozenset()
    assert changed_releases(same, same) == []
    unknown = of("")
    assert changed_packages(unknown, unknown) == frozenset()


def test_a_distribution_changes_all_that_it_is_imported_as() -> None:
    base, head = of("made-up==1.0 pytest==8.0.0 gone==1"), of("made-up==1.0 pytest==9.0.0 new==2@0123456789ab")
    assert changed_packages(base, head) >= {"pytest", "_pytest", "gone", "new"}
    assert "made_up" not in changed_packages(base, head)
    assert changed_packages(of("made-up==1"), of("made-up==2")) >= {"made_up"}


def test_releases_in_words() -> None:
    base, head = of("click==8.1.7 gone==1"), of("click==8.2.0 new==2")
    assert changed_releases(base, head) == ["click 8.1.7 → 8.2.0", "gone 1 → not installed", "new not installed → 2"]
