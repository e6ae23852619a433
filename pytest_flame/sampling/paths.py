"""From the sampler's tree of stacks to the stacks: the middle of very deep ones is left out.

A recursion of depth n that is sampled at every depth has n²/2 frames when written out: without a limit a profile of a
few megabytes becomes gigabytes of stacks. In all but contrived cases the part left out is the middle of a recursion.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Final

MOST: Final = 1024
"""Frames; Python's own limit of recursion is 1,000."""
AT_ROOT: Final = 256
LEFT_OUT: Final = -1
"""Stands in a path for the frames left out."""
_ROOTS: Final = 2


class Paths:
    """``nodes`` are the sampler's, parents before their children; the first two are roots."""

    def __init__(self, nodes: Any, count: int) -> None:
        self._nodes = nodes
        self._depth = array("L", bytes(array("L").itemsize * max(count, _ROOTS)))
        self._top = array("L", self._depth)
        """The ancestor at depth ``AT_ROOT``."""
        for i in range(_ROOTS, count):
            parent = nodes[i].parent
            self._depth[i] = self._depth[parent] + 1
            self._top[i] = i if self._depth[i] <= AT_ROOT else self._top[parent]

    def path(self, node: int, *, whole: bool = False) -> tuple[int, Sequence[int]]:
        """The root it ends in, and the nodes from there on, without the middle unless ``whole`` is wanted."""
        if whole or self._depth[node] <= MOST:
            path = self._up(node, self._depth[node])
            return self._root(node), path[::-1]
        leaf, top = self._up(node, MOST - AT_ROOT), self._up(self._top[node], AT_ROOT)
        return self._root(self._top[node]), [*top[::-1], LEFT_OUT, *leaf[::-1]]

    def _up(self, node: int, most: int) -> list[int]:
        found = []
        for _ in range(most):
            found.append(node)
            node = self._nodes[node].parent
        return found

    def _root(self, node: int) -> int:
        while node >= _ROOTS:
            node = self._nodes[node].parent
        return node
