"""Family-wise error: one wrong name among all the frames of a test is already an error."""

from __future__ import annotations

import numpy as np

from pytest_flame.stats.student import Floats


def holm(p: Floats) -> Floats:
    """Adjusted p-values, same order as ``p`` (Holm, Scand. J. Statist. 6, 1979). Valid under any dependence."""
    m = len(p)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(m, 0, -1))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
