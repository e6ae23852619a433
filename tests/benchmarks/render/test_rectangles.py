"""The project's rectangles compared with flamegraph.pl's, if it is available, and what the comparison itself
notices."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.render import profiles, rectangles
from pytest_flame import fold
from pytest_flame.baseline.store import read
from pytest_flame.formats import folded

BASELINES = Path(__file__).parents[3] / "example_project" / "flame-baselines"
CORPUS = os.environ.get("FLAMEGRAPH_CORPUS", "")


@pytest.fixture
def perl() -> Path:
    path = Path(os.environ.get("FLAMEGRAPH_PL") or "flamegraph.pl")
    if not path.is_file():
        pytest.skip("FLAMEGRAPH_PL does not name a flamegraph.pl to compare with")
    if not shutil.which("perl"):
        pytest.skip("there is no perl to run flamegraph.pl with")
    return path


def test_made_up_profiles(perl: Path) -> None:
    pair = profiles.make_pair(2000)
    for found in (
        rectangles.check(perl, folded.dumps(pair.head)),
        rectangles.check_pair(perl, pair.base, pair.head),
    ):
        assert found.differences == ()
        assert found.split == 0
        assert found.same_order


# Letters, and what is special in folded text, in Perl, in SVG, and in the titles that are read back.
NAMES = st.text(st.sampled_from("abcZ_ é:<&>\"'`%().,$@[]{}|\\~0"), min_size=1, max_size=6).map(
    lambda name: f"f{name}f"
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=5).map(";".join), st.integers(1, 10**6), min_size=1))
def test_hostile_names(perl: Path, stacks: dict[str, int]) -> None:
    found = rectangles.check(perl, "".join(f"{stack} {count}\n" for stack, count in stacks.items()))
    assert found.differences == ()


def test_equal_neighbours_that_are_split_there_are_one_here(perl: Path) -> None:
    found = rectangles.check(perl, "a;foo 7\na;foo2 5\na;foo;c 10\n")
    assert (found.nodes, found.split, found.differences) == (4, 1, ())


def test_deep_and_wide(perl: Path) -> None:
    deep = "".join(f"{';'.join(['f'] * depth)} 3\n" for depth in range(1, 300, 7))
    wide = "".join(f"f;g{i:04} {i + 1}\n" for i in range(1000))
    found = rectangles.check(perl, deep + wide)
    assert found.differences == ()
    assert found.nodes == 295 + 1000


def test_baselines_of_the_example_project(perl: Path) -> None:
    files = sorted(BASELINES.glob("*.json"))
    assert len(files) > 10
    for path in files:
        found = rectangles.check(perl, folded.dumps(fold.recording_profile(read(path)).costs))
        assert (path.name, found.differences, found.split) == (path.name, (), 0)


@pytest.mark.skipif(not CORPUS, reason="FLAMEGRAPH_CORPUS names no folder of collapsed files")
def test_files_of_real_programs(perl: Path) -> None:
    files = sorted(Path(CORPUS).glob("*collapsed*.txt"))
    assert files, f"no *collapsed*.txt in {CORPUS}"
    for path in files:
        for check in (rectangles.check, rectangles.check_foreign):
            found = check(perl, path.read_text(encoding="utf-8"))
            assert (path.name, len(found.differences)) == (path.name, 0)


# --- the comparison itself -----------------------------------------------------------------------------------


@pytest.fixture
def boxes() -> list[rectangles.Rectangle]:
    rows = [(("a",), 0, 10, 0.0), (("a", "b"), 2, 5, 1.5), (("a", "c"), 7, 3, 0.0)]
    return [rectangles.Rectangle(*row) for row in rows]


Change = Callable[[list[rectangles.Rectangle]], list[rectangles.Rectangle]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda boxes: boxes[:-1], "a;c is drawn by only one of the two"),
        (lambda boxes: [*boxes[:-1], replace(boxes[-1], path=("a", "d"))], "a;d is drawn by only one of the two"),
        (lambda boxes: [boxes[0], replace(boxes[1], samples=4), boxes[2]], "a;b is 4 wide there and 5 here"),
        (lambda boxes: [boxes[0], replace(boxes[1], start=1), boxes[2]], "a;b begins at 1 there and 2 here"),
        (lambda boxes: [boxes[0], replace(boxes[1], delta_percent=1.49), boxes[2]], "a;b grew by 1.49 % there"),
    ],
    ids=["missing", "renamed", "narrower", "moved", "another delta"],
)
def test_differences_are_found(boxes: list[rectangles.Rectangle], change: Change, message: str) -> None:
    assert any(message in difference for difference in rectangles.compare(boxes, change(boxes)).differences)


def test_a_split_box_is_as_wide_as_its_parts(boxes: list[rectangles.Rectangle]) -> None:
    left, right = replace(boxes[1], samples=2), replace(boxes[1], start=8, samples=3)
    found = rectangles.compare(boxes, [boxes[0], left, replace(boxes[2], start=4), right])
    assert (found.split, found.same_order, found.differences) == (1, False, ())


def test_a_picture_is_read_by_where_its_boxes_stand() -> None:
    def group(title: str, x: float, y: float, width: float) -> str:
        return f'<g >\n<title>{title}</title><rect x="{x}" y="{y}" width="{width}" height="15.0" />\n</g>\n'

    svg = (
        group("b &lt;c&gt; (1 samples, 25.00%; -50.00%)", 40.0, 0.0, 10.0)
        + group("a (2,000 samples, 25.00%)", 20.0, 16.0, 20000.0)
        + group("all (2,001 samples, 100%)", 10.0, 32.0, 20010.0)
    )
    found = rectangles.read_picture(svg)
    assert found == [
        rectangles.Rectangle(("a",), 1, 2000),
        rectangles.Rectangle(("a", "b <c>"), 3, 1, -50.0),
    ]
