"""The walk along native frames, compared with the C runtime's own unwinders at the same instruction; its tables,
compared with pyelftools' reading of the same sections."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile
from scipy.stats import binom

from benchmarks.sampler import unwind_truth

pytestmark = pytest.mark.skipif(sysconfig.get_platform() != "linux-x86_64", reason="native frames: x86-64 only")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "sampler"
FROM_SP, FROM_FP, FULL = 1, 2, 3
REGISTERS = {7: FROM_SP, 6: FROM_FP}
FP, RETURN_ADDRESS = 6, 16


@pytest.fixture(scope="module", autouse=True)
def threads_of_libraries() -> None:
    """Threads that a library starts with its first call, and keeps, are not left behind by a test."""
    for make in unwind_truth.WORKLOADS.values():
        with contextlib.suppress(ImportError):
            make()()


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        pytest.skip("the witness is C, and there is no compiler")
    built = unwind_truth.Witness(tmp_path_factory.mktemp("witness"))
    built.compare(lambda: None, 0.05, 1000)  # libunwind keeps a pipe open from its first use on
    return built


@pytest.mark.parametrize("name", ["python", "numpy", "scipy", "cryptography", "orjson"])
def test_stacks_are_those_of_the_runtimes_own_unwinders(witness: Any, name: str) -> None:
    try:
        work = unwind_truth.WORKLOADS[name]()
    except ImportError as e:
        pytest.skip(str(e))
    work()
    agreement = witness.compare(work, 0.7, 1000)
    assert agreement.samples > 20
    assert agreement.differences <= 0.001 * agreement.samples, witness.differences()
    assert agreement.root_share >= 0.98
    assert agreement.refuted <= binom.ppf(0.9999, agreement.guessed, 0.05)


def test_wrong_rules_are_noticed(witness: Any) -> None:
    work = unwind_truth.WORKLOADS["python"]()
    work()
    witness.modules()
    witness.library.witness_disturb(8)
    try:
        disturbed = witness.compare(work, 0.2, 1000, prove=False)
    finally:
        witness.library.witness_disturb(-8)
    assert disturbed.differences + disturbed.guessed > 0.9 * disturbed.samples > 5
    assert witness.compare(work, 0.2, 1000).like_a_library == 1


def described(path: str) -> list[Any]:
    """The entries for functions of a library's ``.eh_frame``, as pyelftools reads them."""
    with Path(path).open("rb") as file:
        return [e for e in ELFFile(file).get_dwarf_info().EH_CFI_entries() if isinstance(e, FDE)]


def library_of(module: str) -> str:
    path = getattr(importlib.import_module(module), "__file__", None)
    if path is None:
        pytest.skip(f"{module} is built into this interpreter")
    return str(path)


@pytest.mark.parametrize("module", ["_decimal", "_ctypes", "_json", "numpy.linalg._umath_linalg"])
def test_every_row_is_what_pyelftools_reads(witness: Any, module: str) -> None:
    path = library_of(module)
    loaded = witness.modules()[path]
    entries = described(path)
    assert (loaded.functions, loaded.rejected) == (len(entries), 0)
    compared = 0
    for entry in entries:
        rows = entry.get_decoded().table
        for row in rows:
            address = loaded.bias + row["pc"]
            found = witness.library.witness_rule_at(address)
            if row is rows[0]:
                assert found.function == address
            cfa = row["cfa"]
            kind = REGISTERS.get(cfa.reg) if cfa.expr is None else None
            if kind is None:
                assert found.kind == FULL
                continue
            saved = row.get(FP)
            slot = -saved.arg // 8 if saved is not None and saved.type == "OFFSET" else 0
            assert row[RETURN_ADDRESS].arg == -8
            assert (found.kind, found.cfa_offset, found.fp_slot) == (kind, cfa.offset, slot), (entry.header, row)
            compared += 1
    assert compared > 20


def test_bytes_between_functions_have_no_rule(witness: Any) -> None:
    path = library_of("_decimal")
    loaded = witness.modules()[path]
    ends = {loaded.bias + e.header.initial_location + e.header.address_range for e in described(path)}
    starts = {loaded.bias + e.header.initial_location for e in described(path)}
    gaps = [end for end in ends - starts if end < loaded.end]
    assert gaps
    assert {witness.library.witness_rule_at(gap).kind for gap in gaps} == {0}


def test_every_loaded_library_is_read_whole(witness: Any) -> None:
    rejected = {path: m.rejected for path, m in witness.modules().items() if m.rejected}
    assert rejected == {}
