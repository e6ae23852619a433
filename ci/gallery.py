"""Writes the gallery's page and, if it was measured, its pictures: gallery.py GALLERY [RESULT.json REPORT]

Exit status 1 if the gate judged a change differently than ``expected.toml`` says.
"""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

HEAD = """\
# Gallery

Small real programs before and after a change, measured, compared and drawn by pytest-flame. The programs are in
[project](project), the changes in [changes](changes); `sh ci/gallery.sh` measures them and draws everything here again.
Red grew, blue shrank, grey did not change significantly; `+`, `−`, `NEW` and `GONE` say it without colour. Widths are
the larger of before and after. Click a picture for its titles: each box has one.
"""

SHOTS = {
    "page-light.png": "The page of a test: the graph, its tooltip, the function and the table",
    "page-dark.png": "The same on a dark screen",
    "page-narrow.png": "The same on a phone",
}


def page(gallery: Path, cases: list[dict[str, Any]]) -> str:
    parts = [HEAD]
    parts += [f"![{words}]({file})\n" for file, words in SHOTS.items() if (gallery / file).exists()]
    for case in cases:
        name, change = case["name"], (gallery / f"changes/{case['name']}.patch").read_text(encoding="utf-8")
        parts.append(f"## {case['title']}\n\n{case['says']}\n\n```diff\n{change}```\n")
        parts.append(f"![{case['verdict']}: {case['title']}]({name}.svg)\n")
        parts += [f"![In the page]({file.name})\n" for file in sorted(gallery.glob(f"{name}-*.png"))]
    return "\n".join(parts)


def take(gallery: Path, cases: list[dict[str, Any]], result_file: Path, report: Path) -> int:
    """Copies each case's picture. Returns how many were judged differently than expected."""
    tests = {test["id"]: test for test in json.loads(result_file.read_text(encoding="utf-8"))["tests"]}
    wrong = 0
    for case in cases:
        test = tests[f"test_desk.py::test_{case['name']}"]
        named = test["culprits"][0]["frame"] if test["culprits"] else None
        right = (test["verdict"], named) == (case["verdict"], case.get("culprit"))
        print(f"{case['name']}: {test['verdict']}, culprit {named}", "" if right else f"(expected {case})")
        wrong += not right
        (picture,) = report.glob(f"test_desk-test_{case['name']}-*.diff.svg")
        shutil.copy(picture, gallery / f"{case['name']}.svg")
    return wrong


def main(gallery: str, *measured: str) -> int:
    folder = Path(gallery)
    cases = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["case"]
    wrong = take(folder, cases, *map(Path, measured)) if measured else 0
    (folder / "README.md").write_text(page(folder, cases), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
