"""A slowdown that is accepted by one reviewed line passes, and is listed; what the line does not cover fails."""

from __future__ import annotations

from repositories import Checkout

from pytest_flame.cli.explain import explain
from pytest_flame.render.from_json import read_document, result_of

from .conftest import SHORTEST, WORK, Project

TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="60%", frame_threshold="60%", processes=3)


def test_wanted():
    work.spin(2000)


def test_too_late():
    work.churn(2000)
"""
ACCEPTED = """
[[accepted]]
test = "test_work.py::test_wanted"
limit = "+100000 %"
reason = "rates are checked now"
until = 9999-12-31

[[accepted]]
test = "*::test_too_late"
limit = "+100000 %"
reason = "until the cache is back"
until = 2001-01-31

[[accepted]]
test = "test_work.py::test_gone"
limit = "+10 %"
reason = "sorting is stable now"
until = 9999-12-31
"""


def history(project: Project) -> None:
    project.write(".gitignore", "__pycache__/\nflame-report/\nresult.json\nflame.md\n")
    project.write("work.py", WORK)
    project.write("test_work.py", TESTS)
    made = Checkout(project.path)
    made.git("init", "-q", "-b", "main")
    made.commit()


def test_what_an_entry_covers_passes_and_what_it_does_not_fails(project: Project) -> None:
    history(project)
    project.write("work.py", WORK.replace("in range(n)", "in range(16 * n)"))
    project.write("flame-accepted.toml", ACCEPTED)
    ran = project.flame("--flame-against=HEAD", "--flame-markdown=flame.md", "-v", time=SHORTEST)
    assert ran.verdicts == {
        "test_work.py::test_wanted": "ACCEPTED",
        "test_work.py::test_too_late": "REGRESSED",
    }, ran.out
    assert ran.ret == 1 and ran.outcomes == {"passed": 1, "failed": 1}
    assert ran.document is not None
    first, second, third = ran.document["accepted"]
    assert (first["state"], first["tests"]) == ("accepts", ["test_work.py::test_wanted"])
    assert (second["state"], third["state"]) == ("expired", "matches no test")
    (by,) = ran.test("test_wanted")["accepted_by"]
    assert (by["reason"], by["until"], by["culprit"]) == ("rates are checked now", "9999-12-31", None)
    assert "test_work.py::test_wanted ACCEPTED" in ran.out
    assert "ACCEPTED, until 9999-12-31: rates are checked now" in ran.out
    assert "entry 2 expired on 2001-01-31 and no longer accepts this slowdown" in ran.out
    assert "entry 3: no longer needed: no test that ran is called test_work.py::test_gone" in ran.out
    changes = {(c["kind"], c["subject"]) for c in ran.document["gate"]["changes"]}
    assert ("slowdown accepted", "test_work.py::test_wanted") in changes
    told = explain(result_of(read_document(project.path / "result.json"), ""), "result.json", "too_late")
    assert (
        "test_too_late: REGRESSED" in told and "pytest --flame --flame-against=HEAD test_work.py::test_too_late" in told
    )
    page = (project.path / "flame-report" / "index.html").read_text(encoding="utf-8")
    for text in (page, (project.path / "flame.md").read_text(encoding="utf-8")):
        assert "rates are checked now" in text and "9999-12-31" in text


def test_a_malformed_file_is_an_error_before_anything_is_measured(project: Project) -> None:
    project.write("test_work.py", "import pytest\n\n\n@pytest.mark.flame\ndef test_it():\n    pass\n")
    project.write("flame-accepted.toml", '[[accepted]]\ntest = "test_work.py::test_it"\nlimit = "+3 %"\n')
    ran = project.flame()
    assert ran.ret == 4 and ran.document is None
    assert "flame-accepted.toml, entry 1 (test_work.py::test_it): reason is missing" in ran.out
    assert 'write reason = "' in ran.out
