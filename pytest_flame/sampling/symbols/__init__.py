"""Names of native and kernel functions.

``Symbolizer().name(mapping, address)`` names an address of a process, ``read_mappings()`` says what is mapped there,
``KernelSymbols.open()`` names addresses of the kernel.
"""

from pytest_flame.sampling.symbols.kernel import KernelSymbols
from pytest_flame.sampling.symbols.mappings import Mapping, Mappings, read_mappings
from pytest_flame.sampling.symbols.symbolizer import NativeName, Symbolizer

__all__ = ["KernelSymbols", "Mapping", "Mappings", "NativeName", "Symbolizer", "read_mappings"]
