"""What must match for two recordings to be comparable, and a description of what does not.

Taken inside the measured process: half of it describes the interpreter. Standard library only. How samples were taken
is in ``SamplerInfo`` and compared by ``sampler_differences``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pytest_flame.baseline import machine
from pytest_flame.model import SamplerInfo

WORDS: Final[Mapping[str, str]] = {
    "machine": "machine",
    "cpu": "CPU model",
    "cores": "CPU cores",
    "cores_usable": "usable CPU cores",
    "hypervisor": "hypervisor",
    "architecture": "architecture",
    "kernel": "kernel",
    "libc": "C library",
    "python": "Python",
    "python_compiler": "Python's compiler",
    "python_build": "Python's build options",
    "python_mode": "Python's mode",
    "dependencies": "installed packages",
}
"""The entries of a fingerprint, and their names in reports."""

_BUILD_OPTIONS: Final = ("optimizations", "lto", "bolt", "experimental-jit", "tail-call-interp", "shared")
_MOST_NAMED: Final = 6


def machine_fingerprint(project: Path | None = None, paths: Sequence[str] | None = None) -> dict[str, str]:
    """The fingerprint of this process: every name of ``WORDS``, empty if this system does not report it.

    ``project`` is the repository root: its own distribution is left out of the installed packages. ``paths``
    are searched for installed packages; ``sys.path`` by default.
    """
    kernel = re.match(r"\d+\.\d+", platform.release())
    return {
        "machine": machine.identity(),
        "cpu": machine.cpu(),
        "cores": str(os.cpu_count() or ""),
        "cores_usable": str(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else "",
        "hypervisor": machine.hypervisor(),
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {kernel[0] if kernel else platform.release()}",
        "libc": _libc(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_compiler": platform.python_compiler(),
        "python_build": _python_build(),
        "python_mode": _python_mode(),
        "dependencies": " ".join(_installed(_dated(sys.path if paths is None else paths), project)),
    }


def differences(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Why two recordings are not comparable, one line per reason, in the order of ``WORDS``; empty if they are.

    An entry that only one side has is a difference, and a machine that could not be identified counts as a different
    one.
    """
    names = [*WORDS, *sorted((recorded.keys() | here.keys()) - WORDS.keys())]
    lines = []
    for name in names:
        before, now = recorded.get(name), here.get(name)
        if name == "machine" and (before is not None or now is not None):
            lines += _machine_difference(before, now)
        elif before != now:
            lines.append(f"{WORDS.get(name, name)}: {_changed_packages(before, now) or _changed(before, now)}")
    return lines


def sampler_differences(recorded: SamplerInfo, here: SamplerInfo) -> list[str]:
    """Why samples of these two samplers are not comparable, one line per reason; the ``reason`` of a rung may
    differ."""
    pairs = [
        ("sampler", recorded.rung, here.rung),
        ("sampled event", recorded.event, here.event),
        ("kernel time", *("sampled" if info.kernel else "not sampled" for info in (recorded, here))),
        ("kernel frames", *("shown" if info.kernel_frames else "not shown" for info in (recorded, here))),
        ("native frames", *("shown" if info.native_frames else "not shown" for info in (recorded, here))),
        ("sampling rate", f"{recorded.frequency_hz} Hz", f"{here.frequency_hz} Hz"),
    ]
    return [f"{name}: {before} when recorded, {now} here" for name, before, now in pairs if before != now]


def _dated(paths: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """With the time of each folder's last change."""
    return tuple((path, _changed_ns(Path(path))) for path in paths)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # sys.path names folders that do not exist
        return 0


@functools.cache  # processes that are forked later have it, too
def _installed(dated: tuple[tuple[str, int], ...], project: Path | None) -> list[str]:
    return installed_packages([path for path, _ in dated], project)


def installed_packages(paths: Sequence[str], project: Path | None = None) -> list[str]:
    """``name==version`` of the distributions in ``paths``, sorted, the first of a name as imports see it.

    Without the project itself and packages installed from an existing folder: those are sources under development,
    distinguished by their hashes. A package from version control includes its commit. Read from the folders' names,
    which the specification of recorded projects defines: parsing every METADATA file takes ten times as long, in each
    measured process.
    """
    found: dict[str, str] = {}
    own_name = _project_name(project)
    for path in paths:
        try:
            entries = sorted(entry.name for entry in os.scandir(path or "."))
        except OSError:  # sys.path names archives and folders that do not exist
            continue
        for entry in entries:
            match = re.fullmatch(r"(?P<name>.+?)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist|egg)-info", entry)
            if match is None:
                continue
            name = _normalised(match["name"])
            suffix = _origin(Path(path, entry))
            if name != own_name and suffix is not None:
                found.setdefault(name, f"{name}=={match['version']}{suffix}")
    return sorted(found.values())


def _origin(info: Path) -> str | None:
    """Suffix of a version for its origin; None for a folder on this machine (PEP 610).

    The folder has to exist: packages built elsewhere, including conda's, still name their build folder.
    """
    try:
        origin = json.loads((info / "direct_url.json").read_bytes())
        url, commit = urlsplit(origin["url"]), origin.get("vcs_info", {}).get("commit_id")
        if "dir_info" in origin and url.scheme == "file" and Path(unquote(url.path)).is_dir():
            return None
        return f"@{commit[:12]}" if commit else ""
    except (OSError, ValueError, LookupError, AttributeError, TypeError):  # missing, or not as PEP 610 specifies
        return ""


def _project_name(project: Path | None) -> str:
    if project is None:
        return ""
    try:
        name = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("project", {}).get("name")
    except (OSError, ValueError, AttributeError):
        return ""
    return _normalised(name) if isinstance(name, str) else ""


def _normalised(name: str) -> str:
    """The normalised name of a package: https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError):  # not glibc
        return " ".join(platform.libc_ver()).strip()


def _python_build() -> str:
    """The options that affect speed, and a hash of all options without the paths of the build folder."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    flags = str(sysconfig.get_config_var("PY_CFLAGS") or "")
    told = [name for name in _BUILD_OPTIONS if f"--enable-{name}" in options or f"--with-{name}" in options]
    return f"{'+'.join(told) or 'plain'} {hashlib.sha256(_pathless(f'{options} {flags}').encode()).hexdigest()[:12]}"


def _pathless(options: str) -> str:
    return " ".join(word for word in options.split() if "/" not in word)


def _python_mode() -> str:
    """The switches of this process that affect its speed."""
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    jit = getattr(sys, "_jit", None)
    mode = {
        "free-threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "no GIL": not gil_enabled,
        "debug build": hasattr(sys, "gettotalrefcount"),
        "JIT": jit is not None and jit.is_enabled(),
        f"-O{sys.flags.optimize}": sys.flags.optimize > 0,
        "dev mode": sys.flags.dev_mode,
        f"PYTHONMALLOC={os.environ.get('PYTHONMALLOC')}": bool(os.environ.get("PYTHONMALLOC")),
    }
    return ", ".join(name for name, on in mode.items() if on) or "default"


def _machine_difference(before: str | None, now: str | None) -> list[str]:
    if before and before == now:
        return []
    if before and now:
        return ["machine: recorded on a different one"]
    return [f"machine: {'this one' if before else 'the one it was recorded on'} cannot be identified"]


def _changed(before: str | None, now: str | None) -> str:
    return f"recorded on {before or 'an unknown one'}, this is {now or 'an unknown one'}"


def _changed_packages(before: str | None, now: str | None) -> str:
    """The differences package by package, for two lists of ``name==version``; empty for other values."""
    if not before or not now or "==" not in before + now:
        return ""
    old = dict(item.partition("==")[::2] for item in before.split())
    new = dict(item.partition("==")[::2] for item in now.split())
    changes = [
        f"{name} {old[name]} → {new[name]}"
        if name in old and name in new
        else f"{name} {'new' if name in new else 'gone'}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    more = len(changes) - _MOST_NAMED
    return ", ".join(changes[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
