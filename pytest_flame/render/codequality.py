"""The regressions of a run for GitLab's code quality widget: a list of findings in Code Climate's format."""

from __future__ import annotations

import json

from pytest_flame.model import RunResult
from pytest_flame.render.findings import findings


def codequality_text(result: RunResult, prefix: str) -> str:
    """One finding for each test that is REGRESSED. ``prefix`` makes paths relative to the repository."""
    found = [
        {
            "description": f"{finding.title}. {finding.message}",
            "check_name": "performance-regression",
            "fingerprint": finding.fingerprint,
            "severity": "major",
            "location": {"path": finding.path, "lines": {"begin": finding.line}},
        }
        for finding in findings(result, prefix)
    ]
    return json.dumps(found, indent=1) + "\n"
