"""``flame draw``: what is read, what is written."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_flame import fold
from pytest_flame.baseline.store import read
from pytest_flame.formats import folded
from pytest_flame.render import units

from .conftest import Flame

SVG = "{http://www.w3.org/2000/svg}"
PROFILE = "main;load;parse 30\nmain;load;lex 20\nmain;show 50\n"


def texts(path: Path) -> str:
    return " ".join(" ".join(e.itertext()) for e in ElementTree.fromstring(path.read_text("utf-8")).iter(f"{SVG}text"))


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    (tmp_path / "p.folded").write_text(PROFILE)
    return tmp_path / "p.folded"


def test_a_picture(flame: Flame, profile: Path, tmp_path: Path) -> None:
    said = flame("draw", profile, "-o", "p.svg")
    assert (said.status, said.out, said.err) == (0, "", "")
    shown = texts(tmp_path / "p.svg")
    assert "parse" in shown
    assert "100 samples, 3 stacks" in shown


def test_with_and_without_script(flame: Flame, profile: Path, tmp_path: Path) -> None:
    flame("draw", profile, "-o", "p.svg")
    flame("draw", profile, "-o", "static.svg", "--static")
    assert "<script" in (tmp_path / "p.svg").read_text("utf-8")
    assert "<script" not in (tmp_path / "static.svg").read_text("utf-8")


def test_a_page_shows_the_one_side(flame: Flame, profile: Path, tmp_path: Path) -> None:
    assert flame("draw", profile, "-o", "p.html", "--title", "my <b>profile</b>").status == 0
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "my &lt;b&gt;profile&lt;/b&gt;: flame graph" in page
    assert "CPU time per iteration" not in page.partition("<script")[0]


def test_several_results_at_once(flame: Flame, profile: Path, tmp_path: Path) -> None:
    said = flame("draw", profile, "-o", "p.svg", "-o", "p.html", "-o", "p.speedscope.json", "-o", "q.folded")
    assert said.status == 0
    assert (tmp_path / "q.folded").read_text() == "main;load;lex 20\nmain;load;parse 30\nmain;show 50\n"
    assert {p.name for p in tmp_path.iterdir()} == {"p.folded", "p.svg", "p.html", "p.speedscope.json", "q.folded"}


def test_files_and_folders_are_added_up(flame: Flame, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "1.folded").write_text("main;a 1\n")
    (runs / "2.txt").write_text("main;a 2\nmain;b 4\n")
    (runs / "3.folded.gz").write_bytes(gzip.compress(b"main;b 8\n"))
    (runs / "picture.svg").write_text("<svg/>")
    (tmp_path / "more.folded").write_text("main;a 16\n")
    assert flame("draw", runs, "more.folded", "-o", "-", "--format", "folded").out == "main;a 19\nmain;b 12\n"


def test_standard_input_and_output(flame: Flame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("main;größe 3\r\n".encode("utf-16"))))
    assert flame("draw", "-", "-o", "-", "--format", "folded").out == "main;größe 3\n"


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("samples", "100 samples"),
        ("ns", "100.0 ns"),
        ("us", "100.0 µs"),
        ("µs", "100.0 µs"),
        ("s", "100.0 s"),
        ("bytes", "100 bytes"),
        ("cache misses", "100 cache misses"),
    ],
)
def test_units(flame: Flame, profile: Path, tmp_path: Path, unit: str, shown: str) -> None:
    assert flame("draw", profile, "-o", "p.svg", "--unit", unit).status == 0
    assert f"{shown}, 3 stacks" in texts(tmp_path / "p.svg")


BASELINES = Path(__file__).parents[2] / "example_project" / "flame-baselines"


def test_baselines_are_read_as_they_are(flame: Flame) -> None:
    (path,) = BASELINES.glob("tests-test_pricing-test_price_one_order-*.json")
    costs = fold.recording_profile(read(path)).costs
    assert flame("draw", path, "-o", "-", "--format", "folded").out == folded.dumps(costs)
    shown = flame("diff", path, path)
    assert shown.status == 0
    assert units.duration(sum(costs.values())) in shown.out


def test_a_folder_of_baselines_is_read(flame: Flame) -> None:
    said = flame("draw", BASELINES, "-o", "-", "--format", "folded")
    assert said.status == 0
    assert "test_pricing:test_price_one_order;" in said.out and "test_numbers:test_fibonacci;" in said.out


def test_a_broken_baseline_says_so(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"schema": "pytest-flame/baseline/2"}')
    said = flame("draw", "b.json", "-o", "p.svg")
    assert said.status == 2
    assert "b.json" in said.err and "changed after it was recorded" in said.err


def test_folded_stacks_of_an_earlier_release_are_known_by_the_json_beside_them(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "test_x.folded").write_text("tests.test_x:test;app:work 12345000\n")
    (tmp_path / "test_x.json").write_text('{\n "schema": "pytest-flame/baseline/1",\n "test": "x"\n}\n')
    flame("draw", "test_x.folded", "-o", "p.svg")
    assert "12.35 µs, 1 stack" in texts(tmp_path / "p.svg")


def test_baselines_and_samples_are_not_added_up(flame: Flame, profile: Path, tmp_path: Path) -> None:
    (tmp_path / "b.folded").write_text("a 5\n")
    (tmp_path / "b.json").write_text('{"schema": "pytest-flame/baseline/1"}')
    said = flame("draw", profile, "b.folded", "-o", "p.svg")
    assert said.status == 2
    assert "p.folded counts samples and b.folded counts ps" in said.err
    assert "--unit" in said.err


def test_speedscope(flame: Flame, profile: Path, tmp_path: Path) -> None:
    flame("draw", profile, "-o", "p.speedscope.json", "--title", "mine")
    content = json.loads((tmp_path / "p.speedscope.json").read_text())
    names = [frame["name"] for frame in content["shared"]["frames"]]
    (only,) = content["profiles"]
    stacks = [";".join(names[i] for i in stack) for stack in only["samples"]]
    assert dict(zip(stacks, only["weights"], strict=True)) == {
        "main;load;parse": 30,
        "main;load;lex": 20,
        "main;show": 50,
    }
    assert (only["name"], only["unit"], only["endValue"]) == ("mine", "none", 100)


def test_two_counts_are_noticed_and_not_guessed(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "two.folded").write_text("a;b 3 5\na;c 4 4\n")
    said = flame("draw", "two.folded", "-o", "-", "--format", "folded")
    assert said.out == "a;b%203 5\na;c%204 4\n"
    assert "two.folded ends in two numbers" in said.err
    assert "flame diff --two-counts" in said.err


RECORDED = Path(__file__).parents[1] / "formats" / "recorded"


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("trampolines.script", "10,101,010 cycles, 1 stack"),
        ("py-spy.speedscope.json", "9.26 s, 15 stacks"),
        ("pyinstrument.speedscope.json", "9.65 s, 7 stacks"),
    ],
)
def test_what_other_tools_write_is_drawn(flame: Flame, tmp_path: Path, file: str, shown: str) -> None:
    said = flame("draw", RECORDED / file, "-o", "p.svg", "-o", "p.html", "-o", "p.folded", "--no-threads")
    assert (said.status, said.err) == (0, "")
    assert shown in texts(tmp_path / "p.svg")


def test_small_counts_add_up(flame: Flame, tmp_path: Path) -> None:
    text = "".join(f"main;f{i} 0.0004\n" for i in range(2_000)) + "main;g 0.2\n"
    (tmp_path / "p.folded").write_text(text)
    said = flame("draw", "p.folded", "-o", "p.svg", "-o", "-", "--format", "folded")
    assert sorted(said.out.splitlines()) == sorted(text.splitlines())
    flame("draw", "p.folded", "-o", "p.svg", "-o", "p.speedscope.json")
    assert "1 sample, 2,001 stacks" in texts(tmp_path / "p.svg")
    (only,) = json.loads((tmp_path / "p.speedscope.json").read_text())["profiles"]
    assert only["endValue"] == 1
    assert sorted(set(only["weights"])) == [0.0004, 0.2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "samples", "bytes"])
def test_the_same_in_every_unit(flame: Flame, tmp_path: Path, unit: str) -> None:
    """A picosecond is the smallest time that is drawn: smaller parts are distributed so that the sum is right."""
    text = "".join(f"main;f{i} 0.0004\n" for i in range(2_000)) + "main;g 0.2\n"
    (tmp_path / "p.folded").write_text(text)
    flame("draw", "p.folded", "-o", "q.folded", "--unit", unit)
    counts = [Decimal(line.rpartition(" ")[2]) for line in (tmp_path / "q.folded").read_text().splitlines()]
    assert sum(counts) == 1
    assert max(counts) == Decimal("0.2")


def test_counts_of_any_size_are_drawn_or_refused(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "large").write_text(f"a;b {10**18}\na;c {3 * 10**17}\n")
    assert flame("draw", "large", "-o", "-", "--format", "folded", "--unit", "bytes").out == (
        "a;b 1000000000000000000\na;c 300000000000000000\n"
    )
    assert flame("draw", "large", "-o", "p.svg", "--unit", "bytes").status == 0
    (tmp_path / "larger").write_text("a;b 999999999999999999\n" * 9)
    said = flame("draw", "larger", "-o", "p.svg")
    assert said.status == 2
    assert "more than can be drawn" in said.err


def test_one_of_several_things_counted(flame: Flame, tmp_path: Path) -> None:
    sample = "\n\t7f1c main+0x1 (/bin/x)\n\n"
    (tmp_path / "p.script").write_text(f"x 1 1.0: 5 cycles:{sample}x 1 1.1: 7 faults:{sample}")
    assert "--metric cycles" in flame("draw", "p.script", "-o", "p.svg").err
    assert flame("draw", "p.script", "--metric", "faults", "-o", "-", "--format", "folded").out == "x;main 7\n"


def test_bounds_can_be_raised(flame: Flame, tmp_path: Path) -> None:
    (tmp_path / "p.gz").write_bytes(gzip.compress(b"a;b 1\n" * 200_000))
    said = flame("draw", "p.gz", "-o", "p.svg", "--max-size", "1M")
    assert said.status == 2
    assert "p.gz is larger than 1M when decompressed" in said.err
    assert flame("draw", "p.gz", "-o", "p.svg", "--max-size", "4M").status == 0
    refused = flame("draw", "p.gz", "-o", "x.svg", "--max-size", "much")
    assert "'much' is not a size; expected one such as 512M" in refused.err


HOSTILE = "\x1b[31mred\x07\u202e"


def test_control_characters_never_reach_the_terminal(flame: Flame, tmp_path: Path) -> None:
    """From names of files and functions, from counts, options and notes."""
    (tmp_path / f"{HOSTILE}.folded").write_text(f"main;{HOSTILE} 3 5\nmain;{HOSTILE}2 4 4\n", "utf-8")
    (tmp_path / f"{HOSTILE}.bin").write_bytes(b"PERFILE2")
    (tmp_path / f"{HOSTILE}").mkdir()
    said = [
        flame("draw", f"{HOSTILE}.folded", "-o", "p.svg", "-o", "p.html"),
        flame("draw", f"{HOSTILE}.bin", "-o", "x.svg"),
        flame("draw", HOSTILE, "-o", "x.svg"),
        flame("draw", f"{HOSTILE}.missing", "-o", "x.svg"),
        flame("draw", f"{HOSTILE}.folded", "-o", f"{HOSTILE}.png"),
        flame("draw", f"{HOSTILE}.folded", "-o", f"missing/{HOSTILE}.svg"),
        flame("draw", f"{HOSTILE}.folded", "-o", "x.svg", "--unit", HOSTILE),
        flame("draw", f"{HOSTILE}.folded", "-o", "x.svg", f"--{HOSTILE}"),
        flame("draw", f"{HOSTILE}.folded", "-o", "x.svg", "--metric", HOSTILE, "--format", HOSTILE),
        flame("diff", f"{HOSTILE}.folded", "p.svg"),
        flame("diff", "--two-counts", f"{HOSTILE}.folded"),
    ]
    assert [one.status for one in said] == [0, *[2] * 9, 0]
    for one in said:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", one.out + one.err)
    for name in ("p.svg", "p.html"):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", (tmp_path / name).read_text("utf-8"))


def test_the_caption_of_folded_recursion_says_as_many_calls_as_the_box(flame: Flame, tmp_path: Path) -> None:
    """The picture stays as tall as it was, since another stack is as deep without recursion."""
    flame("draw", RECORDED / "recursion.txt", "-o", "r.svg", "--static")
    shown = texts(tmp_path / "r.svg")
    assert "70 calls of recursion folded into 1 box: ×N stands for N calls" in shown
    assert re.findall(r"×\d+", shown) == ["×70"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["missing.folded", "-o", "a.svg"], "missing.folded can't be read\n  why: No such file or directory"),
        (["bad.folded", "-o", "a.svg"], "bad.folded, line 2 does not end in a count: 'main;f'"),
        (["zeros.folded", "-o", "a.svg"], "zeros.folded counts nothing\n  why: all 2 stacks in it count 0"),
        (["nothing.folded", "-o", "a.svg"], "nothing.folded contains no stacks\n  why: it is empty"),
        (["empty", "-o", "a.svg"], "the folder empty contains no profiles"),
        (["p.folded", "-o", "a.png"], "-o a.png: no format has that suffix"),
        (["p.folded", "-o", "a.json"], "name it ….speedscope.json"),
        (["p.folded", "-o", "-"], "add --format svg|html|speedscope|folded"),
        (
            ["p.folded", "-o", "nowhere/a.svg"],
            "nowhere/a.svg can't be written\n  why: No such file or directory\n  fix: create",
        ),
        (["p.folded", "-o", "a.svg", "--metric", "cycles"], "p.folded has no metric to choose"),
        (["-", "-", "-o", "a.svg"], "standard input, which can be read only once"),
        (["p.folded", "-o", "-", "-o", "-", "--format", "svg"], "standard output, which takes only one result"),
        (["p.folded", "-o", "a.md"], "no format has that suffix"),
        (["p.folded", "-o", "x", "--format", "markdown"], "--format markdown is not for this command"),
    ],
)
def test_errors_say_what_and_why(flame: Flame, profile: Path, tmp_path: Path, arguments: list[str], what: str) -> None:
    (tmp_path / "bad.folded").write_text("main;f 1\nmain;f\n")
    (tmp_path / "zeros.folded").write_text("main;f 0\nmain;g 0.0\n")
    (tmp_path / "nothing.folded").write_text("")
    (tmp_path / "empty").mkdir()
    said = flame("draw", *arguments)
    assert said.status == 2
    assert said.err.startswith("flame draw: error: ")
    assert what in said.err
    assert not list(tmp_path.glob("a.*"))
