"""The pictures of a measured gallery, put where its page shows them: gallery.py RESULT.json REPORT GALLERY

Exit status 1 where the gate said something else about a change than ``expected.toml`` says.
"""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path


def main(result_file: str, report: str, gallery: str) -> int:
    cases = tomllib.loads((Path(gallery) / "expected.toml").read_text(encoding="utf-8"))["case"]
    tests = {test["id"]: test for test in json.loads(Path(result_file).read_text(encoding="utf-8"))["tests"]}
    wrong = 0
    for case in cases:
        test = tests[f"test_desk.py::test_{case['name']}"]
        named = test["culprits"][0]["frame"] if test["culprits"] else None
        right = (test["verdict"], named) == (case["verdict"], case.get("culprit"))
        print(f"{case['name']}: {test['verdict']}, culprit {named}", "" if right else f"(expected {case})")
        wrong += not right
        (picture,) = Path(report).glob(f"test_desk-test_{case['name']}-*.diff.svg")
        shutil.copy(picture, Path(gallery) / f"{case['name']}.svg")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
