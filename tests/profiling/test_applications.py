"""Real programs under load: the profile agrees with their own clocks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from profiled import about, total
from sampled import beyond_chance

from pytest_flame.formats import folded
from pytest_flame.model import Stack

APPLICATIONS = Path(__file__).parent / "applications"
SHOP = Path(__file__).parents[2] / "example_project"
HZ = 2500


def environment(output: Path, temporary: Path, **variables: str) -> dict[str, str]:
    profile = {"FLAME_PROFILE": str(output), "FLAME_PROFILE_FREQUENCY": str(HZ)}
    return os.environ | profile | {"PYTHONPATH": str(SHOP), "TMPDIR": str(temporary)} | variables


def read(output: Path) -> dict[Stack, int]:
    return folded.loads(output.read_text(encoding="utf-8"))


def compare(costs: dict[Stack, int], clocks: dict[str, int]) -> None:
    """Each function's share of their sum, sampled and by their clocks."""
    sampled = {name: total(costs, name) for name in clocks}
    samples = sum(sampled.values()) * HZ // 10**9
    assert samples > 100, "too little to compare"
    for name, ns in clocks.items():
        share, truth = sampled[name] / sum(sampled.values()), ns / sum(clocks.values())
        assert not beyond_chance(share, truth, samples), f"{name}: {share:.3f} sampled, {truth:.3f} by the clock"


@contextmanager
def web_shop(output: Path, temporary: Path, sampler: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    server = subprocess.Popen(
        [sys.executable, str(APPLICATIONS / "web_shop.py")],
        env=environment(output, temporary, FLAME_PROFILE_SAMPLER=sampler),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, server.communicate()[1]
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.communicate()


VIEWS = ("parse", "price", "report", "receipts", "export")


def load(url: str, requests: int) -> None:
    for i in range(requests):
        with urllib.request.urlopen(f"{url}/{VIEWS[i % len(VIEWS)]}", timeout=20) as answer:
            assert answer.status == 200
            answer.read()


def test_a_flask_application_under_load(sampler: str, tmp_path: Path, temporary: Path) -> None:
    pytest.importorskip("flask")
    output = tmp_path / "out.folded"
    with web_shop(output, temporary, sampler) as (server, url):
        clients = [threading.Thread(target=load, args=(url, 400)) for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        with urllib.request.urlopen(f"{url}/clock", timeout=20) as answer:
            clocks = json.loads(answer.read())
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=20)
    assert server.returncode == -signal.SIGTERM
    assert "samples of" in said
    assert set(clocks) == {f"view_{name}" for name in VIEWS}
    costs = read(output)
    if sampler == "perf":
        compare(costs, clocks)
        assert sum(total(costs, name) for name in clocks) == about(sum(clocks.values()), 0.15)
    # Where the work belongs: the shop's functions below the views, the views below a thread of the server.
    for view, function in {"view_parse": "tokenize", "view_price": "price_line", "view_report": "make_row"}.items():
        assert total(costs, "process_request_thread", view, function) == total(costs, view, function)
    assert total(costs, "view_parse", "tokenize") > 0


@pytest.mark.parametrize("tasks", ["0", "1"], ids=["as run", "stitched"])
def test_an_asyncio_program(sampler: str, tasks: str, tmp_path: Path, temporary: Path) -> None:
    output = tmp_path / "out.folded"
    done = subprocess.run(
        [sys.executable, str(APPLICATIONS / "chat.py")],
        env=environment(output, temporary, FLAME_PROFILE_SAMPLER=sampler, FLAME_PROFILE_TASKS=tasks),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, *notes = done.stderr.splitlines()
    assert "samples of" in first, done.stderr
    assert all(note.startswith("flame: note:") for note in notes), done.stderr  # on a busy machine, how much it missed
    costs = read(output)
    compare(costs, json.loads(done.stdout))
    assert total(costs, "censor") == total(costs, "deliver", "censor")
    assert total(costs, "seal") == total(costs, "person", "say", "seal")
    # A delivery is awaited by the connection that got the message; each person is a task of the main one.
    assert total(costs, "serve", "deliver") == (total(costs, "deliver") if tasks == "1" else 0)
    assert total(costs, "main", "person") == (total(costs, "person") if tasks == "1" else 0)
