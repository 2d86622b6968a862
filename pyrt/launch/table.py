"""The plan's table of descriptors while it is being compiled."""

from __future__ import annotations

from pyrt.launch.encoding import MAX_FDS
from pyrt.launch.plan import CloneTree, FdSource, PodSupplied

_FEW = MAX_FDS // 2


class FdTable:
    """Hands out places."""

    def __init__(self) -> None:
        self._sources: list[FdSource] = []

    def add(self, source: FdSource) -> int:
        """The place of a descriptor; the same source has one place. But a copy of a mount can be mounted once only."""
        if source in self._sources and not isinstance(source, CloneTree):
            return self._sources.index(source)
        self._sources.append(source)
        return len(self._sources) - 1

    @property
    def has_room(self) -> bool:
        """Whether a mount may take a place that it can do without."""
        return len(self._sources) < _FEW

    def place_of(self, name: str) -> int | None:
        """The place of the entry pyrt-pod supplies under this name, if there is one."""
        for place, source in enumerate(self._sources):
            if isinstance(source, PodSupplied) and source.name == name:
                return place
        return None

    def sources(self) -> tuple[FdSource, ...]:
        """The finished table."""
        return tuple(self._sources)


CONSOLE = PodSupplied("console")
"""The socket that takes a terminal's master."""
TARGET = PodSupplied("container")
"""A pidfd of the container to join."""
