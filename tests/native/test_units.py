"""Unit tests of the C sources, each a program without Python, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
PROGRAMS = sorted(HERE.glob("*/*.c"))
SANITIZERS = "-fsanitize=address,undefined"
FLAGS = ["-std=gnu17", "-g", "-O1", "-pthread", "-Wall", "-Wextra", SANITIZERS, "-fno-sanitize-recover=all"]


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    command = os.environ.get("CC") or shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    tried = tmp_path_factory.mktemp("compiler")
    (tried / "empty.c").write_text("int main(void) { return 0; }\n", encoding="utf-8")
    reason = f"no C compiler {command!r}"
    if shutil.which(command):
        done = subprocess.run(
            [command, SANITIZERS, "empty.c", "-o", "empty"], cwd=tried, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return command
        reason = f"{command} cannot build with {SANITIZERS}: {done.stderr}"
    if os.environ.get("PYTEST_FLAME_REQUIRE_PERF") == "1":
        pytest.fail(f"PYTEST_FLAME_REQUIRE_PERF=1, and {reason}")
    pytest.skip(reason)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_unit(program: Path, compiler: str, tmp_path: Path) -> None:
    named = re.search(r"Built with: ([\w./ ]+?) *\*/", program.read_text(encoding="utf-8"))
    assert named, f"{program} does not say which sources it is built with"
    sources = [str(NATIVE / name) for name in named[1].split()]
    built = tmp_path / program.stem
    headers = [f"-I{NATIVE}", f"-I{HERE}", f"-I{sysconfig.get_path('include')}"]
    subprocess.run([compiler, *FLAGS, *headers, str(program), *sources, "-o", str(built)], check=True)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("SAN_OPTIONS")}
    clean.pop("LD_PRELOAD", None)
    done = subprocess.run([str(built)], env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
