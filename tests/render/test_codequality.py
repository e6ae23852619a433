from __future__ import annotations

import json

from pytest_flame.model import RunResult
from pytest_flame.render.codequality import codequality_text

SEVERITIES = {"info", "minor", "major", "critical", "blocker"}


def test_findings_have_what_gitlab_reads(result: RunResult) -> None:
    found = json.loads(codequality_text(result, "services/"))
    assert len(found) == 2
    for one in found:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["severity"] in SEVERITIES and "\n" not in one["description"]
    assert found[1]["location"] == {"path": "services/orders/parse.py", "lines": {"begin": 28}}
    assert len({one["fingerprint"] for one in found}) == len(found)
