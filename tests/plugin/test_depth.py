"""A body's cost does not depend on how deep it is called: counted in the page faults of mapped chunks."""

from __future__ import annotations

import json

import pytest

from pytest_flame.measure.job import Status

from .conftest import Project

PROBE = """
import asyncio
import concurrent.futures
import json
import pathlib
import resource
import threading
import pytest

CALLS = 100

def descend(n):
    return 1 if n == 0 else descend(n - 1) + 1

def faults():
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        descend(40)
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

def below(frames):
    return faults() if frames == 0 else below(frames - 1)

def probe():
    # The deepest first: each page is touched by then, and what is counted is mapped again and again.
    below(300)
    found = [below(frames) for frames in range(0, 150, 7)]
    (pathlib.Path(__file__).parent / "faults").write_text(json.dumps(found))

def test_plain():
    probe()

@pytest.mark.anyio
async def test_async():
    await asyncio.sleep(0)
    probe()

def test_with(flame):
    with flame:
        probe()

def test_called(flame):
    flame(probe)

def test_thread():
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()

def test_pool():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(probe).result()

@pytest.fixture(scope="session")
def pool():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        yield pool

def test_thread_of_a_fixture(pool):
    pool.submit(probe).result()
"""


@pytest.mark.parametrize(
    ("test", "fresh"),
    [
        ("test_plain", False),
        ("test_plain", True),
        ("test_async", False),
        ("test_async", True),
        ("test_with", False),
        ("test_called", False),
        ("test_thread", False),
        ("test_pool", False),
        ("test_thread_of_a_fixture", False),
    ],
)
def test_no_depth_maps_a_chunk_in_every_call(project: Project, test: str, fresh: bool) -> None:
    project.plugins("anyio")
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    project.write("test_it.py", PROBE)
    result = project.worker(f"test_it.py::{test}", fresh=fresh)
    assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
    faults = json.loads((project.path / "faults").read_text(encoding="utf-8"))
    assert max(faults) < 50, faults  # of 100 calls


def test_memory_taken_and_given_back_in_every_iteration_is_said(project: Project) -> None:
    project.plugins()
    project.write(
        "work.py",
        """
        import mmap

        PAGES = 2

        def churn():
            with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as memory:
                for page in range(PAGES):
                    memory[page * mmap.PAGESIZE] = 1
        """,
    )
    project.write("test_it.py", "import pytest, work\n@pytest.mark.flame\ndef test_it():\n    work.churn()\n")
    quick = ("--flame-time=0.08", "--flame-processes=4")
    assert project.flame("--flame-update", time=quick).ret == 0
    project.replace("work.py", "PAGES = 2", "PAGES = 40")
    ran = project.flame("--flame-remeasure=never", time=quick)
    test = ran.test("test_it")
    assert 2 <= test["base_minor_faults"] < 4 and 40 <= test["head_minor_faults"] < 42
    assert any(note.startswith("head has more page faults: 40 per iteration, base 2") for note in test["notes"]), test
