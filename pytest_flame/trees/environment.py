"""Interpreters and environments of a single side: ``--flame-base-python`` and ``--flame-base-install``."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest_flame
from pytest_flame import installed
from pytest_flame.errors import FlameError
from pytest_flame.trees.scratch import Scratch

_PROBE: Final = """
import sys, json, importlib.util, importlib.metadata, hashlib, pathlib
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
def digest():
    spec = importlib.util.find_spec("pytest_flame")
    if spec is None or spec.origin is None:
        return None
    folder = pathlib.Path(spec.origin).parent
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\\0" + path.read_bytes())
    return found.hexdigest()
found = {"pytest": version("pytest"), "flame": version("pytest-flame"), "digest": digest()}
print(json.dumps({"python": sys.version, "prefix": sys.prefix, **found}))
"""
_SHOWN_CHARACTERS: Final = 4000


@dataclass(frozen=True, slots=True)
class Environment:
    """The interpreter of a side's workers. ``variables`` are set for them."""

    python: str
    variables: Mapping[str, str]
    prefix: str | None = None
    """The folder of an installation for this side alone."""


def checked_interpreter(python: Path) -> Environment:
    """``--flame-base-python``: the same Python, pytest and pytest-flame as here. Raises ``FlameError``."""
    try:
        done = subprocess.run([str(python), "-c", _PROBE], capture_output=True, text=True, cwd="/", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise FlameError(f"--flame-base-python={python} does not run", why=str(e)) from e
    if done.returncode:
        raise FlameError(f"--flame-base-python={python} does not run", why=done.stderr.strip()[-_SHOWN_CHARACTERS:])
    there, here = json.loads(done.stdout), _here()
    if there["python"] != here["python"]:
        raise FlameError(
            f"--flame-base-python={python} is a different Python",
            why=f"{there['python']} there, {here['python']} here: the difference would be measured, too",
            fix=f"{sys.executable} -m venv BASE-ENVIRONMENT, and install the base there",
        )
    if any(there[name] != here[name] for name in ("pytest", "flame", "digest")):
        raise FlameError(
            f"--flame-base-python={python} has different tools",
            why=f"pytest {there['pytest']}, pytest-flame {there['flame']} there; "
            f"pytest {here['pytest']}, pytest-flame {here['flame']} here"
            + (", same version but different content" if there["flame"] == here["flame"] else ""),
            fix=f"{python} -m pip install pytest=={here['pytest']} pytest-flame=={here['flame']}",
        )
    return Environment(str(python), {}, os.path.realpath(there["prefix"]))


def _here() -> dict[str, Any]:
    import importlib.metadata

    folder = Path(pytest_flame.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return {
        "python": sys.version,
        "pytest": importlib.metadata.version("pytest"),
        "flame": importlib.metadata.version("pytest-flame"),
        "digest": digest.hexdigest(),
    }


def installed_environment(
    folder: Path, root: Path, command: str, checkout: Path, scratch: Scratch, version: str
) -> Environment:
    """``--flame-base-install``: a virtual environment in ``folder``, with ``command`` run in ``root`` inside it.

    It sees what is installed outside, except editable installs of the checkout. ``version`` is for build backends that
    use git, which does not know the tree. Raises ``FlameError`` with the command's output if it fails.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    python = folder / "bin" / "python"
    packages = next((folder / "lib").glob("python*/site-packages"))
    lines = [line for site in _outer_sites() for line in _outer_lines(site, checkout)]
    (packages / "outer.pth").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name in ("pip", "pip3"):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    variables = {
        "VIRTUAL_ENV": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS")}
    building = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "SETUPTOOLS_SCM_PRETEND_VERSION": version,
        "PBR_VERSION": version,
    }
    process = subprocess.Popen(
        command,
        shell=True,
        cwd=root,
        env=building | inherited | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    scratch.guard(process.pid)
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    finally:
        scratch.release(process.pid)
    if process.returncode:
        raise FlameError(
            f"--flame-base-install={command!r} failed for {folder.name} with status {process.returncode}",
            why=output.decode(errors="replace").strip()[-_SHOWN_CHARACTERS:],
            fix=f"make the command work in a clean checkout of {checkout}: it runs in each side's copy",
        )
    return Environment(str(python), variables, str(folder))


def refuse_rebuilding(checkout: Path) -> None:
    """Raises ``FlameError`` if the project is installed editable by meson-python.

    Its loader compiles the checkout on import and maps imports to the checkout's files itself, so neither side's
    sources would ever be used.
    """
    for site in _outer_sites():
        for loader in sorted(site.glob("_*editable_loader.py")):
            text = loader.read_text(encoding="utf-8", errors="replace")
            if "MesonpyMetaFinder" in text and str(checkout) in text:
                raise FlameError(
                    "the project is installed editable by meson-python, which works for neither side",
                    why=f"its loader ({loader}) builds and imports {checkout}, whichever side asks",
                    fix="give each side its own installation: --flame-base-install='pip install "
                    "--no-build-isolation .' (on top of the current environment, which provides the build "
                    "requirements)",
                )


def _outer_sites() -> list[Path]:
    return [Path(p) for p in sys.path if Path(p).name in installed.FOLDERS and Path(p).is_dir()]


def _outer_lines(site: Path, checkout: Path) -> Iterable[str]:
    """Lines that make ``site`` visible: itself, and each of its .pth files except those that point into the
    checkout."""
    yield str(site)
    for pth in sorted(site.glob("*.pth")):
        text = pth.read_text(encoding="utf-8", errors="replace")
        if not _leads_into(text, site, checkout):
            yield f"import site; site.addpackage({str(site)!r}, {pth.name!r}, set())"


def _leads_into(text: str, site: Path, checkout: Path) -> bool:
    own = Path(pytest_flame.__file__).resolve().parent
    if own.is_relative_to(checkout) and "pytest_flame" in text:
        return False  # this package itself may be installed from the same repository
    for line in text.splitlines():
        if not line.startswith(("import ", "import\t")):
            if line.strip() and (site / line.strip()).resolve().is_relative_to(checkout):
                return True
            continue
        for name in re.findall(r"[A-Za-z_]\w*", line):
            module = site / f"{name}.py"
            if module.is_file() and str(checkout) in module.read_text(encoding="utf-8", errors="replace"):
                return True
    return False
