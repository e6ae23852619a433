from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import Judgement, RunResult, Verdict
from pytest_flame.render.annotations import MOST, Annotation, annotation_lines

Golden = Callable[[str, str], None]
COMMAND = re.compile(r"::(?P<kind>error|warning|notice) (?P<properties>[^:]*)::(?P<message>.*)")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """As the runner does: the properties end at the first ``::``, and are separated by commas."""
    found = COMMAND.fullmatch(line)
    assert found, line
    properties = dict(part.split("=", 1) for part in found["properties"].split(","))
    return found["kind"], {name: unquote(value) for name, value in properties.items()}, unquote(found["message"])


def test_a_run(golden: Golden, result: RunResult) -> None:
    golden("annotations.txt", "\n".join(annotation_lines(result, "")) + "\n")


def test_a_regression_is_an_error_at_its_culprit(regressed: Judgement, result: RunResult) -> None:
    (line, *_) = annotation_lines(replace(result, judgements=(regressed,)), "services/")
    kind, properties, message = read(line)
    assert kind == "error"
    assert (properties["file"], properties["line"]) == ("services/orders/parse.py", "28")
    assert properties["title"].startswith("tests/test_orders.py::test_parse regressed")
    assert message.startswith("orders.parse:tokenize (changed in this diff)")


@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_command(title: str, message: str) -> None:
    line = Annotation("error", title, message, "a.py", 1).command()
    assert "\n" not in line and "\r" not in line
    head, _, data = line.removeprefix("::error ").partition("::")
    properties = dict(part.split("=", 1) for part in head.split(","))
    assert unquote(properties["title"]) == title and unquote(data) == message
    assert set(properties) == {"file", "line", "title"}


def test_ten_of_a_kind_and_the_worst_first(regressed: Judgement, result: RunResult) -> None:
    assert regressed.comparison is not None
    slow = tuple(
        replace(
            regressed,
            test_id=f"t.py::test_{i}",
            comparison=replace(regressed.comparison, ratio=2.0 + i, low=1.5 + i, high=3.0 + i),
        )
        for i in range(30)
    )
    noisy = tuple(Judgement(f"t.py::noisy_{i}", Verdict.INCONCLUSIVE, "too noisy") for i in range(11))
    found = [read(line) for line in annotation_lines(replace(result, judgements=noisy + slow), "")]
    errors = [one for one in found if one[0] == "error"]
    assert len(errors) == MOST and len(found) == 2 * MOST
    assert errors[0][1]["title"].startswith("t.py::test_29 ")
    # 30 regressions and the two lost marks
    assert errors[-1][2] == "and 23 more errors: see the job summary"
    assert found[-1][2] == "and 2 more warnings: see the job summary"


def test_what_passed_or_was_accepted_is_not_annotated(regressed: Judgement, result: RunResult) -> None:
    accepted = replace(regressed, baseline_written="flame-baselines/a.json")
    passed = replace(regressed, verdict=Verdict.PASS)
    assert (
        annotation_lines(replace(result, judgements=(accepted, passed), gate=replace(result.gate, changes=())), "")
        == []
    )
