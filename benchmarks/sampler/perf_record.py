"""``perf record`` on this process, enabled and disabled from inside, and what it wrote."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_FRAME = re.compile(r"\s*[0-9a-f]+ (.*) \((.*)\)$")


class PerfRecord:
    """``perf record -g`` attached to this process with one event and one period, disabled until ``enable``.

    perf-record(1): ``--delay=-1`` starts with events disabled, ``--control=fifo:`` enables and disables them and
    acknowledges.
    """

    def __init__(self, event: str, period_ns: int, *, call_graph: str = "fp") -> None:
        if shutil.which("perf") is None:
            raise SystemExit("perf is missing: apt-get install linux-perf")
        self._event, self._period_ns, self._call_graph = event, period_ns, call_graph

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="perf-record-")
        folder = Path(self._folder.name)
        self.data = folder / "perf.data"
        for name in ("control", "ack"):
            os.mkfifo(folder / name)
        event = [f"--event={self._event}", f"--count={self._period_ns}", f"--call-graph={self._call_graph}"]
        control = f"--control=fifo:{folder / 'control'},{folder / 'ack'}"
        self._errors = (folder / "errors").open("w+")
        self._perf = subprocess.Popen(
            ["perf", "record", *event, "--delay=-1", control, f"--pid={os.getpid()}", "--no-buildid-cache",
             f"--output={self.data}"],
            stdout=self._errors,
            stderr=self._errors,
        )  # fmt: skip
        # Opening for reading and writing does not wait for perf, which may have ended with an error.
        self._control = os.open(folder / "control", os.O_RDWR)
        self._ack = os.open(folder / "ack", os.O_RDWR)
        self._say("ping")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        os.close(self._control)
        os.close(self._ack)
        self._errors.close()
        self._folder.cleanup()

    def enable(self) -> None:
        self._say("enable")

    def disable(self) -> None:
        self._say("disable")

    def stop(self) -> None:
        """Ends recording; ``data`` is complete after it."""
        if self._perf.poll() is None:
            self._say("stop")
            self._perf.wait(timeout=60)

    def samples(self) -> int:
        """Samples in the recording; ends it."""
        self.stop()
        done = subprocess.run(
            ["perf", "report", "--stats", "-i", str(self.data)], capture_output=True, text=True, check=True
        )
        found = re.search(r"SAMPLE events:\s+(\d+)", done.stdout)
        if found is None:
            raise RuntimeError(f"perf report says nothing about samples:\n{done.stdout}{done.stderr}")
        return int(found[1])

    def chains(self) -> list[list[tuple[str, str]]]:
        """Every sample's stack, leaf first, as (symbol, file); ends the recording."""
        self.stop()
        command = ["perf", "script", "--no-inline", "-F", "ip,sym,dso", "-i", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = []
        for sample in done.stdout.split("\n\n"):
            chain = [_FRAME.match(line) for line in sample.splitlines()]
            if frames := [(m[1], m[2]) for m in chain if m]:
                found.append(frames)
        return found

    def _say(self, word: str) -> None:
        os.write(self._control, f"{word}\n".encode())
        while True:
            if self._perf.poll() is not None:
                self._errors.seek(0)
                raise RuntimeError(f"perf record has ended:\n{self._errors.read()}")
            if select.select([self._ack], [], [], 0.2)[0]:
                os.read(self._ack, 64)
                return
