"""Records ``body`` of ``subject.py`` in each of the folders given, each in a forked process; prints a JSON list.

A subject may have ``setup`` and ``teardown``, too. Files below a folder's ``scratch`` are products; modules in
``hooked`` are named as if an import hook had found them.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from pytest_flame.baseline import exact_wire
from pytest_flame.exact.binaries import mapped_binaries
from pytest_flame.exact.exact_recorder import ExactRecorder, Phase


def record(tree: Path) -> str:
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    recorder = ExactRecorder(tree, scratch=[tree / "scratch"], import_roots=[str(tree / "hooked")])
    recorder.begin()
    import subject  # type: ignore[import-not-found]

    recorder.phase(Phase.SETUP)
    getattr(subject, "setup", int)()
    recorder.phase(Phase.FIRST, subject.body.__code__)
    subject.body()
    recorder.phase(Phase.AGAIN, subject.body.__code__)
    subject.body()
    recorder.phase(Phase.TEARDOWN)
    getattr(subject, "teardown", int)()
    exact = recorder.finish()
    exact.check()
    return exact_wire.encode(exact)


def forked(tree: Path) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="ascii") as pipe:
                pipe.write(record(tree))
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as pipe:
        text = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"{tree} could not be recorded")
    return text


mapped_binaries()  # hashed once for all
json.dump([forked(Path(tree)) for tree in sys.argv[1:]], sys.stdout)
