"""Baselines in an object store: a real server, and a real client in the process of the run."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from .conftest import SHORTEST, TESTS, WORK, Project

pytest.importorskip("s3fs")
pytest.importorskip("moto")

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with the bucket ``flame``; the environment leads to it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        address = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with urllib.request.urlopen(urllib.request.Request(f"{address}/flame", method="PUT")) as answer:
            assert answer.status == 200
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield address
        server.stdin.close()


def test_baselines_are_written_to_a_bucket_and_read_from_it(project: Project, s3: str) -> None:
    project.write("pytest.ini", "[pytest]\nflame_store = s3://flame/shop/main\n")
    project.write("work.py", WORK)
    project.write("test_work.py", TESTS)
    empty = project.flame("-k", "spin", time=SHORTEST)
    assert empty.ret == 4 and "there are no baselines in s3://flame/shop/main" in empty.out
    recorded = project.flame("--flame-update", "-k", "spin", time=SHORTEST)
    assert recorded.ret == 0, recorded.out
    written = recorded.test("test_spin")["baseline_written"]
    assert written.startswith("s3://flame/shop/main/test_work-test_spin-")
    assert "1 baseline written to s3://flame/shop/main" in recorded.out and "git add" not in recorded.out
    assert not project.store.directory.exists()
    ran = project.flame("-k", "spin", time=SHORTEST)
    assert ran.test("test_spin")["base_ns"] is not None, ran.out
    assert "base s3://flame/shop/main, as stored" in ran.out
    missing = project.flame("--flame-store=s3://nowhere/main", "-k", "spin", time=SHORTEST)
    assert missing.ret == 4 and "s3://nowhere/main" in missing.out and missing.document is None


def test_a_store_that_cannot_be_reached_is_an_error(project: Project) -> None:
    project.write("test_work.py", "import pytest\n\n\n@pytest.mark.flame\ndef test_it():\n    pass\n")
    ran = project.flame("--flame-store=http://127.0.0.1:9/main")
    assert ran.ret == 4 and ran.document is None
    assert "the store of baselines cannot be reached: http://127.0.0.1:9/main" in ran.out
    assert "--flame-against=REF" in ran.out
