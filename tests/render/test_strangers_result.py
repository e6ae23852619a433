"""A result whose values anybody may have written."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flame.errors import UsageError
from pytest_flame.model import CALLS, Judgement, RunResult
from pytest_flame.render.from_json import read_document, result_of
from pytest_flame.render.json import result_json
from pytest_flame.render.markdown import result_markdown


def read(text: str, path: Path) -> RunResult:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return result_of(read_document(path), "r.json")


def test_calls_are_read_as_calls(regressed: Judgement, result: RunResult, tmp_path: Path) -> None:
    assert regressed.comparison is not None and regressed.head is not None
    comparison = replace(regressed.comparison, metric=CALLS, base=14_021_000, head=15_000_000)
    counted = replace(regressed, comparison=comparison, head=replace(regressed.head, metric=CALLS))
    run = replace(result, judgements=(counted,))
    shown = result_markdown(read(json.dumps(result_json(run)), tmp_path / "result.json"))
    assert shown == result_markdown(run) and "14,021 calls → 15,000 calls" in shown


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, member in inside for found in places(member, (*path, key)))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_a_wrong_place_is_an_error_or_harmless(
    data: st.DataObject, result: RunResult, tmp_path: Path
) -> None:
    document = copy.deepcopy(result_json(result))
    *path, last = data.draw(st.sampled_from(places(document)[1:]))
    holder: Any = document
    for key in path:
        holder = holder[key]
    holder[last] = data.draw(
        st.sampled_from([None, True, -1, 1e300, 2**70, "", "\ud800@x<b>|`", [], {}, [1], float("nan"), "PASS"])
    )
    try:
        run = read(json.dumps(document), tmp_path / "result.json")
    except UsageError:
        return
    result_markdown(run).encode("utf-8")


HOSTILE = '"><img src=x> @everyone [x](http://evil.example) | `\n\n# big'


def test_no_text_in_a_strangers_result_becomes_markup(result: RunResult, tmp_path: Path) -> None:
    """Each text in turn. Details are shown as they are, in a fence that they cannot close; inside ``<summary><code>``,
    which is HTML and code, only tags would count."""
    shown = 0
    for *path, last in places(result_json(result))[1:]:
        document = copy.deepcopy(result_json(result))
        holder: Any = document
        for key in path:
            holder = holder[key]
        if not isinstance(holder[last], str | None):
            continue
        holder[last] = HOSTILE
        try:
            run = read(json.dumps(document), tmp_path / "result.json")
        except UsageError:
            continue
        text = re.sub(r"^(`{3,})text\n.*?^\1$", "", result_markdown(run), flags=re.DOTALL | re.MULTILINE)
        shown += "evil" in text
        assert "<img" not in text
        text = re.sub(r"<summary><code>.*?</code>", "", text)
        for markup in ("<img", "@everyone", "](http", "\n# big"):
            where = [line for line in text.splitlines() if markup in line]
            assert not where, f"{path} {last}: {where}"
    assert shown > 20
