"""Both sides of a measurement, in real repositories and real worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Checkout

from pytest_flame.errors import FlameError
from pytest_flame.measure.job import Job, Plan, Status, WorkerResult
from pytest_flame.measure.launch import Launcher
from pytest_flame.trees.environment import installed_environment
from pytest_flame.trees.scratch import scratch_directory
from pytest_flame.trees.sides import Side, Sides, open_sides

TEST = """
    import pytest
    {imports}

    @pytest.mark.flame
    def test_it():
        {body}
"""


@pytest.fixture(autouse=True)
def only_this_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout.init(tmp_path / "project")
    made.write("pytest.ini", "[pytest]\n")
    made.write(".gitignore", "*.so\n_version.py\n__pycache__/\ndata.bin\n.venv\n*.egg-info\nbuild/\n")
    return made


def test_text(imports: str, body: str) -> str:
    return TEST.format(imports=imports, body=body)


test_text.__test__ = False  # type: ignore[attr-defined]


class Pair:
    """Runs single workers of both sides."""

    def __init__(self, sides: Sides, launcher: Launcher) -> None:
        self.sides = sides
        self.launcher = launcher

    def run(self, side: Side, test_id: str) -> WorkerResult:
        launcher = self.launcher
        job = Job(
            node_id=test_id,
            root=str(launcher.root),
            seed=1,
            hash_seed=1,
            frequency_hz=997,
            sampler="timer",
            time_s=0.01,
            plan=Plan(1, 1),
        )
        return launcher.on(side).run(job, launcher.root / test_id.split("::")[0], timeout_s=60)

    def both(self, test_id: str) -> tuple[WorkerResult, WorkerResult]:
        return self.run(self.sides.base, test_id), self.run(self.sides.head, test_id)

    def measured(self, test_id: str) -> None:
        for result in self.both(test_id):
            assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"


@contextmanager
def opened(
    checkout: Checkout, ref: str = "HEAD", root: Path | None = None, python: str = sys.executable, **more: object
) -> Iterator[Pair]:
    root = root or checkout.path
    more = {"directory": root} | more
    with scratch_directory() as scratch, open_sides(ref, scratch, root=root, **more) as sides:  # type: ignore[arg-type]
        args = ("-q", "-p", "no:cacheprovider", f"--rootdir={root}", "-c", str(root / "pytest.ini"), "-o", "addopts=")
        if python != sys.executable:
            sides = replace(sides, base=replace(sides.base, python=python), head=replace(sides.head, python=python))
        yield Pair(sides, Launcher(root, root, scratch.path, args, guard=scratch))


@pytest.mark.parametrize("folder", ["", "src/"])
def test_each_side_runs_its_own_code(checkout: Checkout, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if folder:
        checkout.write("pytest.ini", "[pytest]\npythonpath = src\n")
    checkout.write(f"{folder}pkg/__init__.py", "")
    checkout.write(f"{folder}pkg/side.py", "SIDE = 'base'\n")
    checkout.write("tests/test_a.py", test_text("", "assert False, 'the old test'"))
    checkout.commit()
    checkout.write(f"{folder}pkg/side.py", "SIDE = 'head'\n")
    checkout.write("tests/test_a.py", test_text("from pkg.side import SIDE", "assert f'/{SIDE}/' in __file__"))
    before = checkout.state()
    with opened(checkout) as pair:
        pair.measured("tests/test_a.py::test_it")
        hashes = [pair.run(s, "tests/test_a.py::test_it").recording for s in (pair.sides.base, pair.sides.head)]
        assert all(r is not None and f"{folder}pkg/side.py" in r.source_hashes for r in hashes)
        assert hashes[0].source_hashes != hashes[1].source_hashes  # type: ignore[union-attr]
        assert pair.sides.commit == checkout.git("rev-parse", "HEAD")
    assert checkout.state() == before
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


def test_subprocesses_of_the_body_run_the_side_too(checkout: Checkout) -> None:
    checkout.write("side.py", "SIDE = 'base'\n")
    checkout.write(
        "test_a.py",
        test_text(
            "import subprocess, sys",
            "print(subprocess.check_output([sys.executable, '-c', 'import side; assert side.SIDE in side.__file__']))",
        ),
    )
    checkout.commit()
    checkout.write("side.py", "SIDE = 'head'\n")
    with opened(checkout) as pair:
        pair.measured("test_a.py::test_it")


def test_both_sides_are_started_alike(checkout: Checkout) -> None:
    checkout.write(
        "test_a.py", test_text("import os, sys", "raise ValueError(len(str(dict(os.environ))), len(str(sys.path)))")
    )
    checkout.commit()
    with opened(checkout) as pair:
        base, head = pair.both("test_a.py::test_it")
    assert base.status is head.status is Status.FAILED
    assert base.message == head.message
    assert "ValueError" in base.message


@pytest.mark.parametrize(
    ("imports", "body", "missing"),
    [
        ("from pkg import new", "pass", "pkg.new"),
        ("import pkg.fresh", "pass", "pkg.fresh"),
        ("import added", "pass", "added"),
        ("import pkg", "pkg.new()", "pkg.new"),
        ("from pkg.old import C", "C().new()", "pkg.old.C.new"),
    ],
)
def test_what_only_head_has_is_absent_at_the_base(checkout: Checkout, imports: str, body: str, missing: str) -> None:
    checkout.write("pkg/__init__.py", "")
    checkout.write("pkg/old.py", "class C:\n    pass\n")
    checkout.commit()
    checkout.write("pkg/__init__.py", "def new(): pass\n")
    checkout.write("pkg/fresh.py", "")
    checkout.write("added.py", "")
    checkout.write("pkg/old.py", "class C:\n    def new(self): pass\n")
    checkout.write("tests/test_a.py", test_text(imports, body))
    with opened(checkout) as pair:
        base, head = pair.both("tests/test_a.py::test_it")
        assert not pair.sides.test_existed(checkout.path / "tests/test_a.py", "tests/test_a.py::test_it")
    assert head.status is Status.MEASURED, head.details
    assert base.status is Status.ABSENT, base.details
    assert missing in base.message
    assert base.details


def test_a_conftest_that_needs_head_is_absent_too(checkout: Checkout) -> None:
    checkout.write("pkg.py", "")
    checkout.commit()
    checkout.write("pkg.py", "new = 1\n")
    checkout.write("conftest.py", "from pkg import new\n")
    checkout.write("test_a.py", test_text("", "pass"))
    with opened(checkout) as pair:
        base, head = pair.both("test_a.py::test_it")
    assert (base.status, head.status) == (Status.ABSENT, Status.MEASURED), base.details


@pytest.mark.parametrize("broken", ["import not_installed_anywhere\n", "import pkg.gone\n", "int.nothing\n"])
def test_code_that_is_broken_at_the_base_is_a_failure(checkout: Checkout, broken: str) -> None:
    checkout.write("pkg/__init__.py", broken)
    checkout.write("test_a.py", test_text("import pkg", "pass"))
    checkout.commit()
    checkout.write("pkg/__init__.py", "")
    with opened(checkout) as pair:
        base, head = pair.both("test_a.py::test_it")
    assert (base.status, head.status) == (Status.FAILED, Status.MEASURED), base.details
    assert broken.strip() in base.details


def test_imports_of_the_checkout_itself_are_moved(checkout: Checkout) -> None:
    checkout.write("code/side.py", "SIDE = 'base'\n")
    checkout.write(
        "test_a.py",
        test_text(
            f"import sys; sys.path.insert(0, {str(checkout.path / 'code')!r}); import side",
            "assert side.SIDE in __file__",
        ),
    )
    checkout.commit()
    checkout.write("code/side.py", "SIDE = 'head'\n")
    with opened(checkout) as pair:
        pair.measured("test_a.py::test_it")


def test_files_of_the_checkout_that_were_loaded_by_path_are_found_out(checkout: Checkout) -> None:
    checkout.write("side.py", "")
    checkout.write(
        "test_a.py",
        test_text(
            "import sys, importlib.util as u",
            f"x = u.spec_from_file_location('side', {str(checkout.path / 'side.py')!r}); "
            "sys.modules['side'] = y = u.module_from_spec(x); x.loader.exec_module(y)",
        ),
    )
    checkout.commit()
    with opened(checkout) as pair:
        for result in pair.both("test_a.py::test_it"):
            assert result.status is Status.WRONG_SIDE, result.details
            assert str(checkout.path / "side.py") in result.message
            assert "--flame-base-install" in result.details


def test_a_symlinked_checkout(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "link"
    link.symlink_to(checkout.path)
    checkout.write("lib/side.py", "SIDE = 'base'\n")
    checkout.write("test_a.py", test_text("import side", "assert side.SIDE in side.__file__.split('/')"))
    checkout.commit()
    checkout.write("lib/side.py", "SIDE = 'head'\n")
    monkeypatch.setenv("PYTHONPATH", str(link / "lib"))
    with opened(checkout, root=link) as pair:
        pair.measured("test_a.py::test_it")


def test_a_project_below_the_repository_top(checkout: Checkout) -> None:
    checkout.write("service/pytest.ini", "[pytest]\n")
    checkout.write("shared.py", "SIDE = 'base'\n")
    checkout.write(
        "service/conftest.py", "import sys, pathlib; sys.path.append(str(pathlib.Path(__file__).parents[1]))\n"
    )
    checkout.write(
        "service/tests/test_a.py", test_text("import shared", "assert shared.SIDE in shared.__file__.split('/')")
    )
    checkout.commit()
    checkout.write("shared.py", "SIDE = 'head'\n")
    with opened(checkout, root=checkout.path / "service") as pair:
        assert pair.sides.base.root == pair.sides.base.tree / "service"
        pair.measured("tests/test_a.py::test_it")


def test_heads_pytest_settings_drive_both(checkout: Checkout) -> None:
    checkout.write("code/side.py", "")
    checkout.write("pyproject.toml", "[project]\nname = 'x'\n")
    checkout.commit()
    (checkout.path / "pytest.ini").unlink()
    checkout.write("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['code']\n")
    checkout.write("test_a.py", test_text("import side", "pass"))
    with opened(checkout) as pair:
        args = tuple(a.replace("pytest.ini", "pyproject.toml") for a in pair.launcher.pytest_args)
        pair.launcher = replace(pair.launcher, pytest_args=args)
        pair.measured("test_a.py::test_it")
        assert "name = 'x'" in (pair.sides.base.tree / "pyproject.toml").read_text()


def test_a_virtual_environment_in_the_checkout_is_not_moved(checkout: Checkout) -> None:
    checkout.write(".venv/pyvenv.cfg", "home = /usr/bin\n")
    checkout.write(".venv/lib/python3/site-packages/installed.py", "")
    site = checkout.path / ".venv/lib/python3/site-packages"
    checkout.write(
        "test_a.py",
        test_text(
            f"import sys; sys.path.append({str(site)!r}); import installed",
            f"assert installed.__file__.startswith({str(site)!r})",
        ),
    )
    checkout.commit()
    with opened(checkout) as pair:
        assert not (pair.sides.head.tree / ".venv").exists()
        pair.measured("test_a.py::test_it")


def test_a_clean_head_against_itself(checkout: Checkout) -> None:
    checkout.write("pkg.py", "")
    checkout.write("test_a.py", test_text("import pkg", "pass"))
    head = checkout.commit()
    with opened(checkout, head) as pair:
        assert pair.sides.commit == head
        pair.measured("test_a.py::test_it")


def test_an_installed_copy_counts_only_where_it_is_the_same(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``pip install .`` leaves: code that no side can replace."""
    checkout.write("src/pkg/__init__.py", "VALUE = 1\n")
    checkout.write("test_a.py", test_text("import pkg", "pass"))
    checkout.commit()
    installed = tmp_path / "env/site-packages/pkg/__init__.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("VALUE = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "env/site-packages"))
    with opened(checkout) as pair:
        pair.measured("test_a.py::test_it")
    checkout.write("src/pkg/__init__.py", "VALUE = 2\n")
    with opened(checkout) as pair:
        base, head = pair.both("test_a.py::test_it")
    assert base.status is Status.MEASURED, base.details
    assert head.status is Status.WRONG_SIDE
    assert "differs from this side's file" in head.message


PYPROJECT = """
    [build-system]
    requires = ["setuptools>=65"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "orders"
    version = "{version}"
    [tool.setuptools]
    packages = ["orders", "orders.sub"]
"""


def installable(checkout: Checkout) -> None:
    """A package whose base has a module that head does not have, and the reverse."""
    checkout.write("pyproject.toml", PYPROJECT.format(version="1.0"))
    spin = "def spin(): return sum(i * i for i in range(300_000))\n"
    checkout.write("orders/__init__.py", "SIDE = 'base'\n" + spin)
    checkout.write("orders/sub/__init__.py", "from orders.sub import only_base\n")
    checkout.write("orders/sub/only_base.py", "")
    # Not below the root: nothing but the installation finds the package.
    checkout.write("checks/pytest.ini", "[pytest]\n")
    checkout.write(
        "checks/test_a.py", test_text("import orders.sub", "assert orders.SIDE in orders.__file__.split('/')")
    )
    checkout.commit()
    checkout.write("orders/__init__.py", "SIDE = 'head'\n" + spin)
    checkout.write("orders/sub/__init__.py", "from orders.sub import only_head\n")
    checkout.write("orders/sub/only_head.py", "")
    (checkout.path / "orders/sub/only_base.py").unlink()


@pytest.mark.parametrize(
    ("mode", "mark"), [("", "__editable___*_finder.py"), ("--config-settings=editable_mode=compat", "*orders*.pth")]
)
def test_editable_installs_lead_to_each_side(checkout: Checkout, tmp_path: Path, mode: str, mark: str) -> None:
    installable(checkout)
    with scratch_directory() as scratch:
        environment = installed_environment(
            tmp_path / "env",
            checkout.path,
            f"pip install {mode} -e .",
            checkout.path,
            scratch,
            "1.0",
        )
    assert list((tmp_path / "env").glob(f"lib/python*/site-packages/{mark}"))
    checkout.write("checks/test_b.py", test_text("import orders", "orders.spin()"))
    with opened(checkout, root=checkout.path / "checks", python=environment.python) as pair:
        pair.measured("test_a.py::test_it")
        for result in pair.both("test_b.py::test_it"):
            assert result.recording is not None, result.details
            assert "orders:spin" in {frame.name for frame in result.recording.lines}


def test_each_side_gets_an_installation_of_its_own(checkout: Checkout) -> None:
    installable(checkout)
    before = checkout.state()
    with opened(checkout, root=checkout.path / "checks", base_install="cd .. && pip install .") as pair:
        for side in (pair.sides.base, pair.sides.head):
            assert side.python is not None
            found = list(Path(side.python).parents[1].glob("lib/python*/site-packages/orders/__init__.py"))
            assert [f.read_text() for f in found] == [(side.tree / "orders/__init__.py").read_text()]
        pair.measured("test_a.py::test_it")
    assert checkout.state() == before
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


def test_a_root_above_the_clone(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, conftest files and data outside the clone are read where they are."""
    (checkout.path / "pytest.ini").unlink()
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = project/code\n")
    (tmp_path / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef above(): return 'above'\n")
    (tmp_path / "beside.txt").write_text("beside")
    checkout.write("code/side.py", "SIDE = 'base'\n")
    checkout.write(
        "tests/test_a.py",
        """
        import pathlib, pytest, side
        @pytest.mark.flame
        def test_it(above):
            assert f'/{side.SIDE}/project/code/' in side.__file__
            assert (pathlib.Path(__file__).parents[2] / 'beside.txt').read_text() == 'beside'
        """,
    )
    checkout.commit()
    checkout.write("code/side.py", "SIDE = 'head'\n")
    before = checkout.state()
    for directory in (tmp_path, checkout.path):
        with opened(checkout, root=tmp_path, directory=directory, tests=[checkout.path / "tests/test_a.py"]) as pair:
            assert pair.sides.base.root.name == "base"
            pair.launcher = replace(pair.launcher, directory=directory)
            for side in (pair.sides.base, pair.sides.head):
                result = pair.run(side, "project/tests/test_a.py::test_it")
                assert result.status is Status.MEASURED, f"{result.message}\n{result.details}"
                assert result.recording is not None
                assert "project/code/side.py" in result.recording.source_hashes
    assert checkout.state() == before
    assert (tmp_path / "beside.txt").read_text() == "beside"


def test_a_command_means_what_it_means_where_it_was_started(checkout: Checkout, tmp_path: Path) -> None:
    """Files in the checkout are the side's, files outside it the user's, whether by relative or absolute paths."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/x.txt").write_text("outside\n")
    checkout.write("sub/y.txt", "base\n")
    checkout.write("tools/z.txt", "base\n")
    checkout.commit()
    checkout.write("sub/y.txt", "head\n")
    checkout.write("tools/z.txt", "head\n")
    out = tmp_path / "out.txt"
    files = f"y.txt ../tools/z.txt ../../beside/x.txt '{checkout.path}/sub/y.txt'"
    command = f"cat {files} >>{out}; cd .. && cat sub/y.txt >>{out}"
    with opened(checkout, base_install=command, base_install_from=checkout.path / "sub"):
        pass
    assert out.read_text().split() == [
        "base",
        "base",
        "outside",
        "base",
        "base",
        *["head"] * 2,
        "outside",
        *["head"] * 2,
    ]


LOADER = """
class MesonpyMetaFinder: ...
def init():
    finder = MesonpyMetaFinder(
        'orders',
        {{'orders'}},
        '{checkout}/build/cp311',
        ['/usr/bin/ninja'],
        False,
    )
    sys.meta_path.insert(0, finder)
"""
"""The end of what meson-python 0.22 installs for an editable project."""


def test_an_editable_install_by_meson_is_refused_with_what_helps(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.commit(orders_py="")
    site = tmp_path / "env/site-packages"
    site.mkdir(parents=True)
    (site / "_other_editable_loader.py").write_text(LOADER.format(checkout="/elsewhere"))
    monkeypatch.syspath_prepend(str(site))
    with opened(checkout):
        pass
    (site / "_orders_editable_loader.py").write_text(LOADER.format(checkout=checkout.path))
    with pytest.raises(FlameError, match="editable by meson-python") as e, opened(checkout):
        pass
    assert "--flame-base-install='pip install --no-build-isolation .'" in e.value.fix
    with opened(checkout, base_install="true"):
        pass


def test_a_cython_project_installed_editable(checkout: Checkout, tmp_path: Path) -> None:
    """The C file that Cython writes next to its source is ignored by git, and is in head alone."""
    pytest.importorskip("Cython")
    checkout.write(".gitignore", "*.so\n*.c\nbuild/\n*.egg-info\n")
    checkout.write(
        "fast.pyx", "def total(long n):\n    cdef long i, s = 0\n    for i in range(n): s += i\n    return s\n"
    )
    checkout.write("slow.py", "SIDE = 'base'\n")
    checkout.write("test_a.py", test_text("import fast, slow", "assert fast.total(10) == 45"))
    checkout.commit()
    checkout.write("slow.py", "SIDE = 'head'\n")
    made = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-q", "-i", "fast.pyx"],
        cwd=checkout.path,
        env=os.environ | {"CFLAGS": "-O0"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert (checkout.path / "fast.c").is_file()
    with opened(checkout) as pair:
        pair.measured("test_a.py::test_it")
    checkout.write("fast.pyx", "def total(long n):\n    return sum(range(n))\n")
    with pytest.raises(FlameError, match="compiled modules") as e, opened(checkout):
        pass
    assert e.value.why.endswith(": fast.pyx")


def test_an_installation_that_fails_shows_its_output(checkout: Checkout) -> None:
    checkout.commit(a_py="")
    with pytest.raises(FlameError, match="status 3") as e, opened(checkout, base_install="echo no compiler; exit 3"):
        pass
    assert e.value.why == "no compiler"
    assert list(Path(os.environ["TMPDIR"]).iterdir()) == []


def test_an_interpreter_for_the_base(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write("test_a.py", test_text("", "pass"))
    checkout.commit()
    with opened(checkout, base_python=Path(sys.executable)) as pair:
        assert pair.sides.base.python == sys.executable
    bare = tmp_path / "bare"
    venv.EnvBuilder(symlinks=True).create(bare)
    with pytest.raises(FlameError, match="different tools") as e, opened(checkout, base_python=bare / "bin/python"):
        pass
    assert e.value.fix.startswith(f"{bare}/bin/python -m pip install pytest==")
    with pytest.raises(FlameError, match="does not run"), opened(checkout, base_python=tmp_path / "nothing"):
        pass
