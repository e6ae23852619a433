"""Bodies whose work is done by other processes: it counts, wherever and however long they run."""

from __future__ import annotations

import pytest

from pytest_flame.measure.job import Plan, Status
from pytest_flame.model import Process
from pytest_flame.sampling.stacks import CHILDREN_NOT_SAMPLED

from .conftest import SHORTEST, Project
from .test_bodies import process

WORKER_MS = 10
POOLS = {
    "concurrent.futures, forked": "concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('fork'))",
    "concurrent.futures, spawned": "concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn'))",
    "multiprocessing, by a fork server": "multiprocessing.get_context('forkserver').Pool(1)",
}
POOL = """
import concurrent.futures, multiprocessing, pytest, time

def work(ms):
    end = time.process_time() + ms / 1000
    while time.process_time() < end:
        pass

@pytest.fixture(scope="module")
def pool():
    with {pool} as pool:
        run = pool.apply if hasattr(pool, "apply") else lambda f, args: pool.submit(f, *args).result()
        run(work, (1,))
        yield run

{body}
"""


def children_ns(measured: Process) -> int:
    return sum(s.weight_ns for stack, s in measured.stacks.items() if stack[-1] == CHILDREN_NOT_SAMPLED)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_work_in_a_pool_that_a_fixture_started(project: Project, pool: str) -> None:
    body = f"def test_it(pool): pool(work, ({WORKER_MS},))"
    project.write("test_it.py", POOL.format(pool=pool, body=body))
    measured = process(project.worker("test_it.py::test_it", plan=Plan(3, 5)))
    iterations = sum(r.iterations for r in measured.rounds)
    assert sum(r.cpu_ns for r in measured.rounds) >= WORKER_MS * 1_000_000 * iterations
    assert children_ns(measured) >= 0.99 * WORKER_MS * 1_000_000 * sum(
        r.iterations for r in measured.rounds if r.sampled
    )


@pytest.mark.parametrize(
    ("body", "fresh"),
    [
        ("def test_it(pool, flame):\n    pool(work, (30,))\n    with flame: pool(work, (10,))", False),
        ("def test_it(pool, flame):\n    pool(work, (30,))\n    flame(pool, work, (10,))", False),
        ("@pytest.fixture\ndef ready(pool): pool(work, (30,))\ndef test_it(pool, ready): pool(work, (10,))", True),
    ],
    ids=["with flame", "flame()", "fresh"],
)
def test_what_is_outside_of_the_measured_part_does_not_count(project: Project, body: str, fresh: bool) -> None:
    project.write("test_it.py", POOL.format(pool=POOLS["concurrent.futures, forked"], body=body))
    measured = process(project.worker("test_it.py::test_it", plan=Plan(3, 5), fresh=fresh))
    cost_ms = sum(r.cpu_ns for r in measured.rounds) / sum(r.iterations for r in measured.rounds) / 1e6
    assert 10 <= cost_ms < 25


def test_a_server_that_has_detached_itself(project: Project) -> None:
    """It is no child of any process in the worker, works for the body, and is gone afterwards."""
    project.write(
        "serve.py",
        """
        import os, socket, time
        if os.fork(): os._exit(0)
        os.setsid()
        if os.fork(): os._exit(0)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")
            listening.listen()
            while True:
                client, _ = listening.accept()
                end = time.process_time() + 0.01
                while time.process_time() < end: pass
                client.send(b"x")
                client.close()
        """,
    )
    project.write(
        "test_it.py",
        """
        import os, pytest, socket, subprocess, sys, time

        def ask():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("socket")
                assert client.recv(1) == b"x"

        @pytest.fixture(scope="module")
        def server():
            subprocess.run([sys.executable, "-S", "serve.py"], check=True)
            while True:
                try:
                    return ask()
                except (FileNotFoundError, ConnectionRefusedError):
                    time.sleep(0.01)

        def test_it(server): ask()
        """,
    )
    result = project.worker("test_it.py::test_it", plan=Plan(3, 5))
    measured = process(result)
    assert sum(r.cpu_ns for r in measured.rounds) >= 10_000_000 * sum(r.iterations for r in measured.rounds)
    assert [name.split(" ", 1)[1] for name in result.left] == ["-S serve.py"]


def test_a_body_that_does_not_wait_is_unseen(project: Project) -> None:
    body = "def test_it(pool): pool(work, 10)"
    pool = "concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('fork'))"
    text = POOL.format(pool=pool, body=body).replace("yield run", "yield pool.submit")
    project.write("test_it.py", text)
    result = project.worker("test_it.py::test_it", plan=Plan(20, 3))
    assert result.status is Status.UNSEEN
    assert "does not wait" in result.message


def test_what_cannot_be_seen_is_inconclusive_and_what_was_left_running_is_named(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import subprocess
        from pytest_flame import in_worker
        if in_worker():
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest, signal
        @pytest.mark.flame
        def test_it():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            sum(range(1000))
        """,
    )
    ran = project.flame("--flame-update", time=SHORTEST)
    assert ran.verdict("test_it") == "INCONCLUSIVE", ran.out
    assert "the test ignores SIGCHLD" in ran.test("test_it")["reason"]
    left = [note for note in ran.test("test_it")["notes"] if note.startswith("left running by the test")]
    assert left and "`sleep 1000`" in left[0]
