"""Without a sampler: plain tests and a warning on platforms it does not support, an error on others."""

from __future__ import annotations

import platform
import sys

import pytest

from pytest_flame.errors import SamplerUnavailable
from pytest_flame.sampling import native

TEST_FILE = """
    import pytest

    @pytest.mark.flame
    def test_marked(flame):
        with flame:
            sum(range(10))

    def test_plain():
        pass
"""
ANOTHER_MACHINE = "import platform\nplatform.machine = lambda: 'riscv64'"
NO_C_MODULE = "import sys\nsys.modules['pytest_flame.sampling._sampler'] = None"


def run(pytester: pytest.Pytester, world: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(world=world, test_it=TEST_FILE)
    pytester.syspathinsert()
    return pytester.runpytest_subprocess("-p", "world", "-p", "no:cacheprovider", *arguments)


def test_where_it_cannot_exist_marked_tests_are_plain_tests(pytester: pytest.Pytester) -> None:
    result = run(pytester, ANOTHER_MACHINE, "--flame")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*nothing was measured, marked tests run as plain tests: *on linux, riscv64"])
    assert not (pytester.path / "flame-report").exists()


def test_strict_refuses_what_cannot_be_measured(pytester: pytest.Pytester) -> None:
    result = run(pytester, ANOTHER_MACHINE, "--flame", "--flame-strict")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --flame-strict: nothing can be measured here: *riscv64"])


def test_warnings_as_errors_end_in_a_sentence(pytester: pytest.Pytester) -> None:
    result = run(pytester, ANOTHER_MACHINE, "--flame", "-W", "error:--flame:pytest.PytestWarning")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --flame: nothing was measured*riscv64"])


def test_a_sampler_that_is_not_installed_is_an_error_with_the_fix(pytester: pytest.Pytester) -> None:
    result = run(pytester, NO_C_MODULE, "--flame")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the C sampler is not installed", "  why: *", "  fix: pip install *"])


@pytest.mark.parametrize("world", [ANOTHER_MACHINE, NO_C_MODULE], ids=["another machine", "no C module"])
def test_without_the_option_nobody_asks_for_it(pytester: pytest.Pytester, world: str) -> None:
    run(pytester, world).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        (sys, "platform", "darwin"),
        (platform, "python_implementation", lambda: "PyPy"),
        (platform, "machine", lambda: "riscv64"),
    ],
    ids=["system", "implementation", "machine"],
)
def test_unsupported_says_what_this_is(
    monkeypatch: pytest.MonkeyPatch, target: object, name: str, value: object
) -> None:
    monkeypatch.setattr(target, name, value)
    reason = native.unsupported()
    assert reason is not None
    assert (value if isinstance(value, str) else value()) in reason  # type: ignore[operator]
    with pytest.raises(SamplerUnavailable):
        native.c_module()
