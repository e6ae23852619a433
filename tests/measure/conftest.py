"""A process with simulated time, to test the order of its rounds."""

from __future__ import annotations

from fake_meter import clocks, new_meter, sampler

__all__ = ["clocks", "new_meter", "sampler"]
