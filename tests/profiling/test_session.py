"""The folder in which several processes make one profile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flame.model import (
    PROGRAM_CPU,
    PS_PER_NS,
    SAMPLE_COUNT,
    Frame,
    SampleCounts,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
)
from pytest_flame.profiling import session as module
from pytest_flame.profiling.result import ProfileResult, of_samples
from pytest_flame.profiling.session import Part, ProfileSession, ProfileSettings, merge
from pytest_flame.sampling.stacks import CHILDREN_NOT_SAMPLED

MS = 1_000_000
INFO = SamplerInfo("perf-sigtrap", "task-clock", True, 1000)
SETTINGS = ProfileSettings(997, "auto", output="/tmp/out.folded", root_pid=1)
WORK: Stack = (Frame("app", "main"), Frame("app", "work"))


def part(
    pid: int = 2,
    parent_pid: int = 1,
    cpu_ns: int = 10 * MS,
    waited_ns: int = 0,
    stacks: dict[Stack, StackSample] | None = None,
) -> Part:
    found = {WORK: StackSample(cpu_ns // MS, cpu_ns)} if stacks is None else stacks
    profile = of_samples(found, {WORK[1]: SourceLine("app.py", 3)})
    result = ProfileResult(profile, SampleCounts(taken=5), INFO, cpu_ns, 20 * MS)
    return Part(result, pid, parent_pid, waited_ns, waited_ns)


def test_what_is_handed_in_is_what_is_collected(temporary: Path) -> None:
    session = ProfileSession.create(SETTINGS)
    other = ProfileSession.open(session.folder)
    assert other.settings == SETTINGS
    for member, number in ((session, 1), (other, 2)):
        member.join()
        member.hand_in(part(pid=number))
    parts, unfinished = session.parts()
    assert sorted(p.pid for p in parts) == [1, 2]
    assert parts[0].result == part().result
    assert unfinished == 0
    assert (other.leave(), session.leave()) == (False, True), "the last one knows that it is"
    session.remove()


frames = st.builds(Frame, st.text(max_size=8), st.text(max_size=8))
stacks = st.dictionaries(
    st.lists(frames, min_size=1, max_size=4).map(tuple),
    st.builds(StackSample, st.integers(0, 10**6), st.integers(0, 10**15)),
    max_size=6,
)


@given(stacks)
def test_parts_survive_the_file(found: dict[Stack, StackSample]) -> None:
    before = part(stacks=found)
    assert module._decoded(module._encoded(before)) == before


def test_a_process_that_was_killed_is_unfinished_and_holds_nobody_up(temporary: Path) -> None:
    session = ProfileSession.create(SETTINGS)
    session.join()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        session.renewed().join()
        os.write(writing, b"x")
        os.kill(os.getpid(), 9)
    os.read(reading, 1)
    os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)
    session.hand_in(part())
    assert session.parts()[1] == 1
    assert session.leave()
    session.remove()


def test_a_session_that_is_over_can_be_joined_by_nobody(temporary: Path) -> None:
    session = ProfileSession.create(SETTINGS)
    late = ProfileSession.open(session.folder)
    late.join()
    session.remove()
    with pytest.raises(FileNotFoundError):
        late.hand_in(part())
    with pytest.raises(FileNotFoundError):
        ProfileSession.open(session.folder)
    late.remove()


def test_going_on_takes_back_what_was_handed_in(temporary: Path) -> None:
    session = ProfileSession.create(SETTINGS)
    session.join()
    session.hand_in(part())
    session.leave()
    again = session.again()
    assert again.parts() == ([], 0)
    again.remove()
    renewed = again.again()
    assert renewed.folder != again.folder and renewed.parts() == ([], 0)
    renewed.remove()


# --- the sum -------------------------------------------------------------------------------------------------------


def unseen(whole: ProfileResult) -> int:
    return whole.stacks.costs.get((CHILDREN_NOT_SAMPLED,), 0) // PS_PER_NS


def test_equal_stacks_of_several_processes_add_up() -> None:
    whole = merge([part(pid=2), part(pid=3)])
    assert whole.stacks.columns == {PROGRAM_CPU: {WORK: 20 * MS * PS_PER_NS}, SAMPLE_COUNT: {WORK: 20}}
    assert (whole.cpu_ns, whole.wall_ns, whole.processes, whole.counts.taken) == (20 * MS, 20 * MS, 2, 10)
    assert whole.stacks.lines == {WORK[1]: SourceLine("app.py", 3)}


def test_children_nobody_sampled_are_a_frame_of_the_right_size() -> None:
    whole = merge([part(pid=1, parent_pid=0, waited_ns=50 * MS)])
    assert unseen(whole) == 50 * MS
    assert whole.cpu_ns == 60 * MS


def test_children_that_were_sampled_are_counted_once() -> None:
    whole = merge([part(pid=1, parent_pid=0, waited_ns=50 * MS), part(pid=2, parent_pid=1, cpu_ns=45 * MS)])
    assert unseen(whole) == 5 * MS, "what it used before it was sampled and while it ended"
    assert whole.cpu_ns == 60 * MS


def test_a_grandchild_is_part_of_what_was_waited_for() -> None:
    whole = merge(
        [
            part(pid=1, parent_pid=0, waited_ns=60 * MS),
            part(pid=2, parent_pid=1, cpu_ns=20 * MS, waited_ns=40 * MS),
            part(pid=3, parent_pid=2, cpu_ns=40 * MS),
        ]
    )
    assert unseen(whole) == 0
    assert whole.cpu_ns == 70 * MS


def test_a_process_that_became_another_program_is_one() -> None:
    whole = merge([part(pid=1, parent_pid=0), part(pid=1, parent_pid=0, cpu_ns=30 * MS)])
    assert (whole.processes, whole.cpu_ns) == (1, 40 * MS)


def test_clocks_that_disagree_give_no_negative_cost() -> None:
    assert unseen(merge([part(pid=1, parent_pid=0, waited_ns=5 * MS), part(pid=2, parent_pid=1)])) == 0
