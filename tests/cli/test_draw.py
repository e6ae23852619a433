"""``flame draw``: what is read, what is written."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"
PROFILE = "main;load;parse 30\nmain;load;lex 20\nmain;show 50\n"


def texts(path) -> str:
    return " ".join(" ".join(e.itertext()) for e in ElementTree.fromstring(path.read_text("utf-8")).iter(f"{SVG}text"))


@pytest.fixture
def profile(tmp_path):
    (tmp_path / "p.folded").write_text(PROFILE)
    return tmp_path / "p.folded"


def test_a_picture(flame, profile, tmp_path):
    said = flame("draw", profile, "-o", "p.svg")
    assert (said.status, said.out, said.err) == (0, "", "")
    shown = texts(tmp_path / "p.svg")
    assert "parse" in shown
    assert "100 samples, 3 stacks" in shown


def test_with_and_without_script(flame, profile, tmp_path):
    flame("draw", profile, "-o", "p.svg")
    flame("draw", profile, "-o", "static.svg", "--static")
    assert "<script" in (tmp_path / "p.svg").read_text("utf-8")
    assert "<script" not in (tmp_path / "static.svg").read_text("utf-8")


def test_a_page_shows_the_one_side(flame, profile, tmp_path):
    assert flame("draw", profile, "-o", "p.html", "--title", "my <b>profile</b>").status == 0
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "my &lt;b&gt;profile&lt;/b&gt;: flame graph" in page
    assert "CPU time per iteration" not in page.partition("<script")[0]


def test_several_results_at_once(flame, profile, tmp_path):
    said = flame("draw", profile, "-o", "p.svg", "-o", "p.html", "-o", "p.speedscope.json", "-o", "q.folded")
    assert said.status == 0
    assert (tmp_path / "q.folded").read_text() == "main;load;lex 20\nmain;load;parse 30\nmain;show 50\n"
    assert {p.name for p in tmp_path.iterdir()} == {"p.folded", "p.svg", "p.html", "p.speedscope.json", "q.folded"}


def test_files_and_folders_are_added_up(flame, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "1.folded").write_text("main;a 1\n")
    (runs / "2.txt").write_text("main;a 2\nmain;b 4\n")
    (runs / "3.folded.gz").write_bytes(gzip.compress(b"main;b 8\n"))
    (runs / "picture.svg").write_text("<svg/>")
    (tmp_path / "more.folded").write_text("main;a 16\n")
    assert flame("draw", runs, "more.folded", "-o", "-", "--format", "folded").out == "main;a 19\nmain;b 12\n"


def test_standard_input_and_output(flame, monkeypatch):
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
def test_units(flame, profile, tmp_path, unit, shown):
    assert flame("draw", profile, "-o", "p.svg", "--unit", unit).status == 0
    assert f"{shown}, 3 stacks" in texts(tmp_path / "p.svg")


def test_a_baseline_is_known_by_the_json_beside_it(flame, tmp_path):
    (tmp_path / "test_x.folded").write_text("tests.test_x:test;app:work 12345000\n")
    (tmp_path / "test_x.json").write_text('{\n "schema": "pytest-flame/baseline/1",\n "test": "x"\n}\n')
    flame("draw", "test_x.folded", "-o", "p.svg")
    assert "12.35 µs, 1 stack" in texts(tmp_path / "p.svg")


def test_baselines_and_samples_are_not_added_up(flame, profile, tmp_path):
    (tmp_path / "b.folded").write_text("a 5\n")
    (tmp_path / "b.json").write_text('{"schema": "pytest-flame/baseline/1"}')
    said = flame("draw", profile, "b.folded", "-o", "p.svg")
    assert said.status == 2
    assert "p.folded holds samples and b.folded holds ps" in said.err
    assert "--unit" in said.err


def test_speedscope(flame, profile, tmp_path):
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


def test_two_counts_are_noticed_and_not_guessed(flame, tmp_path):
    (tmp_path / "two.folded").write_text("a;b 3 5\na;c 4 4\n")
    said = flame("draw", "two.folded", "-o", "-", "--format", "folded")
    assert said.out == "a;b%203 5\na;c%204 4\n"
    assert "two.folded ends in two numbers" in said.err
    assert "flame diff --two-counts" in said.err


def test_the_caption_of_folded_recursion_says_as_many_calls_as_the_box(flame, tmp_path):
    """The picture stays as tall as it was, since another stack is as deep without recursion."""
    recorded = Path(__file__).parents[1] / "formats" / "recorded" / "recursion.txt"
    flame("draw", recorded, "-o", "r.svg", "--static")
    shown = texts(tmp_path / "r.svg")
    assert "70 calls of recursion folded into 1 box: ×N stands for N calls" in shown
    assert re.findall(r"×\d+", shown) == ["×70"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["missing.folded", "-o", "a.svg"], "missing.folded can't be read\n  why: No such file or directory"),
        (["bad.folded", "-o", "a.svg"], "bad.folded, line 2 does not end in a count: 'main;f'"),
        (["empty", "-o", "a.svg"], "the folder empty holds no profiles"),
        (["p.folded", "-o", "a.png"], "-o a.png: no format belongs to that name"),
        (["p.folded", "-o", "a.json"], "name it ….speedscope.json"),
        (["p.folded", "-o", "-"], "add --format svg|html|speedscope|folded"),
        (["p.folded", "-o", "nowhere/a.svg"], "nowhere/a.svg can't be written"),
        (["-", "-", "-o", "a.svg"], "standard input, which can be read once"),
        (["p.folded", "-o", "-", "-o", "-", "--format", "svg"], "standard output, which takes one result"),
        (["p.folded", "-o", "a.md"], "no format belongs to that name"),
        (["p.folded", "-o", "x", "--format", "markdown"], "--format markdown is not for this command"),
    ],
)
def test_errors_say_what_and_why(flame, profile, tmp_path, arguments, what):
    (tmp_path / "bad.folded").write_text("main;f 1\nmain;f\n")
    (tmp_path / "empty").mkdir()
    said = flame("draw", *arguments)
    assert said.status == 2
    assert said.err.startswith("flame draw: error: ")
    assert what in said.err
    assert not list(tmp_path.glob("a.*"))
