"""pytest-cov's limit in a run that measures: measured tests run in other processes, and cover nothing in this one."""

from __future__ import annotations

from typing import Any

import pytest


def lift_coverage_limit(config: pytest.Config) -> str | None:
    """Disables ``--cov-fail-under``, or coverage's own ``fail_under``, once the session has begun; returns a
    message."""
    options: Any = getattr(config.pluginmanager.getplugin("_cov"), "options", None)
    limit = getattr(options, "cov_fail_under", None)
    if not limit:
        return None
    options.cov_fail_under = 0
    return (
        f"the coverage limit of {limit:g} % is off in this run: measured tests run in separate processes, without "
        "coverage; pytest without --flame checks it"
    )
