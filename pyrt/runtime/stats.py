"""What the kernel counted for a container, and for a network interface."""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.cgroups.stats import CgroupStats
from pyrt.ids import ContainerId


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """One container's use, at ``at`` (Unix nanoseconds)."""

    id: ContainerId
    at: int
    cgroup: CgroupStats
    writable_bytes: int = 0
    """Space that the writable layer takes on disk."""
    writable_inodes: int = 0


@dataclass(frozen=True, slots=True)
class InterfaceStats:
    """Counters of one network interface of a sandbox."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
