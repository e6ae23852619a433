"""FLAME_PROFILE: a program profiled from outside, whichever way it runs and ends."""

from __future__ import annotations

import shutil
import site
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from profiled import about, stacks_with, total

from pytest_flame.model import Stack
from pytest_flame.profiling import program

MS = 1_000_000
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Costs = Callable[[], dict[Stack, int]]

WORK = """
def inner():
    spin(60 * MS)

def outer():
    inner()

outer()
"""


def test_a_script_is_profiled_from_its_first_line(run: Run, costs: Costs, sampler: str) -> None:
    done = run(WORK, FLAME_PROFILE="out.folded", FLAME_PROFILE_SAMPLER=sampler)
    assert stacks_with(costs(), "spin") == {("<module>", "outer", "inner", "spin")}
    assert total(costs(), "spin") == about(60 * MS, 0.1)
    assert "app:outer" in {frame.name for stack in costs() for frame in stack}
    assert done.stdout == ""
    assert "samples of" in done.stderr and str(Path("out.folded").name) in done.stderr


@pytest.mark.parametrize("command", [("-m", "app"), ("-I", "app.py"), ("-c", "import app")], ids=str)
def test_modules_and_commands_are_profiled(run: Run, costs: Costs, command: tuple[str, ...]) -> None:
    run(WORK, command=command, FLAME_PROFILE="out.folded")
    assert total(costs(), "outer", "inner", "spin") == about(60 * MS, 0.15)


def test_a_flame_graph_is_written_where_the_suffix_asks_for_it(run: Run, tmp_path: Path) -> None:
    run(WORK, FLAME_PROFILE="out.svg")
    svg = (tmp_path / "out.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg") and "app:inner" in svg and "per iteration" not in svg


def test_what_draws_is_never_in_the_program(run: Run, tmp_path: Path) -> None:
    """Whatever the program does to its environment."""
    program = """
    spin(20 * MS)
    os.environ["PYTHONINSPECT"] = "1"
    os.chdir("/")
    """
    # Registered first, it runs after what ends the profile.
    last = "import sys; assert not {'numpy', 'jinja2', 'pytest_flame.render.picture'} & set(sys.modules), 'heavy'"
    first = f"import atexit\natexit.register(lambda: exec({last!r}))\n"
    (tmp_path / "sitecustomize.py").write_text(first, encoding="utf-8")
    done = run(program, FLAME_PROFILE="out.svg", PYTHONPATH=str(tmp_path))
    assert "heavy" not in done.stderr
    assert (tmp_path / "out.svg").read_text(encoding="utf-8").startswith("<svg")
    assert not (tmp_path / "out.svg.folded").exists()


def test_a_picture_that_cannot_be_drawn_leaves_the_profile(run: Run, tmp_path: Path) -> None:
    done = run(WORK + "sys.executable = '/nowhere/python'", FLAME_PROFILE="out.svg")
    assert "the picture was not drawn: /nowhere/python cannot be started" in done.stderr
    assert f"flame draw {tmp_path / 'out.svg.folded'} -o {tmp_path / 'out.svg'} --unit ns" in done.stderr
    assert "app:inner" in (tmp_path / "out.svg.folded").read_text(encoding="utf-8")
    assert not (tmp_path / "out.svg").exists()


def test_a_drawing_that_fails_leaves_the_profile(run: Run, tmp_path: Path) -> None:
    done = run(WORK + "sys.executable = '/bin/false'", FLAME_PROFILE="out.svg")
    assert "the drawing process ended with status 1" in done.stderr
    assert (tmp_path / "out.svg.folded").exists()


def test_a_device_is_written_to(run: Run) -> None:
    assert "app:<module>;app:outer" in run(WORK, FLAME_PROFILE="/dev/stdout").stdout


@pytest.mark.parametrize("variables", [{}, {"FLAME_PROFILE": ""}], ids=["unset", "empty"])
def test_without_the_variable_nothing_is_imported(run: Run, variables: dict[str, str]) -> None:
    done = run("print([m for m in sys.modules if 'flame' in m and 'editable' not in m])", **variables)
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_the_program_does_not_see_the_variable(run: Run, costs: Costs) -> None:
    """Otherwise every Python it starts would write to the same file."""
    done = run(
        "import subprocess; print([v for v in os.environ if v.startswith('FLAME_PROFILE')]);"
        "subprocess.run([sys.executable, '-c', 'for i in range(3_000_000): pass'])",
        FLAME_PROFILE="out.folded",
    )
    assert done.stdout == "[]\n"
    assert done.stderr.count("flame:") == 1
    assert {s[0].name for s in costs() if "children" in s[0].name} == {"[children]:[not sampled]"}


# --- how it ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit(3)", 3),
        ("raise ValueError", 1),
        ("os._exit(4)", 4),
        ("import signal; os.kill(os.getpid(), signal.SIGTERM); spin(20 * MS)", -15),
        ("import signal; os.kill(os.getpid(), signal.SIGINT); spin(20 * MS)", -2),
    ],
)
def test_the_profile_is_written_however_the_program_ends(run: Run, costs: Costs, ending: str, status: int) -> None:
    run(WORK + ending, status=status, FLAME_PROFILE="out.folded")
    assert total(costs(), "inner") == about(60 * MS, 0.15)


def test_a_picture_is_written_at_the_end_too(run: Run, tmp_path: Path) -> None:
    run(WORK + "import signal; os.kill(os.getpid(), signal.SIGINT)", status=-2, FLAME_PROFILE="out.svg")
    assert "inner" in (tmp_path / "out.svg").read_text()


def test_the_programs_own_sigterm_handler_is_left_alone(run: Run, costs: Costs) -> None:
    done = run(
        WORK + "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); os.kill(os.getpid(), 15)",
        status=7,
        FLAME_PROFILE="out.folded",
    )
    assert "samples of" in done.stderr
    assert total(costs(), "inner")


def test_exit_functions_are_profiled_too(run: Run, costs: Costs) -> None:
    run("import atexit; atexit.register(lambda: spin(30 * MS))", FLAME_PROFILE="out.folded")
    assert total(costs(), "<lambda>") == about(30 * MS, 0.2)


def test_threads_that_are_not_daemons_are_profiled_to_their_end(run: Run, costs: Costs) -> None:
    run(
        "import threading\ndef late():\n    spin(50 * MS)\nthreading.Thread(target=late).start()",
        FLAME_PROFILE="out.folded",
    )
    assert total(costs(), "late") == about(50 * MS, 0.15)


def test_a_program_that_becomes_another_one_has_written_its_profile(run: Run, costs: Costs) -> None:
    done = run(
        WORK + "os.execv(sys.executable, [sys.executable, '-c', 'print(6 * 7)'])",
        FLAME_PROFILE="out.folded",
    )
    assert done.stdout == "42\n"
    assert total(costs(), "inner") == about(60 * MS, 0.15)


def test_an_exec_that_fails_does_not_end_the_profile(run: Run, costs: Costs) -> None:
    run(
        """
        def before(): spin(40 * MS)
        def after(): spin(40 * MS)
        before()
        try:
            os.execv("/nowhere/at/all", ["x"])
        except FileNotFoundError:
            after()
        """,
        FLAME_PROFILE="out.folded",
    )
    assert total(costs(), "before") == about(40 * MS, 0.2)
    assert total(costs(), "after") == about(40 * MS, 0.2)


def test_followed_the_next_program_adds_to_the_profile(run: Run, costs: Costs) -> None:
    run(
        """
        def first(): spin(40 * MS)
        def second(): spin(40 * MS)
        if len(sys.argv) == 1:
            first()
            os.execv(sys.executable, [sys.executable, "app.py", "again"])
        second()
        """,
        FLAME_PROFILE="out.folded",
        FLAME_PROFILE_FOLLOW="1",
    )
    assert total(costs(), "first") == about(40 * MS, 0.2)
    assert total(costs(), "second") == about(40 * MS, 0.2)


# --- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FLAME_PROFILE": "out.png"}, "no format is known for 'out.png'"),
        ({"FLAME_PROFILE": "nowhere/out.folded"}, "there is no folder"),
        ({"FLAME_PROFILE_SAMPLER": "best"}, "FLAME_PROFILE_SAMPLER=best is not known"),
        ({"FLAME_PROFILE_FREQUENCY": "fast"}, "FLAME_PROFILE_FREQUENCY=fast is not a whole number"),
        ({"FLAME_PROFILE_FREQUENCY": "99999999"}, "above the kernel's limit"),
        ({"FLAME_PROFILE_FOLLOW": "maybe"}, "FLAME_PROFILE_FOLLOW=maybe is neither yes nor no"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_and_the_program_runs_on(
    run: Run, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    (tmp_path / "out.folded").write_text("old 1\n", encoding="utf-8")
    done = run("print('here')", **({"FLAME_PROFILE": "out.folded"} | variables))
    assert done.stdout == "here\n"
    assert said in done.stderr and "fix:" in done.stderr
    if "FLAME_PROFILE" not in variables:
        assert not (tmp_path / "out.folded").exists(), "an earlier profile could be taken for this run's"


def test_an_earlier_profile_is_not_taken_for_this_runs(run: Run, tmp_path: Path, temporary: Path) -> None:
    old = tmp_path / "out.folded"
    old.write_text("old 1\n", encoding="utf-8")
    run("import signal; os.kill(os.getpid(), signal.SIGKILL)", status=-9, FLAME_PROFILE="out.folded")
    assert not old.exists()
    for session in temporary.glob("pytest-flame-profile-*"):
        shutil.rmtree(session)  # no process was left to do it


def test_every_variable_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "profiling.md").read_text(encoding="utf-8")
    for name in (
        program.OUTPUT,
        program.FREQUENCY,
        program.SAMPLER,
        program.FOLLOW,
        program.TASKS,
        program.NATIVE,
        program.KERNEL,
    ):
        assert f"`{name}" in text


def test_the_start_up_file_is_installed_beside_the_package() -> None:
    assert any((Path(folder) / "pytest_flame_profile.pth").exists() for folder in site.getsitepackages())
