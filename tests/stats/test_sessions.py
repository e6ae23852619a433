"""How much two recordings at different times may differ without any frame being named."""

from __future__ import annotations

import numpy as np
from simulated import Noise, record

from pytest_flame.compare import compare
from pytest_flame.model import Limits

QUIET = Noise(between=0.002, per_stack=0.01)
LATER = Noise(between=0.002, per_stack=0.01, session=0.08)
PROGRAM = {"test": 0.03, "test > run": 0.57, "test > run > a": 0.40}


def test_frames_are_given_the_session_variance_the_whole_test_is_given() -> None:
    rng = np.random.default_rng(0)
    base, head = record(PROGRAM, rng, QUIET), record(PROGRAM, rng, LATER)
    together = compare(base, head, Limits(), session_sd=0.0)
    apart = compare(base, head, Limits(), session_sd=0.03)
    assert together.low > 1.05 and any(d.over_threshold for d in together.frames)
    assert apart.low < 1.05 and not any(d.over_threshold for d in apart.frames)
