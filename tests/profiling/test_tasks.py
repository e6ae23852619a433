"""asyncio tasks below the code that created them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from profiled import about, stacks_with, total
from sampled import MS, spin

from pytest_flame import Profiler
from pytest_flame.profiling.tasks import TaskStitcher


async def fetch(ns: int) -> int:
    await asyncio.sleep(0)
    spin(ns)
    return ns


async def gathering() -> None:
    await asyncio.gather(fetch(20 * MS), fetch(20 * MS))


async def grouping() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fetch(20 * MS))


async def main() -> None:
    await gathering()
    await asyncio.create_task(grouping())


def below(stack: tuple[str, ...], root: str) -> tuple[str, ...]:
    return stack[stack.index(root) :] if root in stack else stack


def start() -> None:
    asyncio.run(main())


def test_tasks_hang_below_their_creators(sampler: str, temporary: Path) -> None:
    with Profiler(sampler=sampler, tasks=True) as p:
        start()
    found = {below(stack, "start") for stack in stacks_with(p.profile.costs(), "spin")}
    assert found == {("start", "main", "gathering", "fetch", "spin"), ("start", "main", "grouping", "fetch", "spin")}
    assert total(p.profile.costs(), "gathering", "fetch") == about(40 * MS, 0.2)
    assert total(p.profile.costs(), "grouping", "fetch") == about(20 * MS, 0.3)


def test_unless_asked_for_they_hang_below_the_event_loop(temporary: Path) -> None:
    with Profiler() as p:
        start()
    (stack,) = stacks_with(p.profile.costs(), "spin")
    assert below(stack, "_run_once")[:2] == ("_run_once", "_run")
    assert "gathering" not in stack


def test_tasks_that_start_their_own_successors_make_no_endless_stacks(temporary: Path) -> None:
    async def tick(left: int) -> None:
        spin(MS // 2)
        if left:
            tasks.append(asyncio.create_task(tick(left - 1)))

    async def ticking() -> None:
        tasks.append(asyncio.create_task(tick(200)))
        while len(tasks) < 201 or not tasks[-1].done():
            await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    with Profiler(tasks=True) as p:
        asyncio.run(ticking())
    assert {stack.count("tick") for stack in stacks_with(p.profile.costs(), "tick")} <= {1, 2}


def test_many_tasks_need_few_code_objects() -> None:
    async def spawning() -> None:
        for _ in range(100):
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))

    with installed() as stitcher:
        asyncio.run(spawning())
    assert len(stitcher._origins) < 5


# --- tasks behave as without the profiler --------------------------------------------------------------------------


class installed:
    def __enter__(self) -> TaskStitcher:
        self.stitcher = TaskStitcher()
        self.stitcher.install()
        return self.stitcher

    def __exit__(self, *_: object) -> None:
        self.stitcher.remove()


@pytest.fixture(params=["plain", "stitched"])
def stitched(request: pytest.FixtureRequest) -> Iterator[bool]:
    if request.param == "plain":
        yield False
        return
    with installed():
        yield True


Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def test_results_and_exceptions_come_through(stitched: bool) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("here")

    async def both() -> list[Any]:
        return list(await asyncio.gather(fetch(1), fails(), return_exceptions=True))

    result, error = asyncio.run(both())
    assert result == 1
    assert isinstance(error, KeyError)
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames[-1] == "fails"


def test_cancelling_before_and_after_the_first_step(stitched: bool) -> None:
    steps: list[str] = []

    async def cancelled() -> None:
        steps.append("began")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            steps.append("cleaned up")
            raise

    async def cancelling() -> None:
        never, begun = asyncio.create_task(cancelled()), asyncio.create_task(cancelled())
        never.cancel()
        await asyncio.sleep(0)
        begun.cancel()
        outcomes = await asyncio.gather(never, begun, return_exceptions=True)
        assert [type(o) for o in outcomes] == [asyncio.CancelledError] * 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(cancelling())
        gc.collect()
    assert steps == ["began", "cleaned up"]


def test_a_task_shows_its_own_coroutine(stitched: bool) -> None:
    async def looking() -> tuple[str, list[str], bool]:
        task = asyncio.create_task(fetch(1))
        await asyncio.sleep(0)
        shown = repr(task), [f.f_code.co_name for f in task.get_stack()], asyncio.iscoroutine(task.get_coro())
        await task
        return shown

    text, stack, is_coroutine = asyncio.run(looking())
    assert "fetch() running at" in text
    assert stack == ["fetch"]
    assert is_coroutine


def test_time_limits_and_context_variables_work(stitched: bool) -> None:
    async def slow() -> None:
        await asyncio.sleep(10)

    async def limited() -> str:
        try:
            await asyncio.wait_for(slow(), 0.01)
        except TimeoutError:
            return "in time"
        return "late"

    assert asyncio.run(limited()) == "in time"


def test_what_is_no_coroutine_is_refused_as_ever(stitched: bool) -> None:
    async def wrong() -> None:
        asyncio.get_running_loop().create_task(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="a coroutine was expected, got 3"):
        asyncio.run(wrong())


def test_everything_is_given_back() -> None:
    before = asyncio.BaseEventLoop.create_task
    with installed():
        assert asyncio.BaseEventLoop.create_task is not before
    assert asyncio.BaseEventLoop.create_task is before


UVLOOP = """
import asyncio
import uvloop
from profiled import stacks_with
from pytest_flame import Profiler
from test_tasks import below, main

def start():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

with Profiler(tasks=True) as p:
    start()
shown = ("start", "main", "gathering", "fetch", "spin")
for stack in stacks_with(p.profile.costs(), "spin"):
    print(*(name for name in below(stack, "start") if name in shown))
"""


def test_uvloop_is_stitched_where_it_is_imported(temporary: Path) -> None:
    """In a separate process: libuv keeps a pipe forever."""
    pytest.importorskip("uvloop")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", UVLOOP],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here.parent, here)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "start main gathering fetch spin" in done.stdout.splitlines(), done.stderr
