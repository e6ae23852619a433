"""What we write, opened in the real speedscope: it shows our frames with our costs and complains about nothing."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest
from chromium import Visit
from render.conftest import functions

from pytest_flame.cli.command import main
from pytest_flame.fold import recording_profile
from pytest_flame.formats import folded
from pytest_flame.formats import speedscope as writing
from pytest_flame.formats.format import Profiles
from pytest_flame.model import SAMPLES, Judgement, Profile

INSTALLED = Path(__file__).parents[2] / "build/browser/node_modules/speedscope/dist/release/index.html"


@pytest.fixture
def speedscope() -> Path:
    if not INSTALLED.exists():
        missing = "no speedscope found (sh ci/speedscope.sh brings it from npm)"
        if os.environ.get("PYTEST_FLAME_REQUIRE_SPEEDSCOPE") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return INSTALLED


Costs = dict[str, tuple[int, int]]
"""Inclusive and own cost by name."""


def sandwich(visit: Visit, speedscope: Path, tmp_path: Path, name: str, data: bytes) -> Costs:
    """What the table of speedscope's sandwich view shows."""
    visit.allow("GPU stall due to ReadPixels")
    script = tmp_path / "profile.js"
    words = f"speedscope.loadFileFromBase64({json.dumps(name)}, {json.dumps(base64.b64encode(data).decode())})"
    script.write_text(words, encoding="utf-8")
    page = visit(speedscope, f"#localProfilePath={script}", loads=True)
    page.get_by_text("Sandwich").click()
    page.wait_for_selector("table:visible")
    _, *rows = page.locator("table:visible tr").all_inner_texts()
    cells = [re.split(r"\s*\t", row) for row in rows]
    return {name.strip(): (number(whole), number(own)) for whole, own, name in cells}


def number(shown: str) -> int:
    return int(shown.partition(" ")[0].replace(",", ""))


def test_folded(visit: Visit, speedscope: Path, tmp_path: Path, regressed: Judgement) -> None:
    assert regressed.head
    profile = recording_profile(regressed.head)
    shown = sandwich(visit, speedscope, tmp_path, "head.folded", folded.dumps(profile.costs).encode())
    assert shown == {folded.encode_frame(frame): (whole, own) for frame, (own, whole) in functions(profile).items()}


def test_speedscopes_own_json(visit: Visit, speedscope: Path, tmp_path: Path, regressed: Judgement) -> None:
    assert regressed.head
    profile = recording_profile(regressed.head)
    document = Profiles("head", [Profile.of(SAMPLES.at_scale(1), profile.costs, "head")])
    shown = sandwich(visit, speedscope, tmp_path, "head.speedscope.json", writing.dumps(document).encode())
    assert shown == {frame.name: (whole, own) for frame, (own, whole) in functions(profile).items()}


def test_what_the_command_writes_of_two_sides(visit: Visit, speedscope: Path, tmp_path: Path) -> None:
    (tmp_path / "old.folded").write_text("main;load 30\nmain;show 70\n")
    (tmp_path / "new.folded").write_text("main;load 50\nmain;show 70\nmain;check 5\n")
    written = tmp_path / "d.speedscope.json"
    assert main(["diff", str(tmp_path / "old.folded"), str(tmp_path / "new.folded"), "-o", str(written)]) == 0
    shown = sandwich(visit, speedscope, tmp_path, written.name, written.read_bytes())
    assert shown == {"main": (125, 0), "load": (50, 50), "show": (70, 70), "check": (5, 5)}
