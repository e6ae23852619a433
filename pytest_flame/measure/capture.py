"""Keeps what pytest stores of a test's output from growing with the calls of its body.

Between rounds, outside the timed regions, captured output, log records and warnings are reduced to their beginning and
end, so that a failing test shows the output of both its first and its last call.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import pytest

from pytest_flame.measure.thinning import thin_file, thin_list, thinned

_LEFT_OUT: Final = ("call", "output", "[... calls in between left out ...]")


class Captured:
    """For one item. ``output`` is the file the process writes to if nothing is captured."""

    def __init__(self, item: pytest.Item, output: Path) -> None:
        self._item = item
        self._output = output

    def thin(self) -> None:
        for file in self._files():
            thin_file(file)
        for handler in self._log_handlers():
            thin_list(handler.records, _message_size)
            if isinstance(handler.stream, io.StringIO) and (text := handler.stream.getvalue()) != (
                less := thinned(text)
            ):
                handler.stream.seek(0)
                handler.stream.truncate()
                handler.stream.write(less)
        if (recorded := recorded_warnings()) is not None:
            thin_list(recorded, lambda _: 1)
        sections = self._item._report_sections
        thin_list(sections, lambda section: len(section[2]), _LEFT_OUT)
        sections[:] = [(when, key, thinned(content)) for when, key, content in sections]
        try:
            written = self._output.open("r+b")
        except OSError:
            return  # not accessible once the body has dropped its privileges, or changed its root
        with written:
            thin_file(written)

    def _files(self) -> Iterator[IO[bytes]]:
        manager: Any = self._item.config.pluginmanager.getplugin("capturemanager")
        if manager is None:
            return
        fixture = manager._capture_fixture
        for capture in (manager._global_capturing, fixture and fixture._capture):
            for stream in () if capture is None else (capture.out, capture.err):
                file = getattr(stream, "tmpfile", None)  # missing if nothing is captured
                if isinstance(file, io.TextIOWrapper):
                    file.flush()
                    yield file.buffer

    def _log_handlers(self) -> Iterator[Any]:
        plugin: Any = self._item.config.pluginmanager.getplugin("logging-plugin")
        if plugin is not None:
            yield from (plugin.caplog_handler, plugin.report_handler)


def recorded_warnings() -> list[Any] | None:
    """The list that ``warnings.catch_warnings(record=True)`` appends to, if active; its interface does not expose
    it."""
    context = getattr(warnings, "_get_context", None)  # since 3.14, where warnings belong to the context
    log = None if context is None else getattr(context(), "log", None)
    if log is None:
        log = getattr(getattr(warnings, "_showwarnmsg_impl", None), "__self__", None)
    return log if isinstance(log, list) else None


def _message_size(record: logging.LogRecord) -> int:
    return len(record.__dict__.get("message", ""))


def shown(report: pytest.TestReport) -> str:
    """The traceback and what was captured, as pytest shows them."""
    sections = (f"{f' {title} ':-^80}\n{content.rstrip()}" for title, content in report.sections)
    return "\n".join((report.longreprtext, *sections))
