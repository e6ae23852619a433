"""Errors a user can act on: what happened, why, and the command that fixes it."""

from __future__ import annotations


class FlameError(Exception):
    """An error that pytest-flame cannot continue after.

    ``what`` is one sentence; ``why`` gives the cause if it is known; ``fix`` is what to do, a command where possible.
    """

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        lines = [what]
        if why:
            lines.append(f"  why: {why}")
        if fix:
            lines.append(f"  fix: {fix}")
        super().__init__("\n".join(lines))


class UsageError(FlameError):
    """An option, ini value, marker or fixture was used incorrectly."""


class SamplerUnavailable(FlameError):
    """No rung of the sampler's ladder works here."""


class BaselineError(FlameError):
    """A stored baseline cannot be used: conflicted, truncated, edited by hand, from a newer version, …"""


class IntegrityError(FlameError):
    """Data violates one of its invariants (see the ``check`` methods in ``model``)."""


class FormatError(FlameError):
    """A profile file is not in the expected format; names the line."""
