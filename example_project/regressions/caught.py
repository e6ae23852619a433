"""Compares what the gate said about a patch with ``expected.toml``. Usage: caught.py PATCH RESULT.json

Exit status 0 if every test the patch affects got the right verdict and culprit, and no other test failed.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path


def main(patch: str, result_file: str) -> int:
    expected = tomllib.loads((Path(__file__).parent / "expected.toml").read_text(encoding="utf-8"))
    wanted = next(p for p in expected["patch"] if p["file"] == patch)
    result = json.loads(Path(result_file).read_text(encoding="utf-8"))
    wrong = []
    for test in result["tests"]:
        verdict = wanted["verdicts"].get(test["id"], "PASS")
        named = test["culprits"][0]["frame"] if test["culprits"] else None
        culprit = wanted.get("culprit") if verdict == "REGRESSED" else None
        print(f"{test['id']}: {test['verdict']} (expected {verdict}), culprit {named} (expected {culprit})")
        if test["id"] in wanted["verdicts"]:
            right = (test["verdict"], named) == (verdict, culprit)
        else:
            right = test["verdict"] not in ("REGRESSED", "ERROR")
        if not right:
            wrong.append(test["id"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
