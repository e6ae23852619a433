"""Draws the picture of a profiled program in a separate process: the drawing code is never in the program's.

The program writes folded stacks next to the picture and waits for this module to run on them; if that fails, the stacks
are kept.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import sys
from pathlib import Path
from typing import Final

from pytest_flame import atomic
from pytest_flame.profiling.result import ProfileResult

LIMIT_S: Final = 120.0
_KEPT: Final = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX")
"""Variables needed to find the packages; the interpreter's other variables concern the program."""
_DROPPED: Final = ("PYTHON", "FLAME_", "COVERAGE_", "COV_CORE_")


def draw_elsewhere(profile: ProfileResult, output: Path) -> str | None:
    """Writes ``output``; if it cannot be drawn, returns a sentence about what was kept and how to draw it. Raises
    ``OSError`` if nothing can be written."""
    data = output.with_name(f"{output.name}.folded")
    atomic.write_text(data, profile.folded())
    trouble = _drawn(data, output, profile.summary())
    if trouble is None:
        data.unlink()
        return None
    command = shlex.join(["flame", "draw", str(data), "-o", str(output), "--unit", "ns"])
    return f"the picture was not drawn: {trouble}; the profile is in {data}:  {command}"


def _drawn(data: Path, output: Path, subtitle: str) -> str | None:
    if not sys.executable:
        return "this program has no Python interpreter to start"
    command = [sys.executable, "-P", "-m", __name__, str(data), str(output), subtitle]
    environment = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith(_DROPPED)}
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    try:
        pid = os.posix_spawn(
            sys.executable, command, environment, file_actions=null, setsigmask=[], setsigdef=[signal.SIGTERM]
        )
    except OSError as e:
        return f"{sys.executable} cannot be started ({e.strerror})"
    status = _status(pid)
    if status == 0:
        return None
    return "it took too long" if status is None else f"the drawing process ended with status {status}"


def _status(pid: int) -> int | None:
    """None if it had to be killed."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            in_time = bool(poll.poll(LIMIT_S * 1000))
        finally:
            os.close(descriptor)
        if not in_time:
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            return None
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # the program leaves its children to the system, which keeps no status
        return -1


def draw_profile(data: Path, output: Path, subtitle: str) -> None:
    """Runs in the separate process."""
    from pytest_flame.formats import folded
    from pytest_flame.model import PROGRAM_CPU, PS_PER_NS, Profile
    from pytest_flame.profiling.result import cpu_svg

    costs = folded.loads(data.read_text(encoding="utf-8"))
    profile = Profile.of(PROGRAM_CPU, {stack: ns * PS_PER_NS for stack, ns in costs.items()})
    atomic.write_text(output, cpu_svg(profile, output.stem, subtitle))


if __name__ == "__main__":
    draw_profile(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
