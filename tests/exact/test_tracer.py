"""The tracer in C, in processes of its own: other threads of this one would be counted, too."""

from __future__ import annotations

import json
from collections.abc import Callable

RunProgram = Callable[..., str]


def test_every_call_of_real_programs_is_counted_as_by_a_slow_tracer(run_program: RunProgram) -> None:
    differences = json.loads(run_program("compare_tracers.py"))
    assert len(differences) >= 15
    assert {name: found for name, found in differences.items() if found} == {}
