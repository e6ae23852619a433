"""``FLAME_PROFILE=out.folded python app.py``: profiles a whole program without changing it.

The start-up file ``pytest_flame_profile.pth`` calls ``start`` while ``site`` sets up the interpreter, if one of the
variables below is set. Otherwise nothing is imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pytest_flame.errors import FlameError, UsageError
from pytest_flame.profiling import following
from pytest_flame.profiling.member import join, join_folder, say
from pytest_flame.profiling.profiler import FREQUENCY_HZ
from pytest_flame.profiling.result import check_suffix
from pytest_flame.profiling.session import ProfileSession, ProfileSettings
from pytest_flame.sampling.ladder import CHOICES

OUTPUT: Final = "FLAME_PROFILE"
FREQUENCY: Final = "FLAME_PROFILE_FREQUENCY"
SAMPLER: Final = "FLAME_PROFILE_SAMPLER"
FOLLOW: Final = "FLAME_PROFILE_FOLLOW"
NATIVE: Final = "FLAME_PROFILE_NATIVE"
INLINED: Final = "FLAME_PROFILE_INLINED"
KERNEL: Final = "FLAME_PROFILE_KERNEL"
TASKS: Final = "FLAME_PROFILE_TASKS"
_YES: Final = ("1", "yes", "true", "on")
_NO: Final = ("", "0", "no", "false", "off")


def start() -> None:
    """Profiles this process from here to its end. Never stops the program: errors are printed on stderr."""
    output, folder = os.environ.get(OUTPUT), os.environ.get(following.VARIABLE)
    if output:
        try:
            _begin(output)
        except (FlameError, OSError) as e:
            say(f"this program is not profiled: {e}")
    elif folder:
        join_folder(Path(folder))


def _begin(output: str) -> None:
    del os.environ[OUTPUT]  # a process this one starts would write to the same file
    os.environ.pop(following.VARIABLE, None)
    settings = _settings(Path(output).absolute())
    join(ProfileSession.create(settings))


def _settings(output: Path) -> ProfileSettings:
    check_suffix(output)
    if not output.parent.is_dir():
        raise UsageError(f"{OUTPUT}={output}: there is no folder {output.parent}", fix=f"mkdir -p {output.parent}")
    if output.is_file():
        output.unlink()  # from an earlier run: it must not be mistaken for this one's
    sampler = os.environ.get(SAMPLER) or "auto"
    if sampler not in CHOICES:
        raise UsageError(f"{SAMPLER}={sampler} is not known", fix=f"{SAMPLER}={'|'.join(CHOICES)}")
    return ProfileSettings(
        frequency=_frequency(),
        sampler=sampler,
        tasks=_switch(TASKS),
        native=_switch(NATIVE) or _switch(INLINED),
        kernel=_switch(KERNEL),
        follow=_switch(FOLLOW),
        output=str(output),
        root_pid=os.getpid(),
        inlined=_switch(INLINED),
    )


def _frequency() -> int:
    text = os.environ.get(FREQUENCY) or str(FREQUENCY_HZ)
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise UsageError(f"{FREQUENCY}={text} is not a whole number of samples per second", fix=f"{FREQUENCY}=997")
    return int(text)


def _switch(name: str) -> bool:
    text = os.environ.get(name, "").lower()
    if text not in (*_YES, *_NO):
        raise UsageError(f"{name}={text} is neither yes nor no", fix=f"{name}=1")
    return text in _YES
