"""``flame diff``: one profile per side is drawn, several are tested as the gate tests."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Flame, Sampled

SLOWER = {"main;load;parse": 1.5}


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "old.folded").write_text("main;a 60\nmain;gone 40\n")
    (tmp_path / "new.folded").write_text("main;a 90\nmain;new 30\n")
    return "old.folded", "new.folded"


# --- one profile per side -------------------------------------------------------------------------------------


def test_one_a_side_is_drawn_and_not_tested(flame: Flame, two: tuple[str, str], tmp_path: Path) -> None:
    said = flame("diff", *two, "-o", "d.svg", "-o", "d.html", "-o", "d.md")
    assert said.status == 0
    assert "NOT TESTED  100 samples → 120 samples, +20.0 %, not tested" in said.out
    assert "one profile per side" in said.out
    for name in ("d.svg", "d.html"):
        assert "NOT TESTED" in (tmp_path / name).read_text("utf-8")
    assert "not tested" in (tmp_path / "d.md").read_text("utf-8")


def test_the_summary_shows_what_is_new_gone_and_grew(flame: Flame, two: tuple[str, str]) -> None:
    rows = flame("diff", *two).out
    assert "NEW new" in rows
    assert "GONE gone" in rows
    assert re.search(r"60 +90 +\+30 .* a$", rows, re.MULTILINE)


def test_colour_only_on_a_terminal(flame: Flame, two: tuple[str, str]) -> None:
    assert "\x1b" not in flame("diff", *two).out


@pytest.mark.parametrize("empty", [0, 1])
def test_a_side_that_counted_nothing(flame: Flame, two: tuple[str, str], tmp_path: Path, empty: int) -> None:
    (tmp_path / two[empty]).write_text("main;a 0\n")
    said = flame("diff", *two, "-o", "d.svg")
    assert said.status == 2
    assert f"{two[empty]} counts nothing" in said.err


def test_swapping_the_sides_swaps_the_signs(flame: Flame, two: tuple[str, str]) -> None:
    there, back = (flame("diff", *sides, "-o", "-", "--format", "folded").out for sides in (two, two[::-1]))
    swapped = [line.split() for line in back.splitlines()]
    assert there.splitlines() == [f"{stack} {after} {before}" for stack, before, after in swapped]


def test_two_counts_in_one_file(
    flame: Flame, two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = flame("diff", *two, "-o", "-", "--format", "folded").out
    assert both == "main;a 60 90\nmain;gone 40 0\nmain;new 0 30\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(both.encode())))
    assert "100 samples → 120 samples" in flame("diff", "--two-counts", "-", "-o", "d.svg").out


def test_both_sides_in_one_speedscope_file(flame: Flame, two: tuple[str, str], tmp_path: Path) -> None:
    flame("diff", *two, "-o", "d.speedscope.json")
    content = json.loads((tmp_path / "d.speedscope.json").read_text())
    assert [(p["name"], p["endValue"]) for p in content["profiles"]] == [
        ("before: old.folded", 100),
        ("after: new.folded", 120),
    ]


def test_threads_of_two_runs_are_not_told_apart(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("P12;T0:1;run.py:main:3 10\n")
    (tmp_path / "b").write_text("P77;T0:9;run.py:main:4 10\n")
    assert flame("diff", "a", "b", "-o", "-", "--format", "folded").out == "run:main 10 10\n"
    shown = flame("diff", "a", "b", "-o", "-", "--format", "folded", "--threads", "--names", "written").out
    assert shown == "P12;T0%3A1;run.py%3Amain%3A3 10 0\n" or len(shown.splitlines()) == 2


def test_checkouts_are_stripped(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("/ci/base/orders.py:main:3 10\n")
    (tmp_path / "b").write_text("/ci/head/orders.py:main:3 12\n")
    stripped = flame("diff", "a", "b", "--strip", "/ci/base", "--strip", "/ci/head", "-o", "-", "--format", "folded")
    assert stripped.out == "orders:main 10 12\n"


def test_sides_of_one_name_are_told_apart_by_their_folders(flame: Flame, sampled: Sampled) -> None:
    sampled("b", 1)
    sampled("a", 1)
    assert flame("diff", "b/run00.folded", "a/run00.folded").out.startswith("b/run00 → a/run00\n")


def test_sides_that_have_nothing_in_common_are_noted(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("/ci/base/orders.py:main:3 10\n")
    (tmp_path / "b").write_text("/ci/head/invoices.py:main:3 12\n")
    assert "--strip" in flame("diff", "a", "b").out


def test_two_checkouts_are_found_and_compared_function_by_function(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("/ci/base/orders.py:main:3;/ci/base/lib/x.py:f:1 10\n/opt/shared/x.py:g:1 2\n")
    (tmp_path / "b").write_text("/w/head/orders.py:main:4;/w/head/lib/x.py:f:1 10\n/opt/shared/x.py:g:2 2\n")
    said = flame("diff", "a", "b", "-o", "-", "--format", "folded")
    assert said.out == "/opt/shared/x:g 2 2\norders:main;lib.x:f 10 10\n"
    said = flame("diff", "a", "b")
    assert "paths are relative to /ci/base (before) and /w/head (after)" in said.out
    assert "nothing changed" in said.out


def test_one_side_may_be_the_present_folder(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("/ci/base/orders.py:main:3;/ci/base/lib/x.py:f:1 10\n")
    (tmp_path / "b").write_text(f"{tmp_path}/orders.py:main:4;{tmp_path}/lib/x.py:f:1 10\n")
    assert "nothing changed" in flame("diff", "a", "b").out
    assert "nothing changed" in flame("diff", "b", "a").out


RECORDED = Path(__file__).parents[1] / "formats" / "recorded"


@pytest.mark.parametrize("program", ["trampolines", "subprocesses"])
def test_the_same_program_in_two_folders_and_two_runs_has_not_changed(flame: Flame, program: str) -> None:
    """perf with CPython's trampolines of two checkouts; py-spy --subprocesses of two runs, with other process ids."""
    said = flame("diff", RECORDED / f"{program}-before.txt", RECORDED / f"{program}-after.txt", "-o", "d.svg")
    assert "nothing changed" in said.out
    assert not re.search("NEW|GONE", said.out)


def test_hostile_names_stay_on_their_line(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"main;\x1b[31mred\x07;caf\xe9;\xe2\x80\xaetxt;<script>alert(1)</script> 10\n")
    (tmp_path / "b").write_bytes(b"main;\x1b]0;title\x07;`|</svg> 50\n")
    said = flame(
        "diff", "a", "b", "-o", "d.svg", "-o", "d.html", "-o", "d.md", "-o", "d.folded", "--title", "\x1b[2Jx\ny"
    )
    assert said.status == 0
    written = [p.read_text("utf-8") for p in tmp_path.glob("d.*")]
    for text in (said.out, *written):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    for suffix in ("svg", "html"):
        assert "<script>alert(1)" not in (tmp_path / f"d.{suffix}").read_text("utf-8")
    ElementTree.fromstring((tmp_path / "d.svg").read_text("utf-8"))


def test_hostile_lines_in_errors(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"main;\x1b[31mred\x07\xe2\x80\xae\n")
    err = flame("diff", "a", "a").err
    assert err.startswith("flame diff: error: a, line 1 does not end in a count")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", err)


# --- several profiles per side --------------------------------------------------------------------------------


def test_what_got_slower_is_regressed_and_named(flame: Flame, sampled: Sampled, tmp_path: Path) -> None:
    sampled("before", 8)
    sampled("after", 8, SLOWER)
    said = flame("diff", "before", "after", "-o", "d.html", "-o", "d.svg", "-o", "d.md")
    assert said.status == 0
    assert "REGRESSED" in said.out
    assert "culprit parse" in said.out
    assert "8 profiles before, 8 after" in said.out
    for name in ("d.html", "d.svg", "d.md"):
        text = (tmp_path / name).read_text("utf-8").lower()
        assert "regressed" in text
        assert "parse" in text
        assert "process" not in text or name != "d.md"
    assert "8 profiles against 8" in (tmp_path / "d.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("factors", "arguments", "status"),
    [
        (SLOWER, (), 1),
        (SLOWER, ("--paired",), 1),
        (SLOWER, ("--threshold", "40%", "--frame-threshold", "40%"), 0),
        ({}, (), 0),
        ({"main;show;dump": 0.5}, (), 0),
    ],
)
def test_exit_status(
    flame: Flame, sampled: Sampled, factors: dict[str, float], arguments: tuple[str, ...], status: int
) -> None:
    sampled("before", 8)
    sampled("after", 8, factors)
    assert flame("diff", "before", "after", "--fail-on-regression", *arguments).status == status


def test_without_asking_for_it_a_regression_is_no_failure(flame: Flame, sampled: Sampled) -> None:
    sampled("before", 4)
    sampled("after", 4, SLOWER)
    assert flame("diff", "before", "after").status == 0


def test_what_could_not_be_told_fails_with_strict(flame: Flame, sampled: Sampled) -> None:
    noisy = {"samples": 0.1}
    sampled("before", 3, **noisy)
    sampled("after", 3, {"main;load;parse": 1.2}, **noisy)
    said = flame("diff", "before", "after", "--fail-on-regression")
    assert said.status == 0
    assert "INCONCLUSIVE" in said.out
    assert "more or longer profiles" in said.out or "too few" in said.out or "would settle it" in said.out
    assert "--flame" not in said.out
    assert flame("diff", "before", "after", "--fail-on-regression", "--strict").status == 1


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 8), (8, 2)])
def test_too_few_can_not_fail_and_so_are_refused(flame: Flame, sampled: Sampled, before: int, after: int) -> None:
    sampled("before", before)
    sampled("after", after, SLOWER)
    said = flame("diff", "before", "after", "--fail-on-regression")
    assert said.status == 2
    assert "too few to be tested" in said.err


def test_shares_of_profiles_that_took_the_same_time(flame: Flame, sampled: Sampled, tmp_path: Path) -> None:
    sampled("before", 8)
    sampled("after", 8, dict.fromkeys(["main", "main;load;parse", "main;load;lex", "main;show;dump", "main;show"], 2.0))
    assert "REGRESSED" in flame("diff", "before", "after").out
    said = flame("diff", "before", "after", "--shares")
    assert "REGRESSED" not in said.out
    assert "the total says nothing" in said.out


def test_files_of_each_side(flame: Flame, sampled: Sampled) -> None:
    before, after = sampled("b", 4), sampled("a", 4, SLOWER)
    said = flame("diff", "--before", *before, "--after", *after, "--paired", "--fail-on-regression")
    assert said.status == 1
    assert "4 pairs" in said.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "name two sides"),
        (["old.folded"], "1 profile given, but two are compared"),
        (["old.folded", "new.folded", "x"], "3 profiles given, but two are compared"),
        (["old.folded", "new.folded", "--before", "x"], "name the two sides in only one way"),
        (["old.folded", "new.folded", "--strict"], "add --fail-on-regression"),
        (["--before", "old.folded"], "--before and --after belong together"),
        (["-", "-"], "standard input, which can be read only once"),
        (["old.folded", "gone.folded"], "gone.folded can't be read"),
        (["--before", "old.folded", "--after", "new.folded", "old.folded", "--paired"], "1 profiles before and 2"),
        (["--two-counts", "old.folded"], "old.folded, line 1 has one count, but two were requested"),
    ],
)
def test_errors_say_what_and_why(flame: Flame, two: tuple[str, str], arguments: list[str], what: str) -> None:
    said = flame("diff", *arguments)
    assert said.status == 2
    assert said.err.startswith("flame diff: error: ")
    assert what in said.err
