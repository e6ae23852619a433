from __future__ import annotations

import pytest

from pytest_flame import options
from pytest_flame.model import Limits, RunResult
from pytest_flame.render.documents import DOCUMENTS, Place


def test_every_document_has_an_option() -> None:
    assert tuple(DOCUMENTS) == options.DOCUMENTS
    assert set(DOCUMENTS) <= {option.name for option in options.OPTIONS}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_run_of_any_kind_can_be_written(name: str, result: RunResult) -> None:
    for one in (result, RunResult((), "stored", 0, Limits())):
        text = DOCUMENTS[name](one, Place())
        assert text.endswith("\n") or name == "markdown"
        text.encode("utf-8", "strict" if name != "json" else "surrogatepass")
