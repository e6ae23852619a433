"""``--flame-doctor`` reports facts: it tries everything, and each refusal comes with what would help."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import seccomp
from compiled import run

from pytest_flame import doctor
from pytest_flame.doctor import Check, Examination, examine
from pytest_flame.errors import SamplerUnavailable
from pytest_flame.sampling.ladder import KERNEL_TIME, RUNGS, TIMER, open_sampler
from pytest_flame.sampling.symbols.kernel import KernelSymbols


@pytest.fixture(scope="module")
def here() -> Examination:
    return examine(997)


def test_it_chooses_what_a_run_would_choose(here: Examination) -> None:
    with open_sampler("auto", 997) as sampler:
        info = sampler.info
    rung = next(
        r for r in RUNGS if (r.name, r.event, r.kernel) == (info.rung, info.event, info.kernel) and not r.kernel_frames
    )
    assert [s.title for s in here.steps if s.chosen] == [doctor.TITLES[rung]]
    assert here.can_sample


def test_every_rung_is_tried(here: Examination) -> None:
    assert [s.title for s in here.steps[1:-3]] == [doctor.TITLES[rung] for rung in RUNGS]


def test_what_works_was_seen_to_sample_and_what_does_not_says_what_would_help(here: Examination) -> None:
    for step in here.steps[1:-3]:
        if step.works:
            assert int(step.detail.split()[0]) > 0
        else:
            assert step.detail and step.fix


def test_text_says_it_all(here: Examination) -> None:
    text = "\n".join(here.lines())
    assert text.count(" * ") == 2, "the chosen step and the legend"
    assert all(step.title in text and step.detail in text and step.fix in text for step in here.steps)
    assert here.cost in text


def test_a_tick_has_a_cost(here: Examination) -> None:
    assert here.cost.startswith("one tick costs ")


def test_a_rung_that_opens_and_gives_nothing_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_sampled", lambda sampler: 0)
    assert not doctor._tried(TIMER).works


def test_a_refusal_comes_with_the_systems_words_and_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sampler: object) -> int:
        raise OSError(errno.EACCES, "perf_event_open: Permission denied")

    monkeypatch.setattr(doctor, "_sampled", refuse)
    step = doctor._tried(KERNEL_TIME)
    assert (step.works, step.detail) == (False, "perf_event_open: Permission denied")
    assert step.fix == "sudo sysctl kernel.perf_event_paranoid=1"


def test_hidden_kernel_names_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelSymbols, "open", lambda: KernelSymbols([], [], "hidden", "unhide"))
    assert doctor._kernel_names() == Check("names of kernel functions", False, "hidden", "unhide")


def test_a_python_that_cannot_be_read_is_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(info: object) -> None:
        raise SamplerUnavailable("frames are elsewhere", why="debug build", fix="use a release build")

    monkeypatch.setattr(doctor, "NativeSampler", refuse)
    found = examine(997)
    assert found.steps == (
        Check("frames of this Python", False, "frames are elsewhere: debug build", "use a release build"),
    )
    assert not found.can_sample
    assert "nothing can be measured here" in "\n".join(found.lines())


@pytest.mark.skipif(seccomp.missing(), reason="the kernel is built without seccomp")
def test_in_a_container_that_refuses_perf_events_the_timer_is_left(tmp_path: Path) -> None:
    script = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pytest_flame.doctor import examine
from seccomp import refuse
refuse("perf_event_open")
found = examine(997)
print(json.dumps([[s.title, s.works, s.fix, s.chosen] for s in found.steps] + [found.facts]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    *steps, facts = json.loads(done.stdout)
    works = {title: worked for title, worked, _, _ in steps}
    assert [title for title, _, _, chosen in steps if chosen] == [doctor.TITLES[TIMER]]
    refused = [fix for title, _, fix, _ in steps[1:6]]
    assert not any(works[title] for title, _, _, _ in steps[1:6])
    assert all("seccomp" in fix for fix in refused)
    assert "system calls filtered" in facts[1]


def test_the_option_answers_and_runs_no_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): raise AssertionError('ran')")
    pytester.makeini("[pytest]\nflame_worker_drop = --tracing")
    result = pytester.runpytest_subprocess("--flame-doctor")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["options of the run that its measured *:", "*-k -m --deselect *", "*--tracing"])
    result.stdout.fnmatch_lines(["pytest-flame *: what this machine can do", "* what --flame uses by default"])
    result.stdout.no_fnmatch_line("*collected*")


def test_where_nothing_can_be_sampled_the_exit_status_says_so(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_flame import doctor
        from pytest_flame.errors import SamplerUnavailable

        def refuse(info):
            raise SamplerUnavailable("frames are elsewhere")

        doctor.NativeSampler = refuse
        """
    )
    result = pytester.runpytest_subprocess("--flame-doctor")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["nothing can be measured here"])


def test_a_wrong_frequency_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--flame-doctor", "--flame-frequency=often")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--flame-frequency is 'often'*"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_an_ordinary_user_is_told_what_to_ask_for(tmp_path: Path) -> None:
    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if paranoid < 2:
        pytest.skip(f"kernel.perf_event_paranoid={paranoid} lets everybody sample the kernel")
    script = """
import ctypes, encodings.ascii, encodings.utf_16_le, json, os
import pytest_flame.atomic
from pytest_flame.doctor import examine
examine(997)  # imports what it needs, with no symbol table cached: the files may be root's
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as programs that began unprivileged are
print(json.dumps([[s.title, s.works, s.fix] for s in examine(997).steps]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    steps = {title: (works, fix) for title, works, fix in json.loads(done.stdout)}
    assert steps[doctor.TITLES[KERNEL_TIME]] == (False, "sudo sysctl kernel.perf_event_paranoid=1")
    assert steps[doctor.TITLES[TIMER]][0]
    assert not steps["names of kernel functions"][0]


def test_a_library_without_its_symbols_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, library = tmp_path / "plain.c", tmp_path / "libplain.so"
    text.write_text("static int inner(int n) { return n; }\nint outer(int n) { return inner(n); }\n")
    for stripped in ("-g", "-s"):
        run("cc", "-fPIC", "-shared", stripped, text, "-o", library)
        script = (
            "import ctypes, sys\nfrom pytest_flame import doctor\nfrom pytest_flame.sampling import symbols\n"
            "ctypes.CDLL(sys.argv[1])\nthis = [m for m in symbols.read_mappings() if m.path == sys.argv[1]]\n"
            "doctor.read_mappings = lambda: this\n"
            "step = doctor._library_names()\nprint(step.works, step.detail, step.fix)"
        )
        shown = run(sys.executable, "-c", script, library)
        if stripped == "-g":
            assert shown == "True all, for 1 loaded libraries \n"
        else:
            assert shown.startswith("False all, for 0 of 1 loaded libraries; only exported ones for libplain.so")
            assert shown.endswith(f"debuginfod-find debuginfo {library}\n")
