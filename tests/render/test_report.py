from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_flame.atomic import write_text
from pytest_flame.baseline.slug import slug
from pytest_flame.errors import UsageError
from pytest_flame.model import Judgement, RunResult, Verdict
from pytest_flame.render.report import MANIFEST, write_report


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_page_and_the_pictures_there_is_data_for(tmp_path: Path, result: RunResult, regressed: Judgement) -> None:
    index = write_report(result, tmp_path / "a" / "report")
    stem = slug(regressed.test_id)
    assert index == tmp_path / "a" / "report" / "index.html"
    written = names(index.parent)
    assert {f"{stem}.{kind}.svg" for kind in ("diff", "interactive", "base", "head")} <= written
    new = slug("tests/test_orders.py::test_refund")
    assert {name for name in written if name.startswith(new)} == {f"{new}.head.svg"}
    linked = {name for name in written if name.endswith(".svg") and not name.endswith(".dark.svg")}
    assert all(f'href="{name}"' in index.read_text(encoding="utf-8") for name in linked)


def test_equal_results_give_equal_files(tmp_path: Path, result: RunResult) -> None:
    one, two = (write_report(result, tmp_path / name).parent for name in "ab")
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}


def test_pictures_of_an_earlier_run_go_other_files_stay(
    tmp_path: Path, result: RunResult, regressed: Judgement
) -> None:
    write_report(result, tmp_path)
    (tmp_path / "notes.base.svg").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    write_report(replace(result, judgements=(regressed,)), tmp_path)
    stem = slug(regressed.test_id)
    pictures = {f"{stem}.{side}.svg" for side in ("diff", "dark", "interactive", "base", "head")}
    assert names(tmp_path) == pictures | {"index.html", MANIFEST, "notes.base.svg", "notes.txt"}


def test_a_page_that_is_not_ours_is_not_replaced(tmp_path: Path, result: RunResult) -> None:
    (tmp_path / "index.html").write_text("my home page")
    with pytest.raises(UsageError, match=r"index\.html is in the way"):
        write_report(result, tmp_path)
    assert names(tmp_path) == {"index.html"}
    assert (tmp_path / "index.html").read_text() == "my home page"


def test_a_link_is_not_written_through(tmp_path: Path, result: RunResult) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    report = write_report(result, tmp_path / "report").parent
    (report / "index.html").unlink()
    (report / "index.html").symlink_to(outside)
    with pytest.raises(UsageError, match="in the way"):
        write_report(result, report)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": 3}', '{"files": [3, "../victim.base.svg", "/etc/x.diff.svg", "victim.txt"]}']
)
def test_a_manifest_cannot_point_at_other_files(tmp_path: Path, result: RunResult, content: str) -> None:
    report = tmp_path / "report"
    report.mkdir()
    for victim in (tmp_path / "victim.base.svg", report / "victim.txt"):
        victim.write_text("mine")
    (report / MANIFEST).write_text(content)
    write_report(result, report)
    assert (tmp_path / "victim.base.svg").exists() and (report / "victim.txt").exists()
    assert "index.html" in json.loads((report / MANIFEST).read_text())["files"]


def test_an_interrupted_write_is_repaired_by_the_next(
    tmp_path: Path, result: RunResult, regressed: Judgement, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_flame.render import report

    written: list[str] = []
    write = write_text

    def failing(path: Path, text: str) -> None:
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        written.append(path.name)
        write(path, text)

    monkeypatch.setattr(report, "write_text", failing)
    with pytest.raises(OSError, match="No space left"):
        write_report(result, tmp_path)
    monkeypatch.undo()
    write_report(replace(result, judgements=(regressed,)), tmp_path)
    assert all(name.startswith(slug(regressed.test_id)) for name in names(tmp_path) - {"index.html", MANIFEST})


def test_a_file_where_the_directory_should_be_is_a_usage_error(tmp_path: Path, result: RunResult) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="--flame-report"):
        write_report(result, tmp_path / "taken")


def test_only_tests_that_did_not_pass_have_a_picture_to_click_in(tmp_path: Path, result: RunResult) -> None:
    write_report(result, tmp_path)
    drawn = {j.verdict for j in result.judgements if (tmp_path / f"{slug(j.test_id)}.interactive.svg").exists()}
    assert drawn == {Verdict.REGRESSED, Verdict.ACCEPTED, Verdict.IMPROVED, Verdict.INCONCLUSIVE}
