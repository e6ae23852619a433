"""A local sshd for tests of other hosts: its own keys, its own port, this user only."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def _missing(reason: str) -> NoReturn:
    if os.environ.get("PYTEST_FLAME_REQUIRE_PERF") == "1":
        pytest.fail(f"PYTEST_FLAME_REQUIRE_PERF=1, and {reason}")
    pytest.skip(reason)


@contextmanager
def local_sshd(folder: Path, cache: Path) -> Iterator[str]:
    """The beginning of execnet's specification: ``ssh=quiet//ssh_config=…``. Skips the test where there is no sshd."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if sshd is None or shutil.which("ssh-keygen") is None:
        _missing("OpenSSH's server is not installed (Debian: apt-get install openssh-server)")
    for name in ("host", "own"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "own.pub", folder / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nSetEnv XDG_CACHE_HOME={cache}\n"
    )
    (folder / "ssh_config").write_text(
        f"Host quiet\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/own\n  IdentitiesOnly yes\n"
        "  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n  LogLevel ERROR\n"
    )
    if sshd.startswith("/usr/sbin"):
        Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd wants to be able to go
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        said = []
        for line in server.stderr:
            said.append(line)
            if "listening" in line:
                break
        else:
            _missing(f"sshd does not start here: {''.join(said)}")
        yield f"ssh=quiet//ssh_config={folder}/ssh_config"
    finally:
        server.terminate()
        server.communicate()
