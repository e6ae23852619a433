"""One of the interpreter's own test files in this process, sampled or not. Imports nothing of the benchmarks: it is run
by its path, in its own folder and with the environment as it is, which some of those tests check.

    python benchmarks/sampler/stress_target.py FILE JUNIT.xml [FREQUENCY COUNTS.json]
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from test.libregrtest.main import main as regrtest

from pytest_flame.model import SamplerInfo
from pytest_flame.sampling.native import NativeSampler


def sampled(frequency: int, counts: Path) -> None:
    """From the file's first line to its last."""
    with NativeSampler(SamplerInfo("perf-sigtrap", "task-clock", True, frequency)) as sampler:
        sampler.start(1_000_000_000 // frequency)
        sampler.resume()
        pid = os.getpid()
        try:
            regrtest()
        finally:
            if os.getpid() == pid:
                sampler.pause()
                sampler.stop()
                found = sampler.samples()
                counts.write_text(
                    json.dumps({"taken": found.counts.taken, "unwindable": found.counts.unwindable,
                                "lost": found.counts.lost + found.counts.overflowed, "stacks": len(found.stacks)})
                )  # fmt: skip


def main() -> None:
    """Ends by ``SystemExit``, as libregrtest does."""
    file, junit, *sampling = sys.argv[1:]
    sys.argv = ["regrtest", "--junit-xml", junit, "--quiet", file]
    if sampling:
        sampled(int(sampling[0]), Path(sampling[1]))
    else:
        regrtest()


if __name__ == "__main__":
    main()
