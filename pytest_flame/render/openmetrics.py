"""The figures of a run as OpenMetrics text 1.0, for GitLab's metrics report, Prometheus and what reads either.

One family of gauges for each quantity, one sample for each test. What is unknown has no sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Final

from pytest_flame.model import Comparison, Judgement, Metric, RunResult
from pytest_flame.render import words

Samples = Iterator[tuple[dict[str, str], float]]

_RATIOS: Final[tuple[tuple[str, str, Callable[[Comparison], float]], ...]] = (
    ("flame_ratio", "Cost of head over cost of base.", lambda c: c.ratio),
    ("flame_ratio_low", "Lower end of the ratio's interval.", lambda c: c.low),
    ("flame_ratio_high", "Upper end of the ratio's interval.", lambda c: c.high),
    ("flame_ratio_detectable", "Smallest ratio that would have been called REGRESSED.", lambda c: c.mde),
    ("flame_ratio_tolerated", "Largest ratio that is tolerated.", lambda c: 1 + c.limits.threshold),
    ("flame_processes", "Measured processes of head.", lambda c: c.head_processes),
)
_PICOSECONDS: Final = 10**12
_ESCAPES: Final = {ord("\\"): r"\\", ord('"'): r"\"", ord("\n"): r"\n"}


def openmetrics_text(result: RunResult) -> str:
    lines = [
        line
        for name, unit, explanation, samples in _families(result)
        for line in _family(name, unit, explanation, list(samples))
    ]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _families(result: RunResult) -> Iterator[tuple[str, str, str, Samples]]:
    compared = [(j, j.comparison) for j in result.judgements if j.comparison is not None]
    for metric in dict.fromkeys(c.metric for _, c in compared):
        name, unit = _name(metric)
        yield name, unit, f"{metric.noun[0].upper()}{metric.noun[1:]}.", _costs(metric, compared)
    for name, explanation, value in _RATIOS:
        yield name, "", explanation, (({"test": j.test_id}, value(c)) for j, c in compared)
    verdicts = (({"test": j.test_id, "verdict": j.verdict.value}, 1.0) for j in result.judgements)
    yield "flame_verdict", "", "The verdict of each test; always 1.", verdicts
    counts = (({"verdict": verdict.value}, float(number)) for verdict, number in words.counts(result))
    yield "flame_tests", "", "Tests with this verdict.", counts
    yield "flame_run_seconds", "seconds", "Duration of the run.", iter([({}, result.duration_s)])


def _name(metric: Metric) -> tuple[str, str]:
    """Of its family, and the unit that OpenMetrics wants at the end of it."""
    stem = re.sub(r"\W", "_", metric.name, flags=re.ASCII)
    return (f"flame_{stem}_seconds", "seconds") if metric.timed else (f"flame_{stem}", "")


def _costs(metric: Metric, compared: list[tuple[Judgement, Comparison]]) -> Samples:
    for judgement, comparison in compared:
        if comparison.metric == metric:
            for side, cost in (("base", comparison.base), ("head", comparison.head)):
                value = metric.picoseconds(cost) / _PICOSECONDS if metric.timed else cost / metric.scale
                yield {"test": judgement.test_id, "side": side}, value


def _family(name: str, unit: str, explanation: str, samples: list[tuple[dict[str, str], float]]) -> Iterator[str]:
    known = [(labels, value) for labels, value in samples if math.isfinite(value)]
    if not known:
        return
    yield f"# TYPE {name} gauge"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {explanation.translate(_ESCAPES)}"
    for labels, value in known:
        shown = ",".join(f'{label}="{_encodable(text).translate(_ESCAPES)}"' for label, text in labels.items())
        yield f"{name}{f'{{{shown}}}' if shown else ''} {value!r}"


def _encodable(text: str) -> str:
    """Test ids may contain lone surrogates, which no UTF-8 file can."""
    return text.encode("utf-8", "replace").decode("utf-8")
