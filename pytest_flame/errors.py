"""Errors a user can act on: what happened, why, and the command that fixes it."""

from __future__ import annotations


class FlameError(Exception):
    """Something pytest-flame cannot continue past.

    ``what`` is one sentence; ``why`` gives the cause where it is known; ``fix`` is what to do, a
    command wherever there is one.
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
    """An option, ini value, marker or fixture was used in a way that has no meaning."""


class SamplerUnavailable(FlameError):
    """No rung of the sampler's ladder works here."""


class BaselineError(FlameError):
    """A stored baseline cannot be used: conflicted, truncated, edited by hand, from a newer version, …"""


class IntegrityError(FlameError):
    """Data broke one of its own invariants (see the ``check`` methods in ``model``)."""


class FormatError(FlameError):
    """A profile file is not in the format it was read as; names the line."""
