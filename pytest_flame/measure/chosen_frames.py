"""Which functions the gate sees: what a project renames or leaves out, in everything that is measured or stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pytest_flame.errors import UsageError
from pytest_flame.model import (
    IGNORED,
    Calls,
    ChangedCode,
    Counted,
    ExactComparison,
    Frame,
    Process,
    Recording,
    Stack,
    StackSample,
)

Choose = Callable[[Frame], object]
"""A function's frame → the frame that takes its place, ``IGNORED``, or None to keep it."""


@dataclass(frozen=True)
class ChosenFrames:
    """Applies a choice to whole recordings. Without one, everything stays as it is.

    A frame that is left out makes its caller costlier: its self cost is the caller's, its callees are the caller's.
    The root of a stack, the test's body, always stays. A choice is made once for each frame, on both sides alike.
    """

    choose: Choose | None = None
    _made: dict[Frame, Frame] = field(default_factory=dict)

    def of(self, frame: Frame) -> Frame:
        """What stands for it. Raises ``UsageError`` if the choice is not a frame."""
        if self.choose is None:
            return frame
        if frame not in self._made:
            chosen = self.choose(frame)
            if chosen is None:
                chosen = frame
            elif not isinstance(chosen, Frame):
                raise UsageError(
                    f"pytest_flame_frame returned {chosen!r} for {frame}",
                    why="it is not a frame",
                    fix="return Frame(module, qualname), IGNORED or None, all of pytest_flame.model but the last",
                )
            self._made[frame] = chosen
        return self._made[frame]

    def recording(self, recording: Recording) -> Recording:
        if self.choose is None:
            return recording
        # A frame that keeps its name goes first: its source is the one that is shown.
        ordered = sorted(recording.lines, key=lambda frame: (self.of(frame) != frame, frame))
        lines = {self.of(frame): recording.lines[frame] for frame in reversed(ordered)}
        weights = {frame: lines for frame, lines in recording.line_weights.items() if self.of(frame) == frame}
        lines.pop(IGNORED, None)
        processes = tuple(map(self._process, recording.processes))
        return replace(recording, processes=processes, lines=lines, line_weights=weights)

    def _process(self, process: Process) -> Process:
        stacks: dict[Stack, StackSample] = {}
        for stack, sample in process.stacks.items():
            chosen = (*stack[:1], *(new for frame in stack[1:] if (new := self.of(frame)) != IGNORED))
            before = stacks.get(chosen, StackSample(0, 0))
            stacks[chosen] = StackSample(before.count + sample.count, before.weight_ns + sample.weight_ns)
        return replace(process, stacks=stacks)

    def with_known_calls(self, exact: ExactComparison | None) -> ExactComparison | None:
        """Without the calls of functions that were renamed, left out, or whose name another one got."""
        if self.choose is None or exact is None:
            return exact
        seen = {*exact.base.calls.functions, *exact.head.calls.functions}
        moved = {frame for frame in seen if self.of(frame) != frame}
        moved |= {self.of(frame) for frame in moved}

        def known(counted: Counted) -> Counted:
            functions = {f: count for f, count in counted.calls.functions.items() if f not in moved}
            edges = {edge: count for edge, count in counted.calls.edges.items() if moved.isdisjoint(edge)}
            return replace(counted, calls=Calls(functions, edges))

        return replace(exact, base=known(exact.base), head=known(exact.head))

    def changed(self, code: ChangedCode) -> ChangedCode:
        """With the names that culprits have."""
        if self.choose is None:
            return code
        frames = {self.of(frame): change for frame, change in code.frames.items()}
        frames.pop(IGNORED, None)
        return replace(code, frames=frames)

    @property
    def remark(self) -> str:
        """``pytest_flame_frame: 2 functions have another name, 14 are left out …``; empty if it changed nothing."""
        named = sum(new not in (frame, IGNORED) for frame, new in self._made.items())
        ignored = sum(new == IGNORED for new in self._made.values())
        said = []
        if named:
            said.append(f"{named} function{'s have' if named > 1 else ' has'} another name")
        if ignored:
            said.append(f"{ignored} left out, so that what they cost is their callers' cost")
        return f"pytest_flame_frame: {', '.join(said)}" if said else ""
