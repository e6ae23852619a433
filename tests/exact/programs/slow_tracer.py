"""A second implementation of counting calls: pure Python over ``sys.setprofile``, written for clearness alone."""

from __future__ import annotations

import dis
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FrameType, MethodDescriptorType, ModuleType
from typing import Any

GENERATORS = 0x20 | 0x80 | 0x200
Name = tuple[str, str]
Edge = tuple[Name | None, Name]


def python_name(code: CodeType) -> Name:
    return code.co_filename, code.co_qualname


def c_name(function: BuiltinFunctionType) -> Name:
    """The class that defines the method, whatever the class of the object it is bound to."""
    owner = function.__self__
    if isinstance(owner, ModuleType):
        return function.__module__ or owner.__name__, function.__name__
    kind = owner if isinstance(owner, type) else type(owner)
    for cls in kind.__mro__:
        found: Any = cls.__dict__.get(function.__name__)
        if isinstance(found, MethodDescriptorType) and found.__get__(owner, kind) == function:
            return cls.__module__, f"{cls.__qualname__}.{function.__name__}"
        if type(found).__name__ == "classmethod_descriptor" and found.__get__(None, kind) == function:
            return cls.__module__, f"{cls.__qualname__}.{function.__name__}"
    if isinstance(owner, type):
        return owner.__module__, f"{owner.__qualname__}.{function.__name__}"
    return function.__module__ or "?", function.__name__


def starts(frame: FrameType) -> bool:
    """A generator's frame has no RESUME 0 before it where it only resumes."""
    if not frame.f_code.co_flags & GENERATORS:
        return True
    at = frame.f_lasti
    return frame.f_code.co_code[at] == dis.opmap["RESUME"] and frame.f_code.co_code[at + 1] & 3 == 0


def count(body: Callable[[], object]) -> Counter[Edge]:
    """Calls from the body's frame on, in all threads; the body itself has no caller, and neither have threads."""
    edges: Counter[Edge] = Counter()
    stacks: dict[int, list[Name]] = {}
    main = threading.get_ident()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        stack = stacks.setdefault(threading.get_ident(), [])
        if event in ("return", "c_return", "c_exception"):
            if stack:
                stack.pop()
            return
        name = python_name(frame.f_code) if event == "call" else c_name(argument)
        if not stack and threading.get_ident() == main and frame.f_code is not body.__code__:
            return
        if event == "c_call" or starts(frame):
            edges[stack[-1] if stack else None, name] += 1
        stack.append(name)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        body()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return edges
