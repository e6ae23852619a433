"""Which rung is chosen, and that every refusal says what to do."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import seccomp
from sampled import MS, collect, spin

from pytest_flame.errors import FlameError, SamplerUnavailable, UsageError
from pytest_flame.model import SamplerInfo
from pytest_flame.sampling import ladder
from pytest_flame.sampling.ladder import CHOICES, HINTS, max_sample_rate, open_sampler

Script = Callable[..., "CompletedProcess[str]"]


class Machine:
    """Replaces ``NativeSampler`` on a machine that refuses some of the rungs."""

    def __init__(self, refused: dict[tuple[str, bool], int]) -> None:
        self.refused = refused
        self.opened: list[FakeSampler] = []

    def __call__(self, info: SamplerInfo, *, inlined: bool = False) -> FakeSampler:
        self.opened.append(FakeSampler(info, self.refused.get((info.event, info.kernel), 0)))
        return self.opened[-1]


class FakeSampler:
    def __init__(self, info: SamplerInfo, refusal: int) -> None:
        self.info = info
        self.refusal = refusal
        self.closed = False

    def start(self, period_ns: int, seed: int = 0) -> None:
        if self.refusal == -1:
            raise FlameError("broken in another way")
        if self.refusal:
            raise OSError(self.refusal, f"perf_event_open: {os.strerror(self.refusal)}")

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    def make(**refused: int) -> Machine:
        """``kernel=…, user=…, timer=…, cycles=…, instructions=…``: the errno with which each is refused."""
        keys = {
            "kernel": ("task-clock", True),
            "user": ("task-clock", False),
            "timer": ("cpu-clock-looks", True),
            "cycles": ("cycles:u", False),
            "instructions": ("instructions:u", False),
        }
        made = Machine({keys[name]: number for name, number in refused.items()})
        monkeypatch.setattr(ladder, "NativeSampler", made)
        return made

    return make


def described(info: SamplerInfo) -> tuple[str, str, bool]:
    return info.rung, info.event, info.kernel


@pytest.mark.parametrize(
    ("choice", "refused", "expected"),
    [
        ("auto", {}, ("perf-sigtrap", "task-clock", True)),
        ("auto", {"kernel": errno.EACCES}, ("perf-sigtrap", "task-clock", False)),
        ("auto", {"kernel": errno.EACCES, "user": errno.EACCES}, ("timer", "cpu-clock-looks", True)),
        ("perf", {"kernel": errno.EACCES}, ("perf-sigtrap", "task-clock", False)),
        ("timer", {"kernel": errno.EACCES}, ("timer", "cpu-clock-looks", True)),
        ("cycles", {}, ("perf-sigtrap", "cycles:u", False)),
        ("instructions", {}, ("perf-sigtrap", "instructions:u", False)),
    ],
)
def test_the_best_rung_that_works_is_chosen(
    machine: Callable[..., Machine], choice: str, refused: dict[str, int], expected: tuple[str, str, bool]
) -> None:
    here = machine(**refused)
    sampler = open_sampler(choice, 997)
    assert described(sampler.info) == expected
    assert sampler.info.frequency_hz == 997
    assert [s.closed for s in here.opened] == [True] * (len(here.opened) - 1) + [False]


def test_the_reason_why_nothing_better_was_used_is_recorded(machine: Callable[..., Machine]) -> None:
    machine(kernel=errno.EACCES, user=errno.EPERM)
    assert open_sampler("auto", 997).info.reason == "perf_event_open: Operation not permitted"
    machine()
    assert open_sampler("auto", 997).info.reason == ""


@pytest.mark.parametrize("number", sorted(HINTS), ids=errno.errorcode.get)
def test_each_known_refusal_comes_with_a_fix(machine: Callable[..., Machine], number: int) -> None:
    here = machine(kernel=number, user=number)
    with pytest.raises(SamplerUnavailable) as caught:
        open_sampler("perf", 997)
    assert caught.value.why == f"perf_event_open: {os.strerror(number)}"
    assert caught.value.fix == HINTS[number]
    assert all(s.closed for s in here.opened)


def test_kernel_frames_are_a_rung_of_their_own(machine: Callable[..., Machine]) -> None:
    machine()
    info = open_sampler("auto", 997, kernel_frames=True).info
    assert described(info) == ("perf-sigtrap", "task-clock", True)
    assert info.kernel_frames


def test_where_kernel_frames_are_refused_nothing_else_takes_their_place(machine: Callable[..., Machine]) -> None:
    machine(kernel=errno.EACCES)
    with pytest.raises(SamplerUnavailable, match="kernel frames cannot be sampled here") as caught:
        open_sampler("auto", 997, kernel_frames=True)
    assert caught.value.fix == "sudo sysctl kernel.perf_event_paranoid=1"


@pytest.mark.parametrize("choice", ["cycles", "instructions", "timer"])
def test_kernel_frames_come_with_the_task_clock_only(choice: str) -> None:
    with pytest.raises(UsageError, match=f"--flame-kernel and --flame-sampler={choice} cannot be combined"):
        open_sampler(choice, 997, kernel_frames=True)


@pytest.mark.parametrize("choice", ["cycles", "instructions"])
def test_a_machine_without_counters_says_so(choice: str) -> None:
    """A machine with them samples, in user mode, and says how precisely."""
    try:
        with open_sampler(choice, 1000) as sampler:
            raw = collect(sampler, lambda: spin(50 * MS))
            assert raw.counts.taken > 5
            assert sampler.info.event.rstrip("p") == f"{choice}:u"
            assert not sampler.info.kernel
    except SamplerUnavailable as e:
        assert e.fix
        pytest.skip(f"no hardware counter here: {e.why}")


def test_no_sampler_is_left_open_when_opening_breaks(machine: Callable[..., Machine]) -> None:
    here = machine(kernel=-1)
    with pytest.raises(FlameError, match="broken in another way"):
        open_sampler("auto", 997)
    assert [s.closed for s in here.opened] == [True]


@pytest.mark.parametrize("choice", [c for c in CHOICES if c != "timer"])
def test_a_frequency_above_the_kernels_limit_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    monkeypatch.setattr(ladder, "max_sample_rate", lambda: 5000)
    with pytest.raises(UsageError, match="--flame-frequency=5001 is above the kernel's limit of 5000 Hz") as caught:
        open_sampler(choice, 5001)
    assert "--flame-frequency=5000" in caught.value.fix


def test_the_timer_knows_no_kernel_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "max_sample_rate", lambda: 5000)
    open_sampler("timer", 5001).close()


def test_the_kernels_limit_is_read() -> None:
    path = Path("/proc/sys/kernel/perf_event_max_sample_rate")
    assert max_sample_rate() == (int(path.read_text()) if path.exists() else None)


# --- the machine itself ------------------------------------------------------------------------------------------


def test_this_machine_samples_with_what_auto_chose() -> None:
    with open_sampler("auto", 1000) as sampler:
        sampler.start(MS)
        sampler.resume()
        spin(20 * MS)
        sampler.pause()
        sampler.stop()
        assert sampler.samples().counts.taken > 5


REFUSE = """
    import json
    from pytest_flame.errors import SamplerUnavailable
    from pytest_flame.sampling.ladder import open_sampler
    from sampled import *
    from seccomp import refuse
"""


@pytest.mark.skipif(seccomp.missing(), reason="the kernel is built without seccomp")
def test_where_a_filter_refuses_perf_events_auto_samples_by_timer(run_script: Script) -> None:
    done = run_script(
        REFUSE
        + """
    refuse("perf_event_open")
    with open_sampler("auto", 1000) as sampler:
        raw = collect(sampler, lambda: spin(50 * MS))
        print(json.dumps([sampler.info.rung, sampler.info.reason, stands_for(raw.weight_ns, 50 * MS, TIMER)]))
    try:
        open_sampler("perf", 1000)
    except SamplerUnavailable as e:
        print(json.dumps([e.why, e.fix]))
    """
    )
    (rung, reason, weighs_enough), (why, fix) = map(json.loads, done.stdout.splitlines())
    assert (rung, reason) == ("timer", "perf_event_open: Operation not permitted")
    assert weighs_enough
    assert why == "perf_event_open: Operation not permitted"
    assert "seccomp" in fix


@pytest.mark.skipif(seccomp.missing(), reason="the kernel is built without seccomp")
def test_where_the_own_memory_cannot_be_read_safely_nothing_is_sampled(run_script: Script) -> None:
    done = run_script(
        REFUSE
        + """
    refuse("perf_event_open", "process_vm_readv")
    try:
        open_sampler("auto", 1000)
    except SamplerUnavailable as e:
        print(json.dumps([e.what, e.why, e.fix]))
    """
    )
    what, why, fix = json.loads(done.stdout)
    assert what == "the sampler cannot start"
    assert why == "process_vm_readv on the own process: Operation not permitted"
    assert "docker run" in fix


def test_without_privileges_kernel_time_has_the_right_size_and_no_place(
    perf_user_required: SamplerInfo, run_script: Script
) -> None:
    """Half of the CPU in system calls: user samples do not see it, the exact clock does."""
    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if paranoid != 2:
        pytest.skip(
            f"needs kernel.perf_event_paranoid=2, which lets the unprivileged sample user time; it is {paranoid}"
        )
    done = run_script(
        """
        import ctypes, json, random
        from pytest_flame.sampling.meter import Meter
        from pytest_flame.sampling.stacks import Clocks, fold_samples
        from pytest_flame.sampling.ladder import open_sampler
        from pytest_flame.sampling.naming import FrameNamer
        from pytest_flame.sampling.profile_source import RawFrame
        from sampled import *

        def busy(ns):
            end = time.thread_time_ns() + ns
            while time.thread_time_ns() < end:
                for _ in range(4000):
                    pass

        pages = os.memfd_create("pages")
        used = [0, 0]

        def body():
            for _ in range(10):
                a = time.thread_time_ns()
                busy(3 * MS)
                b = time.thread_time_ns()
                while time.thread_time_ns() - b < 3 * MS:
                    os.posix_fallocate(pages, 0, 1 << 20)
                    os.ftruncate(pages, 0)
                used[0] += b - a
                used[1] += time.thread_time_ns() - b

        refusal(TIMER)  # what is imported late: the files may be root's
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as programs that began unprivileged are
        with open_sampler("auto", 1000) as sampler:
            sampler.set_stops((body.__code__,))
            meter = Meter(sampler, random.Random(1))
            for _ in range(15):
                meter.begin(sampled=True)
                meter.enter()
                body()
                meter.leave()
                meter.end(1)
            raw, info = sampler.samples(), sampler.info
        clocks = Clocks(meter.sampled_cpu_ns, meter.sampled_system_ns, meter.sampled_child_ns, meter.ticks_due)
        folded = fold_samples(raw, FrameNamer("/"), RawFrame("body", "<string>", 1), clocks, info)
        weights = {}
        for stack, sample in folded.stacks.items():
            name = next((f.qualname for f in stack if f.qualname in ("busy", "[not sampled]")), "other")
            weights[name] = weights.get(name, 0) + sample.weight_ns
        print(json.dumps([os.geteuid(), info.rung, info.kernel, info.reason, weights, used, folded.counts.throttled]))
        """
    )
    user, rung, kernel, reason, weights, (in_user, in_kernel), throttled = json.loads(done.stdout)
    assert user != 0
    assert (rung, kernel) == ("perf-sigtrap", False)
    assert reason == "perf_event_open: Permission denied"
    total = sum(weights.values())
    assert weights["[not sampled]"] / total == pytest.approx(in_kernel / (in_user + in_kernel), abs=0.06)
    assert weights["busy"] / total == pytest.approx(in_user / (in_user + in_kernel), abs=0.06)
    assert throttled == 0
