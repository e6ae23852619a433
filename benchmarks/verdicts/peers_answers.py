"""What each tool answered, read from what it printed or wrote. Pure functions of text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SAID = 300


class Unreadable(ValueError):
    """The tool ran, but did not reach a decision: its output says why."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(f"{why}: {' '.join(text.split())[-SAID:]}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One rule's decision."""

    alarmed: bool
    said: str
    """The decisive words, for reading."""
    named: tuple[str, ...] = field(default=())
    """Functions it holds responsible, in its order; plain names without module and class."""


# --- pytest-benchmark ---------------------------------------------------------------------------------------

FIELDS = ("min", "median", "mean")
FAILED_FIELD = re.compile(r"Field '(\w+)' has failed \w+: (\S+) > (\S+)")


def pytest_benchmark(text: str, compared: bool) -> Mapping[str, Answer]:
    """From the terminal. ``compared``: the JSON of head was written, so that silence means no alarm."""
    failed = {match[1]: f"{float(match[2]):+.2f} %" for match in FAILED_FIELD.finditer(text)}
    if not compared or (not failed and "Performance has regressed" in text):
        raise Unreadable("pytest-benchmark compared nothing", text)
    return {f"{name}:5%": Answer(name in failed, failed.get(name, "passed")) for name in FIELDS}


# --- pyperf ---------------------------------------------------------------------------------------------------

PYPERF_LINE = re.compile(r"^- \S+: (.+)$", re.MULTILINE)


def pyperf(text: str) -> Answer:
    """From ``compare_to --group-by-speed``: a heading for each direction, or a line that nothing is significant."""
    if "not significant" in text:
        return Answer(False, "not significant")
    line = PYPERF_LINE.search(text)
    if line is None:
        raise Unreadable("pyperf compared nothing", text)
    return Answer(text.lstrip().startswith("Slower"), line[1])


# --- asv ------------------------------------------------------------------------------------------------------

ASV_ROW = re.compile(r"^\|\s*([-+!x*~ ]?)\s*\|\s*(\S.*?)\s*\|\s*(\S.*?)\s*\|\s*~?(\S+)\s*\|", re.MULTILINE)


def asv_continuous(text: str) -> Answer:
    row = ASV_ROW.search(_without_heading(text))
    if row and row[1] == "!":
        raise Unreadable("asv's benchmark failed", text)
    said = f"ratio {row[4]}" if row else "not changed"
    if "PERFORMANCE DECREASED" in text:
        return Answer(True, said)
    if "NOT SIGNIFICANTLY CHANGED" in text or "PERFORMANCE INCREASED" in text:
        return Answer(False, said)
    raise Unreadable("asv reached no decision", text)


def asv_compare(text: str) -> Answer:
    """From ``asv compare --only-changed``, which prints nothing if nothing changed."""
    row = ASV_ROW.search(_without_heading(text))
    if row is None:
        if text.strip() and "|" not in text:
            raise Unreadable("asv compared nothing", text)
        return Answer(False, "not changed")
    if row[1] == "!":
        raise Unreadable("asv's benchmark failed", text)
    return Answer(row[1] == "+", f"ratio {row[4]}")


def asv_seconds(text: str) -> float:
    """How long the last round of one commit's benchmarks took, without building and installing; wall time.

    Interleaved rounds overwrite each other's duration in the result file.
    """
    result = json.loads(text)
    place = result["result_columns"].index("duration")
    return sum(float(row[place] or 0) for row in result["results"].values() if len(row) > place)


def _without_heading(text: str) -> str:
    """Rows of the table below its ruler."""
    _, _, rows = text.partition("|---")
    return rows.partition("\n")[2]


# --- StackGate ------------------------------------------------------------------------------------------------


def stackgate(text: str) -> Answer:
    """From ``compare --format json``. INCONCLUSIVE is no alarm: the exit status is 0 without ``--strict``."""
    try:
        result = json.loads(text)
        summary = result["summary"]
        said = f"{result['verdict']}, {summary['total_pct_change']:+.2f} %, p = {summary['total_p_value']:.3f}"
        named = tuple(plain_name(function["function"]) for function in result["regressed_functions"])
        return Answer(result["verdict"] == "FAIL", said, named)
    except (ValueError, KeyError, TypeError) as e:
        raise Unreadable(f"StackGate wrote no result ({e})", text) from e


# --- PyxTrace -------------------------------------------------------------------------------------------------

PYXTRACE_FINDING = re.compile(r"^⚠\s+(\S+::\S+)", re.MULTILINE)


def pyxtrace(text: str, status: int) -> Answer:
    named = tuple(plain_name(name) for name in PYXTRACE_FINDING.findall(text))
    if "on 0 test(s)" in text:
        raise Unreadable("PyxTrace compared no test", text)
    if status == 1 and "✗ FAIL" in text:
        return Answer(True, f"{len(named)} functions", named)
    if status == 0 and "✓ PASS" in text:
        return Answer(False, "PASS")
    raise Unreadable(f"PyxTrace ended with status {status}", text)


# --- pytest-flame ---------------------------------------------------------------------------------------------


def flame(text: str) -> Answer:
    """From ``--flame-json``."""
    try:
        (test,) = json.loads(text)["tests"]
        verdict: str = test["verdict"]
        ratio = test["ratio"]
        said = f"{verdict}, {100 * (ratio - 1):+.2f} %" if ratio is not None else f"{verdict}: {test['reason']}"
        named = tuple(plain_name(culprit["frame"]) for culprit in test["culprits"])
    except (ValueError, KeyError, TypeError) as e:
        raise Unreadable(f"pytest-flame wrote no result of one test ({e})", text) from e
    if verdict in ("ERROR", "NEW", "INCOMPATIBLE"):
        raise Unreadable(f"pytest-flame answered {verdict}", str(test["reason"]))
    return Answer(verdict == "REGRESSED", said, named)


def plain_name(frame: str) -> str:
    """``work.py:weigh``, ``shop.work:Amount.whole``, ``shop/work.py::weigh``: the last part."""
    return re.split(r"[:.]", frame)[-1]
