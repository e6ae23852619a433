"""Commands by name, each started in a process of its own: an audit hook stays."""

from __future__ import annotations

import subprocess
import sys

from pytest_flame.measure import started

CODE = """
import os, subprocess, sys
from pytest_flame.measure.started import Started
noted = Started()
noted.watch()
subprocess.run(["true", "one"])
subprocess.run("true two", shell=True)
os.system("true three")
os.waitpid(os.posix_spawnp("true", ["true", "four"], {}), 0)
if not os.fork():
    print("|".join(noted.commands), flush=True)
    os.execvp("true", ["true", "five"])
os.wait()
"""


def test_all_ways() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "true one|/bin/sh -c true two|true three|true four"


def test_a_command_of_any_kind_is_text() -> None:
    assert started._text(["a", b"b"]) == "a b"
    assert started._text(b"a b") == "a b"
    assert started._text(None) == "None"
