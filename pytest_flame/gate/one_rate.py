"""One sampling rate for the whole run, and for both sides of every comparison."""

from __future__ import annotations

from dataclasses import replace

from pytest_flame.errors import FlameError
from pytest_flame.gate.request import Request
from pytest_flame.gate.screening import Bases
from pytest_flame.sampling.rate import BEARABLE, RATES, choose_rate


def at_one_rate(request: Request, bases: Bases) -> Request:
    """The requested rate, or the best acceptable one here; if nothing can be sampled, the workers hit the same error,
    and it is reported as theirs."""
    settings = request.settings
    if settings.frequency_hz is not None:
        return replace(request, frequency_hz=settings.frequency_hz)
    recorded = [base.sampler.frequency_hz for base in bases.found.values() if base is not None]
    try:
        chosen = choose_rate(settings.sampler, recorded, kernel_frames=settings.kernel, native_frames=settings.native)
    except FlameError:
        chosen = max(recorded, default=RATES[0])
    return replace(request, frequency_hz=chosen)


def remarks(request: Request) -> tuple[str, ...]:
    if request.settings.frequency_hz is not None or request.frequency_hz >= RATES[0]:
        return ()
    return (
        f"sampled at {request.frequency_hz} Hz: at {RATES[0]} Hz sampling would take more than {BEARABLE:.0%} of the "
        "CPU that is sampled, or the baselines were recorded at this rate",
    )
