"""Student's t and the few special functions that the tests need: typed, vectorised, the only importer of scipy here."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats takes half a second to import

Floats: TypeAlias = NDArray[np.float64]


def quantile(probability: float, df: float | Floats) -> Floats:
    """Value that Student's t with ``df`` degrees of freedom stays below with ``probability`` (above 0); ``df`` may be
    inf."""
    return np.asarray(special.stdtrit(df, probability), dtype=np.float64)


def upper_tail(t: float | Floats, df: float | Floats) -> Floats:
    """P(T > t): the one-sided p-value."""
    return np.asarray(special.stdtr(df, -np.asarray(t)), dtype=np.float64)


def effective_df(variances: list[Floats], dfs: list[float | Floats]) -> Floats:
    """Degrees of freedom of a sum of independent variance estimates (Satterthwaite, Biometrics 2, 1946).

    An exactly known variance has ``df`` inf. If all are zero the result is 1.
    """
    total = np.sum(variances, axis=0)
    scatter = np.sum([v**2 / d for v, d in zip(variances, dfs, strict=True)], axis=0)
    return np.where(scatter > 0, total**2 / np.where(scatter > 0, scatter, 1.0), np.where(total > 0, np.inf, 1.0))


def log_f_mean(df: Floats) -> Floats:
    """E[log(s²/σ²)] for a sample variance with ``df`` degrees of freedom."""
    return np.asarray(special.digamma(df / 2) - np.log(df / 2), dtype=np.float64)


def log_f_variance(df: float | Floats) -> Floats:
    """Var[log s²] for a sample variance with ``df`` degrees of freedom: ψ₁(df/2)."""
    return np.asarray(special.polygamma(1, np.asarray(df) / 2), dtype=np.float64)


def df_of_log_variance(variance: float) -> float:
    """Inverse of ``log_f_variance``, by Newton's method on 1/ψ₁, which is convex (Smyth 2004, appendix)."""
    if variance > 1e7:
        return 2 / math.sqrt(variance)
    if variance < 1e-6:
        return 2 / variance
    y = 0.5 + 1 / variance
    for _ in range(50):
        trigamma = float(special.polygamma(1, y))
        step = trigamma * (1 - trigamma / variance) / float(special.polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return 2 * y
