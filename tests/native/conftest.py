"""Programs built from the C sources under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
SANITIZERS = "-fsanitize=address,undefined"
FLAGS = ["-std=gnu17", "-g", "-O1", "-pthread", "-Wall", "-Wextra", SANITIZERS, "-fno-sanitize-recover=all"]

Build = Callable[[Path], Path]


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


@pytest.fixture(scope="session")
def build(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a program together with the sources that it names."""

    def built(program: Path) -> Path:
        named = re.search(r"Built with: ([\w./ *\n]+?) *\*/", program.read_text(encoding="utf-8"))
        assert named, f"{program} does not say which sources it is built with"
        sources = [str(NATIVE / name) for name in named[1].replace("*", "").split()]
        into = tmp_path_factory.mktemp("built") / program.stem
        folders = [f"-I{NATIVE}", f"-I{HERE}", f"-I{sysconfig.get_path('include')}"]
        subprocess.run([compiler, *FLAGS, *folders, str(program), *sources, "-o", str(into)], check=True)
        return into

    return built


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """Without the settings that a run under sanitizers passes to its own processes. A program's variables must be on
    its stack: the tests use their addresses as stack pointers."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("SAN_OPTIONS")}
    for name in ("LD_PRELOAD", "PYTHONMALLOC"):
        kept.pop(name, None)
    return {**kept, "ASAN_OPTIONS": "detect_stack_use_after_return=0"}
