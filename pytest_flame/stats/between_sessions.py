"""How much recordings of the same code differ from session to session, and a base of several recordings.

A recording's centre is the code's cost, plus a shift its session gives to all of its processes, plus the scatter of the
processes: the two-level model of Kalibera & Jones (ISMM 2013). Processes say nothing about the shift, however many
there are; only further recordings do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pytest_flame.stats import student
from pytest_flame.stats.whole import Centre

MIN_SESSIONS: Final = 3
"""With fewer recordings their variance is unknown."""


@dataclass(frozen=True, slots=True)
class Between:
    """By how much a session shifts all of its processes: ``sd`` on the log scale, 0 if none is seen."""

    sd: float
    df: float
    sessions: int


@dataclass(frozen=True, slots=True)
class Difference:
    """log(head/base), its standard error ``se`` on ``df`` degrees of freedom, and the base it was taken against.

    ``base.se`` is only the scatter of processes; the sessions' part is in ``se``. ``between`` is None if unknown.
    """

    base: Centre
    head: Centre
    log_ratio: float
    se: float
    df: float
    between: Between | None

    def equivalent_sd(self, alpha: float) -> float:
        """The session sd that, taken as exactly known and added to both sides' ``se`` in quadrature, gives the same
        bound.

        For tests without degrees of freedom for it (``growth.Gauge``), at the one-sided level ``alpha``.
        """
        reach = float(student.quantile(1 - alpha, self.df)) * self.se
        known = reach / float(student.quantile(1 - alpha, math.inf))
        return math.sqrt(max(0.0, known**2 - self.base.se**2 - self.head.se**2))


def between(recordings: Sequence[Centre]) -> Between | None:
    """The session sd from the centres of recordings of the same code; None from fewer than ``MIN_SESSIONS``.

    The centres' variance minus what their processes explain (``se``², on average), never below 0.
    """
    if len(recordings) < MIN_SESSIONS or not math.isfinite(_within(recordings)):
        return None
    variance = max(0.0, _observed(recordings) - _within(recordings))
    return Between(math.sqrt(variance), len(recordings) - 1.0, len(recordings))


def difference(recordings: Sequence[Centre], head: Centre, *, assumed_sd: float, shift: float = 0.0) -> Difference:
    """``head``, one session, against S ≥ 1 ``recordings`` of the base, whose centre is their mean.

    With sd the session sd, w the recordings' mean se² and h head's:

        se² = sd²·(1 + 1/S) + max(h, w) + w/S + shift²

    A prediction interval: head's session is one more of the same kind, and its processes are assumed to be no less
    noisy than the base's, with which the sd was estimated. Degrees of freedom by Satterthwaite, where all of the
    recordings' variance gets S − 1, including the part that w was subtracted from: an sd that happens to be estimated
    as 0 is not certain. With fewer than ``MIN_SESSIONS``, ``assumed_sd`` (by which one recording differs from another,
    so √2 times a session's sd) takes the place of the estimate as if exactly known, and h is head's alone.

    ``shift`` (log scale) is the observed change of the machine itself. How much of it affects a program is not known,
    so nothing is corrected: it is one more sd.
    """
    count = len(recordings)
    spread, within, own = 1 + 1 / count, _within(recordings), head.se**2
    base = Centre(
        float(np.mean([r.log_cost for r in recordings])), math.sqrt(within / count), sum(r.df for r in recordings)
    )
    found = between(recordings)
    if not math.isfinite(within + own):
        return Difference(base, head, head.log_cost - base.log_cost, math.inf, 1.0, found)
    if found is None:
        session = assumed_sd**2 / 2 * spread
        parts = [(session, math.inf), (own, head.df), (within / count, base.df)]
    else:
        total = found.sd**2 * spread + max(own, within) + within / count
        observed = min(_observed(recordings) * spread, total)
        parts = [(observed, found.df), (total - observed, head.df)]
    parts.append((shift**2, math.inf))
    variances = [np.asarray(variance) for variance, _ in parts]
    df = float(student.effective_df(variances, [df for _, df in parts]))
    return Difference(base, head, head.log_cost - base.log_cost, math.sqrt(sum(v for v, _ in parts)), df, found)


def _observed(recordings: Sequence[Centre]) -> float:
    return float(np.var([r.log_cost for r in recordings], ddof=1))


def _within(recordings: Sequence[Centre]) -> float:
    return float(np.mean([r.se**2 for r in recordings]))
