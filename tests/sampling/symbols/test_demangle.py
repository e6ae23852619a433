"""Names of C++ and Rust functions as their sources have them."""

from __future__ import annotations

import pytest

from pytest_flame.sampling.symbols.demangle import demangle, without_clone


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("main", "main"),
        ("_start", "_start"),
        ("_Zero", "_Zero"),
        ("_ZN5outer5innerEid", "outer::inner(int, double)"),
        ("_ZNK3foo3barEv", "foo::bar() const"),
        ("_ZN3fooIiEC2Ev", "foo<int>::foo()"),
        ("_Z3addii.constprop.0", "add(int, int)"),
        ("_Z3addii@plt", "add(int, int)@plt"),
        ("memcpy@plt", "memcpy@plt"),
        # Rust, the old mangling and the new one: without the crate's hash.
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        ("_ZN38_$LT$a..A$LT$X$GT$$u20$as$u20$a..T$GT$2go17h86059f3a09193f2cE", "<a::A<X> as a::T>::go"),
        ("_RINvNtC3std3mem8align_ofjdE", "std::mem::align_of::<usize, f64>"),
        ("_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate", "<std::path::PathBuf>::new"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.123456", "core::fmt::Formatter::pad"),
    ],
)
def test_symbols_are_shown_as_their_source_has_them(symbol: str, name: str) -> None:
    assert demangle(symbol) == name


def test_endless_names_are_cut_and_stay_apart() -> None:
    names = [demangle(f"_Z1fI{'St6vectorI' * 400}i{'E' * 400}E{parameter}") for parameter in "vi"]
    assert names[0][:1000] == names[1][:1000] and names[0] != names[1]
    assert all(len(name) < 1020 for name in names)


@pytest.mark.parametrize(
    "suffix", [".cold", ".part.0", ".isra.0", ".constprop.1.cold", ".lto_priv.0", ".llvm.99", ".cold.3"]
)
def test_copies_and_pieces_are_the_function(suffix: str) -> None:
    assert without_clone(f"parse{suffix}") == "parse"


@pytest.mark.parametrize("symbol", ["gemm._omp_fn.0", "parse.py", "a.b", "x.1"])
def test_other_suffixes_stay(symbol: str) -> None:
    assert without_clone(symbol) == symbol
