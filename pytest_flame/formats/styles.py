"""How other profilers write a function and where it is: one row a tool, the first that matches counts.

A row says which parts of a label are the function's name, its file and a line number. What is in no row is a name.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LONGEST: Final = 10_000
"""No label of so many characters says a place: symbols of templates grow that long."""
SOURCES: Final = frozenset(
    suffix
    for language in (
        ("py", "pyw", "pyx", "pxd", "pyi"),
        ("c", "cc", "cpp", "cxx", "c++", "h", "hh", "hpp", "hxx", "inl", "src", "s", "asm", "m", "mm", "cu", "f90"),
        ("rs", "go", "swift", "d", "zig", "nim", "cs", "fs"),
        ("js", "mjs", "cjs", "ts", "jsx", "tsx", "rb", "php", "lua", "pl", "ml", "hs", "ex", "erl"),
        ("java", "kt", "scala", "groovy"),
    )
    for suffix in language
)
"""Suffixes of source files, in lower case."""


class Place(NamedTuple):
    """What a label says. ``file`` is empty where it names none."""

    name: str
    file: str = ""
    line: int = 0
    """0: not said."""


_DRIVE: Final = r"(?:[A-Za-z]:(?=[\\/]))?"
_FILE_LINE: Final = re.compile(rf"(?:at )?(?P<file>{_DRIVE}.*?[^:]):(?P<line>-?\d+)(?::\d+)?", re.DOTALL)
_STYLES: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        # CPython's perf trampoline: py::Tokenizer.next:/srv/orders/parse.py
        rf"py::(?P<name>[^:]+):(?P<file>{_DRIVE}[^:]*)",
        # PyTorch: torch/nn/modules/module.py(1102): _call_impl
        r"(?P<file>[^:]*[^:\s])\((?P<line>\d+)\): (?P<name>.+)",
        # V8 with --perf-basic-prof, the mark of its compiler before the name: LazyCompile:*parse /srv/server.js:10
        r"(?:LazyCompile|Function|Script|Eval|JS):[*~^+]{0,2}(?P<name>\S*) (?P<file>\S.*?):(?P<line>\d+)(?::\d+)?",
        # Austin, Tachyon: orders/parse.py:Tokenizer.next:12
        rf"(?P<file>{_DRIVE}[^:]+):(?P<name>(?!\d+:)[^:]+(?:::[^:]+)*):(?P<line>\d+)",
        # flameprof: orders/parse.py:12:tokenize
        rf"(?P<file>{_DRIVE}[^:]+):(?P<line>\d+):(?P<name>(?!\d+\Z)[^:].*)",
        # Pyroscope: orders/parse.py:12 - tokenize
        rf"(?P<file>{_DRIVE}[^:]+):(?P<line>\d+) - (?P<name>.+)",
        # rbspy: Foo#bar - /srv/foo.rb:3
        rf"(?P<name>.+?) - (?P<file>{_DRIVE}[^:]+):(?P<line>-?\d+)",
        # pstats: orders/parse.py:12(tokenize)
        rf"(?P<file>{_DRIVE}[^:]+):(?P<line>\d+)\((?P<name>.+)\)",
        # stack traces of the JVM: java.lang.Thread.run(Thread.java:834)
        r"(?P<name>[^()\s]+)\((?P<file>[^():\s]+\.(?:java|kt|scala|groovy)):(?P<line>\d+)\)",
        # phpspy and JavaScript: Foo::bar /srv/x.php:10, fn /srv/x.js:3:7
        r"(?P<name>\S+) (?P<file>(?:[A-Za-z]:[\\/]|/|<|file:|node:|https?:)\S.*?):(?P<line>-?\d+)(?::\d+)?",
    )
)
_MAYBE: Final = re.compile(r":-?\d|\(\d+\): |\Apy::")
"""What every label of these styles has: most labels of none are known by it at once."""
_METHOD_LINE: Final = re.compile(r"(?P<name>[\w$/.<>-]+\.(?P<method>[\w$<>]+)):(?P<line>\d+)")
"""async-profiler: java/lang/Thread.run:834."""
_LIBRARY: Final = re.compile(r"[^()\s]+\.(?:so(?:\.\d+)*|dylib|dll|exe)", re.IGNORECASE)


def place(label: str) -> Place | None:
    """The function and its place, where the label is one of a known tool that says both."""
    if len(label) > LONGEST:
        return None
    if label[-1] == ")" and (found := _in_parentheses(label)):
        return found
    if not _MAYBE.search(label):
        return None
    for style in _STYLES:
        if match := style.fullmatch(label):
            return Place(match["name"] or "(anonymous)", match["file"], _number(match.groupdict().get("line")))
    match = _METHOD_LINE.fullmatch(label)
    if match and match["method"].lower() not in SOURCES:
        return Place(match["name"], line=int(match["line"]))
    return None


def library(label: str) -> tuple[str, str] | None:
    """``malloc (libc.so.6)``: the function's name and its library."""
    name, group = last_group(label)
    return (name, group) if name and _LIBRARY.fullmatch(group) else None


def _in_parentheses(label: str) -> Place | None:
    """py-spy, pyinstrument, lldb: ``name (file:12)``, ``name (file)``, ``name (at file:12)``. Names and paths may have
    blanks and parentheses of their own."""
    name, inside = last_group(label)
    if not name:
        return None
    if match := _FILE_LINE.fullmatch(inside):
        return Place(name, match["file"], _number(match["line"]))
    return Place(name, inside) if _is_file(inside) else None


def _is_file(text: str) -> bool:
    """Without a line number a file has to look like one: ``operator() (int)`` names none."""
    if text.startswith("<") and text.endswith(">"):
        return True
    _, dot, suffix = text.rpartition(".")
    return bool(dot) and suffix.lower() in SOURCES and not text.startswith(".")


def last_group(label: str) -> tuple[str, str]:
    """What stands before and in the parentheses that end a label; two empty texts where none do."""
    if not label.endswith(")") or len(label) > LONGEST:
        return "", ""
    last = label.rfind("(")
    if last > 0 and label[last - 1] == " " and label.find(")", last) == len(label) - 1:
        return label[: last - 1], label[last + 1 : -1]
    depth = 0
    for index in range(len(label) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(label[index], 0)
        if depth == 0:
            if label[index - 1] == " ":
                return label[: index - 1], label[index + 1 : -1]
            break
    # A path with an odd parenthesis in it, or no path at all.
    name, blank, inside = label.partition(" (")
    return (name, inside[:-1]) if blank and inside.count("(") >= inside.count(")") else ("", "")


def _number(text: str | None) -> int:
    return max(0, int(text[:9])) if text else 0
