"""Another host, here a second Python on this one: what is sent, what comes back, and that nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flame.errors import FlameError, UsageError
from pytest_flame.remote.host import Host, connected

pytest.importorskip("execnet")
HERE = f"popen//python={sys.executable}"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "work.py").write_text("one")
    return folder


@pytest.fixture
def host(top: Path) -> Iterator[Host]:
    with connected(HERE, top, pytest.fail) as connection:
        yield connection


def content(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_the_folder_there_becomes_that_of_the_checkout(top: Path, host: Host) -> None:
    (top / "gone.py").write_text("")
    (top / "package").mkdir()
    (top / "package" / "module.py").write_text("two")
    host.send(top)
    assert content(host.folder) == {"work.py": "one", "gone.py": "", "package/module.py": "two"}
    (top / "gone.py").unlink()
    (top / "work.py").write_text("changed")
    host.send(top)
    assert content(host.folder) == {"work.py": "changed", "package/module.py": "two"}


def test_what_git_ignores_is_not_sent_and_history_is(top: Path, host: Host) -> None:
    subprocess.run(["git", "init", "-q", top], check=True)
    (top / ".gitignore").write_text("*.log\nbuild/\n")
    (top / "a.log").write_text("")
    (top / "build").mkdir()
    (top / "build" / "x").write_text("")
    host.send(top)
    found = content(host.folder)
    assert {"work.py", ".gitignore", ".git/HEAD"} <= found.keys()
    assert not {"a.log", "build/x"} & found.keys()


def test_without_git_environments_and_caches_are_not_sent(top: Path, host: Host) -> None:
    for name in ("env/pyvenv.cfg", "env/lib/x.py", "__pycache__/work.pyc"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    host.send(top)
    assert content(host.folder) == {"work.py": "one"}


def test_lines_of_output_come_as_they_are_written(host: Host, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    code = f"import os; os.mkfifo({str(fifo)!r}); print('first', flush=True); print(open({str(fifo)!r}).read(), end='')"
    lines: list[str] = []

    def said(line: str) -> None:
        lines.append(line)
        if line == "first":  # it waits for this: the line arrived while it runs
            fifo.write_text("second\nlast")

    status = host.run([sys.executable, "-c", f"{code}; raise SystemExit(3)"], tmp_path, {}, said)
    assert (status, lines) == (3, ["first", "second", "last"])


def test_commands_get_variables_and_their_directory(host: Host, tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import os; print(os.getcwd(), os.environ['WHO'])"
    host.run([sys.executable, "-c", code], tmp_path, {"WHO": "me"}, lines.append)
    assert lines == [f"{tmp_path} me"]


def test_files_come_back_and_missing_ones_do_not(host: Host, tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "b").write_bytes(b"\0\xff")
    (tmp_path / "a").write_text("a")
    found = host.files([tmp_path / "out", tmp_path / "a", tmp_path / "missing"])
    assert found == {tmp_path / "out" / "deep" / "b": b"\0\xff", tmp_path / "a": b"a"}


def test_a_command_ends_with_the_connection(top: Path, tmp_path: Path) -> None:
    code = "import signal, time; print('up', flush=True); signal.pause()"
    pid = tmp_path / "pid"
    code = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid())); {code}"

    class Enough(Exception):
        pass

    def said(line: str) -> None:
        raise Enough

    with pytest.raises(Enough), connected(HERE, top, pytest.fail) as host:
        host.run([sys.executable, "-c", code], tmp_path, {}, said)
    stat = Path(f"/proc/{pid.read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_one_run_at_a_time(top: Path) -> None:
    waits, entered = threading.Event(), threading.Event()

    def second() -> None:
        with connected(HERE, top, lambda text: waits.set()):
            entered.set()

    with connected(HERE, top, pytest.fail):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        assert not entered.is_set()
    thread.join(60)
    assert entered.is_set()


def test_checkouts_do_not_share_a_folder(top: Path, tmp_path: Path) -> None:
    with connected(HERE, top, pytest.fail) as one:
        folder = one.folder
    with connected(HERE, tmp_path, pytest.fail) as other:
        assert other.folder != folder
    with connected(HERE, top, pytest.fail) as again:
        assert again.folder == folder


@pytest.mark.parametrize("where", ["popen//python=/no/such/python", "nonsense=1"])
def test_a_host_without_python_is_named_with_what_to_try(top: Path, where: str) -> None:
    with pytest.raises(UsageError, match="no Python answers") as error, connected(where, top, pytest.fail):
        pass
    assert "ssh=HOST//python=" in str(error.value)


def test_a_connection_that_breaks_is_an_error(host: Host, tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    with pytest.raises(FlameError, match=r"the connection to .* broke"):
        host.run([sys.executable, "-c", code], tmp_path, {}, lambda line: None)
