"""What the writable layers of containers take on disk. Finding it is a walk through all their files, so it is not done
at every question.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pyrt._native import TreeUsage, tree_usage

FRESH_SECONDS = 10.0
"""How long a figure is good: kubelets ask every ten seconds."""
_IDLE_PARTS = 20
"""A walk is repeated after this many times its own duration at the earliest: at most a twentieth of one CPU goes into
the largest of layers."""


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """One directory with everything below it."""

    at: int
    """Unix nanoseconds of the look."""
    bytes: int
    """Allocated on disk."""
    inodes: int


@dataclass(frozen=True, slots=True)
class _Known:
    usage: LayerUsage
    good_until: float


class WritableLayers:
    """Remembers figures by container. May be asked from a worker thread."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def usage(self, key: str, directory: Path) -> LayerUsage:
        """What ``directory`` takes, some seconds ago at most; nothing if it is not there."""
        begun = time.monotonic()
        known = self._known.get(key)
        if known is not None and begun < known.good_until:
            return known.usage
        try:
            found = tree_usage(directory)
        except OSError:
            found = TreeUsage(0, 0)  # it went away while we looked
        now = time.monotonic()
        usage = LayerUsage(time.time_ns(), found.bytes, found.inodes)
        self._known[key] = _Known(usage, now + max(FRESH_SECONDS, _IDLE_PARTS * (now - begun)))
        return usage

    def forget(self, key: str) -> None:
        """It is gone."""
        self._known.pop(key, None)
