"""What the kernel says about this process and those it started; imports nothing from pytest."""

from __future__ import annotations

from pathlib import Path


def descriptors() -> set[str]:
    """Descriptors and what they refer to."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{link.name} {link.readlink()}")
        except FileNotFoundError:
            continue  # the listing's own
    return found


def children() -> set[int]:
    """Of all threads, including those that ended and were not waited for."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread is gone
    return found


def with_environment(variable: str) -> set[int]:
    """Processes anywhere that were started with this ``NAME=value`` in their environment."""
    wanted, found = variable.encode(), set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environment.read_bytes().split(b"\0"):
                found.add(int(environment.parent.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's, or gone
    return found


def command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return words or Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "it is gone by now"
