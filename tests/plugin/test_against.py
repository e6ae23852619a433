"""``--flame-against``: a commit and the working tree measured together, in real repositories."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from repositories import Checkout

from pytest_flame.render.json import schema

from .conftest import SHORTEST, WORK, Project, Ran
from .test_bodies import ends
from .test_interrupted import on_a_terminal, read_until, wait_for_words

TESTS = """
import pytest
import work

pytestmark = pytest.mark.flame(threshold="300%", frame_threshold="300%")


def test_slower():
    work.spin(3000)


def test_same():
    work.churn(3000)


def test_mended():
    work.mended(3000)
"""
AT_BASE = (
    WORK
    + """

def mended(n):
    raise ValueError("out of order at base")
"""
)
NEW_TEST = """

def test_of_something_new():
    work.brand_new(3000)


def test_new_of_something_mended():
    work.mended(3000)
"""
OWN = ("flame-report/", "__pycache__/", ".pytest_cache/", "result.json")
"""What a run writes in the checkout."""


def initialised(project: Project) -> Checkout:
    checkout = Checkout(project.path)
    checkout.git("init", "-q", "-b", "main")
    return checkout


def state(checkout: Checkout) -> dict[str, str]:
    found = checkout.state()
    return {
        path: digest
        for path, digest in found.items()
        if not any(own in path.replace(str(checkout.path), "") for own in OWN)
    }


@dataclass(frozen=True)
class Compared:
    """One run against a commit, with changes that are not committed."""

    ran: Ran
    base: str
    before: dict[str, str]
    after: dict[str, str]
    left: list[Path]
    """In the folder for temporary files."""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        temporary, folder = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("against")
        monkeypatch.setenv("TMPDIR", str(temporary))
        project = Project(folder, monkeypatch)
        checkout = initialised(project)
        project.write("pytest.ini", "[pytest]\n")
        project.write("work.py", AT_BASE)
        project.write("test_work.py", TESTS)
        base = checkout.commit()
        project.replace("work.py", "range(n):\n        total += i * i", "range(16 * n):\n        total += i * i")
        project.replace("work.py", 'raise ValueError("out of order at base")', "return churn(n)")
        project.write("work.py", (folder / "work.py").read_text() + "\n\ndef brand_new(n):\n    return churn(n)\n")
        project.write("test_work.py", TESTS + NEW_TEST)
        project.write("notes.txt", "not committed, and of no use")
        before = state(checkout)
        ran = project.flame("--flame-against=HEAD", "--flame-seed=1", "-ra")
        yield Compared(ran, base, before, state(checkout), list(temporary.iterdir()))


def test_slowdown_is_caught_and_its_function_named(compared: Compared) -> None:
    test = compared.ran.test("test_slower")
    assert test["verdict"] == "REGRESSED", compared.ran.out
    assert compared.ran.ret == 1
    assert test["ratio"] > 8
    assert test["low"] > 4
    assert [culprit["frame"] for culprit in test["culprits"]] == ["work:spin"]
    assert "REGRESSED test_work.py::test_slower" in compared.ran.out


def test_same_code_passes(compared: Compared) -> None:
    test = compared.ran.test("test_same")
    assert test["verdict"] == "PASS", compared.ran.out
    assert test["low"] < 1 < test["high"] < 4
    assert compared.ran.outcomes == {"failed": 2, "passed": 1, "skipped": 2}


def test_what_base_does_not_have_is_new(compared: Compared) -> None:
    something, mended = (compared.ran.test(name) for name in ("test_of_something_new", "test_new_of_something_mended"))
    assert something["verdict"] == mended["verdict"] == "NEW", compared.ran.out
    assert "there is no work.brand_new" in something["reason"]
    assert "the test does not exist" in mended["reason"]
    assert compared.base[:7] in mended["reason"]


def test_what_fails_at_base_is_an_error_with_its_traceback(compared: Compared) -> None:
    test = compared.ran.test("test_mended")
    assert test["verdict"] == "ERROR", compared.ran.out
    assert f"at base {compared.base[:7]}" in test["reason"]
    assert "ValueError: out of order at base" in test["details"]
    assert "work.py" in test["details"]


def test_result_says_how_and_with_what_it_was_compared(compared: Compared) -> None:
    document = compared.ran.document
    assert document is not None
    jsonschema.validate(document, schema())
    assert document["mode"] == "interleaved"
    assert document["base"] == {"commit": compared.base, "source": "HEAD"}
    assert compared.base[:7] in compared.ran.out
    assert "as stored" not in compared.ran.out


def test_checkout_is_not_touched_and_nothing_is_left_elsewhere(compared: Compared) -> None:
    assert compared.after == compared.before
    assert compared.left == []


# --- refs -------------------------------------------------------------------------------------------------------------

ABSENT = "import pytest, work\n@pytest.mark.flame\ndef test_it(): work.brand_new(3000)\n"


@pytest.fixture
def history(project: Project) -> Checkout:
    """``main`` has moved on since the checked-out branch left it; what the test needs is only on the branch."""
    checkout = initialised(project)
    checkout.commit(work_py=WORK, pytest_ini="[pytest]")
    checkout.git("checkout", "-q", "-b", "topic")
    project.write("work.py", WORK + "\n\ndef brand_new(n):\n    return churn(n)\n")
    checkout.commit(test_it_py=ABSENT)
    checkout.git("checkout", "-q", "main")
    checkout.commit(more_py="")
    checkout.git("checkout", "-q", "topic")
    return checkout


@pytest.mark.parametrize(("ref", "base"), [("main...", "main~1"), ("main", "main"), ("HEAD~1", "main~1")])
def test_three_dots_are_where_the_branch_left(project: Project, history: Checkout, ref: str, base: str) -> None:
    ran = project.flame(f"--flame-against={ref}", time=SHORTEST)
    assert ran.verdict("test_it") == "NEW", ran.out
    assert ran.document is not None
    assert ran.document["base"] == {"commit": history.git("rev-parse", base), "source": ref}
    assert "record baselines" not in ran.out


def test_ini_value_alone_does_not_measure_but_decides_how(project: Project, history: Checkout) -> None:
    project.write("pytest.ini", "[pytest]\nflame_against = main\n")
    assert project.run().outcomes == {"passed": 1}
    ran = project.flame(time=SHORTEST)
    assert ran.document is not None
    assert ran.document["mode"] == "interleaved"


def test_unknown_ref_is_a_usage_error_with_the_command_that_fetches_it(project: Project, history: Checkout) -> None:
    history.git("remote", "add", "origin", "/nowhere")
    ran = project.flame("--flame-against=origin/release", time=SHORTEST)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR, ran.out
    assert "there is no commit 'origin/release'" in ran.out
    assert "git fetch" in ran.out
    assert "release" in ran.out.partition("git fetch")[2].splitlines()[0]
    assert ran.document is None
    assert "Traceback" not in ran.out


def test_outside_a_repository_is_a_usage_error(project: Project) -> None:
    project.write("test_it.py", ABSENT.replace("work.brand_new(3000)", "pass"))
    project.write("work.py", WORK)
    ran = project.flame("--flame-against=main", time=SHORTEST)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR, ran.out
    assert "is not in a git repository" in ran.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--flame-update",), "--flame-against and --flame-update cannot be combined"),
        (("--flame-base-python=/nowhere/python",), "/nowhere/python"),
        (
            ("--flame-base-python=python3", "--flame-base-install=true"),
            "--flame-base-python and --flame-base-install cannot be combined",
        ),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    project: Project, history: Checkout, args: tuple[str, ...], said: str
) -> None:
    ran = project.flame("--flame-against=main", *args, time=SHORTEST)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR, ran.out
    assert said in ran.out
    assert "Traceback" not in ran.out
    assert ran.document is None


def test_two_commits_with_the_working_trees_tests_and_nothing_timed(project: Project) -> None:
    """The working tree's own code would fail every test."""
    checkout = initialised(project)
    base = checkout.commit(work_py=AT_BASE.replace('raise ValueError("out of order at base")', "return churn(n)"))
    at_head = AT_BASE.replace("total ^= i + n", "total ^= i - n").replace("total = 0", "total = 0  # so far")
    head = checkout.commit(work_py=at_head)
    project.write("work.py", "")
    project.write("test_work.py", TESTS.replace("work.churn(3000)", "work.spin(30)"))
    before = state(checkout)
    ran = project.flame(f"--flame-against={base}", f"--flame-head={head}", "--flame-measure=none")
    assert ran.verdicts == {
        "test_work.py::test_slower": "PASS",
        "test_work.py::test_same": "PASS",
        "test_work.py::test_mended": "ERROR",
    }, ran.out
    assert ran.test("test_mended")["reason"] == "call failed: ValueError: out of order at base"
    assert ran.test("test_same")["exact"]["same_code"]
    assert f"head is {head[:12]}" in ran.out
    project.write("test_work.py", "import pytest, work\n@pytest.mark.flame\ndef test_it(): work.churn(30)\n")
    ran = project.flame("--flame-against=HEAD", f"--flame-head={base}", "--flame-measure=none")
    test = ran.test("test_it")
    assert test["verdict"] == "INCONCLUSIVE"
    assert test["reason"] == "not timed (--flame-measure=none): changed: function work:churn"
    assert test["evidence"] is None
    assert test["exact"]["base_digest"] != test["exact"]["head_digest"]
    before = {path: digest for path, digest in before.items() if "test_work.py" not in path}
    assert {path: digest for path, digest in state(checkout).items() if path in before} == before


# --- interrupted ------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_behind_and_the_checkout_as_it_was(project: Project) -> None:
    temporary = project.path.parent / "temporary"
    temporary.mkdir()
    pids = project.path.parent / "pids"
    project.monkeypatch.setenv("TMPDIR", str(temporary))
    project.monkeypatch.setenv("PIDS", str(pids))
    checkout = initialised(project)
    project.write("work.py", WORK)
    project.write(
        "test_it.py",
        """
        import os, pathlib, pytest, time, work
        @pytest.mark.flame
        def test_it():
            pathlib.Path(os.environ["PIDS"]).write_text(f"{os.getpid()} .")
            time.sleep(1000)
        """,
    )
    checkout.commit()
    before = state(checkout)
    with on_a_terminal(project, "--flame-against=HEAD", *SHORTEST) as (process, master):
        wait_for_words(pids, 2)
        os.kill(process.pid, signal.SIGINT)
        shown = read_until(master, None)
        assert process.wait(30) == pytest.ExitCode.INTERRUPTED, shown
    assert "interrupted after 0 of 3 pairs" in shown
    assert ends(int(pids.read_text().split()[0]))
    assert list(temporary.iterdir()) == []
    assert state(checkout) == before
