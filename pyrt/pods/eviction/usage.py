"""What one pod uses, as far as eviction looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyrt.kube.pod import Pod


@dataclass(frozen=True, slots=True)
class Space:
    """Room on a file system."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Space) -> Space:
        return Space(self.bytes + other.bytes, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """One container."""

    memory: int = 0
    """Bytes in use that could not be had back at once (working set)."""
    layer: Space = Space()
    """Its writable layer."""
    logs: Space = Space()


@dataclass(frozen=True, slots=True)
class PodUsage:
    """A pod and what it uses. What was not measured is 0."""

    pod: Pod
    """As it was given: with the requests that count."""
    memory: int = 0
    """Working set, bytes."""
    processes: int = 0
    containers: Mapping[str, ContainerUsage] = field(default_factory=dict)
    volumes: Mapping[str, Space] = field(default_factory=dict)
    """Local ephemeral volumes on disk, by name."""

    def disk(self, *, layers: bool = True, volumes: bool = True) -> Space:
        """Of its containers' writable layers, and of its logs and volumes."""
        total = Space()
        for container in self.containers.values():
            if layers:
                total += container.layer
            if volumes:
                total += container.logs
        if volumes:
            for space in self.volumes.values():
                total += space
        return total
