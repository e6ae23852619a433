"""A new format is a module with a ``Format`` and one line: here from outside the package."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pytest_flame.cli.command import main
from pytest_flame.errors import FormatError
from pytest_flame.formats import reading, registry
from pytest_flame.formats.content import Content
from pytest_flame.formats.format import Beginning, Format, Profiles, ReadOptions
from pytest_flame.formats.labels import Namer
from pytest_flame.model import SAMPLES, Profile


def read_pairs(content: Content, how: ReadOptions, beginning: Beginning) -> Profile:
    namer = Namer(how.naming)
    return Profile.of(SAMPLES.at_scale(1), {namer.stack(names): count for names, count in beginning.document["pairs"]})


def write_pairs(written: Profiles) -> str:
    (profile,) = written.profiles
    return json.dumps(
        {"pairs": [[[f.name for f in stack], cost // written.metric.scale] for stack, cost in profile.costs.items()]}
    )


PAIRS = Format(
    name="pairs",
    suffixes=(".pairs",),
    recognises=lambda beginning: isinstance(beginning.document, dict) and "pairs" in beginning.document,
    read=read_pairs,
    write=write_pairs,
)
TEXT = b'{"pairs": [[["main", "load"], 3], [["main", "show"], 4]]}'


def test_a_format_from_outside_is_read_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FormatError, match="of an unknown kind"):
        reading.read(io.BytesIO(TEXT), "p", ReadOptions())
    monkeypatch.setattr(registry, "FORMATS", [PAIRS, *registry.FORMATS])
    (tmp_path / "p.json").write_bytes(TEXT)
    assert main(["draw", str(tmp_path / "p.json"), "-o", str(tmp_path / "q.pairs")]) == 0
    assert json.loads((tmp_path / "q.pairs").read_text()) == json.loads(TEXT)
    assert main(["draw", str(tmp_path / "q.pairs"), "-o", "-", "--format", "folded"]) == 0
    assert capsys.readouterr().out == "main;load 3\nmain;show 4\n"


def test_names_and_first_suffixes_belong_to_one_format() -> None:
    assert len({known.name for known in registry.FORMATS}) == len(registry.FORMATS)
    assert len({known.suffixes[0] for known in registry.FORMATS}) == len(registry.FORMATS)


def test_a_format_without_metrics_refuses_to_choose_one() -> None:
    with pytest.raises(FormatError, match="no metric to choose"):
        reading.read(io.BytesIO(b"main;load 3\n"), "p", ReadOptions(metric="cycles"))
