"""The regressions of a run as SARIF 2.1.0 (OASIS), for code scanning and for editors."""

from __future__ import annotations

import json
from importlib.metadata import version
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from pytest_flame.model import RunResult
from pytest_flame.render.findings import Finding, findings
from pytest_flame.render.text import frame_name, printable

MOST_RESULTS: Final = 5_000
"""What GitHub shows of a run; the largest regressions come first."""
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
RULE: Final = "performance-regression"


def sarif_text(result: RunResult, prefix: str) -> str:
    """One result for each test that is REGRESSED, at its culprit's line. ``prefix`` makes paths relative to the
    repository."""
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver()},
                "automationDetails": {"id": "pytest-flame/"},
                "results": [_result(finding) for finding in islice(findings(result, prefix), MOST_RESULTS)],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _driver() -> dict[str, Any]:
    return {
        "name": "pytest-flame",
        "version": version("pytest-flame"),
        "rules": [
            {
                "id": RULE,
                "name": "PerformanceRegression",
                "shortDescription": {"text": "A test became slower"},
                "fullDescription": {
                    "text": "A test costs more than its base by more than its threshold, or one of its functions does."
                },
                "defaultConfiguration": {"level": "error"},
                "properties": {"tags": ["performance"]},
            }
        ],
    }


def _result(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(finding.path, errors="replace"), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": finding.line},
        }
    }
    if finding.culprit is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": frame_name(finding.culprit.frame), "kind": "function"}]
    return {
        "ruleId": RULE,
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": f"{finding.title}. {finding.message}"},
        "locations": [location],
        "partialFingerprints": {"testAndFunction/v1": finding.fingerprint},
        "properties": _properties(finding),
    }


def _properties(finding: Finding) -> dict[str, Any]:
    comparison = finding.judgement.comparison
    found: dict[str, Any] = {"test": printable(finding.judgement.test_id)}
    if comparison is not None:
        found |= {"ratio": comparison.ratio, "low": comparison.low, "high": comparison.high}
    return found
