"""Begins to record, imports the subject, and records its body in two processes forked then, and in this one."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from pytest_flame.baseline import exact_wire
from pytest_flame.exact.exact_recorder import ExactRecorder, Phase
from pytest_flame.model.exact import combined


def execute() -> str:
    import subject  # type: ignore[import-not-found]

    recorder.phase(Phase.FIRST, subject.body.__code__)
    subject.body()
    recorder.phase(Phase.TEARDOWN)
    exact = recorder.finish()
    assert exact.rests_on == shared.digest
    return exact_wire.encode(replace(exact, footprint=combined(shared, exact.footprint)))


def forked() -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, execute().encode("ascii"))
            os.close(writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


tree = Path(sys.argv[1])
os.chdir(tree)
sys.path.insert(0, str(tree))
recorder = ExactRecorder(tree)
recorder.begin()
__import__("subject")
shared = recorder.prepare()
json.dump([forked(), forked(), execute()], sys.stdout)
