"""Signals, what of them must stay free, and when a pressure is over (pure)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pyrt.config.eviction import Eviction
from pyrt.kube import quantity
from pyrt.pods.model import SECOND


class Signal(enum.Enum):
    """What is watched, by its name in Kubernetes. The order is that of evictions: memory goes before everything."""

    MEMORY = "memory.available"
    NODEFS = "nodefs.available"
    NODEFS_INODES = "nodefs.inodesFree"
    IMAGEFS = "imagefs.available"
    IMAGEFS_INODES = "imagefs.inodesFree"
    PID = "pid.available"

    @property
    def resource(self) -> str:
        """What it counts, in messages."""
        return _RESOURCE[self]

    @property
    def condition(self) -> str:
        """The node's condition."""
        return _CONDITION[self]

    @property
    def is_bytes(self) -> bool:
        """Whether its figures are bytes, not a number of things."""
        return self.resource in ("memory", "ephemeral-storage")


MEMORY_PRESSURE: Final = "MemoryPressure"
DISK_PRESSURE: Final = "DiskPressure"
PID_PRESSURE: Final = "PIDPressure"
_RESOURCE: Final = {
    Signal.MEMORY: "memory",
    Signal.NODEFS: "ephemeral-storage",
    Signal.NODEFS_INODES: "inodes",
    Signal.IMAGEFS: "ephemeral-storage",
    Signal.IMAGEFS_INODES: "inodes",
    Signal.PID: "pids",
}
_CONDITION: Final = {
    Signal.MEMORY: MEMORY_PRESSURE,
    Signal.NODEFS: DISK_PRESSURE,
    Signal.NODEFS_INODES: DISK_PRESSURE,
    Signal.IMAGEFS: DISK_PRESSURE,
    Signal.IMAGEFS_INODES: DISK_PRESSURE,
    Signal.PID: PID_PRESSURE,
}
DEFAULT_HARD: Final = {
    Signal.MEMORY: "100Mi",
    Signal.NODEFS: "10%",
    Signal.NODEFS_INODES: "5%",
    Signal.IMAGEFS: "15%",
    Signal.IMAGEFS_INODES: "5%",
    Signal.PID: "1%",
}
"""``DefaultEvictionHard`` of the kubelet, and process ids, which it leaves to its configuration: without any left, this
daemon could do nothing about it any more."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A signal's reading: bytes, inodes or process ids."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """Below it pods are evicted: at once, or after ``grace`` nanoseconds for a soft one."""

    signal: Signal
    value: str
    """A quantity or a percentage of the capacity."""
    grace: int = 0
    minimum_reclaim: str = "0"

    @property
    def hard(self) -> bool:
        """Whether it is endured for no time at all."""
        return self.grace == 0

    def amount(self, capacity: int) -> int:
        """What must be free."""
        return _amount(self.value, capacity)

    def met(self, seen: Observation, *, with_reclaim: bool = False) -> bool:
        """Whether less is free; with ``with_reclaim``, less than it takes to be out of it again."""
        wanted = self.amount(seen.capacity)
        if with_reclaim:
            wanted += _amount(self.minimum_reclaim, seen.capacity)
        return wanted > seen.available


def _amount(text: str, capacity: int) -> int:
    if text.endswith("%"):
        return int(capacity * Fraction(text[:-1]) / 100)
    return quantity.units(text)


def hard_thresholds(settings: Eviction) -> tuple[Threshold, ...]:
    """Those that take effect at once; one of nothing is none."""
    given = {Signal(name): text for name, text in settings.hard.items()}
    reclaim = settings.minimum_reclaim
    found = (
        Threshold(signal, text, 0, reclaim.get(signal.value, "0")) for signal, text in (DEFAULT_HARD | given).items()
    )
    return tuple(t for t in found if not _is_nothing(t.value))


def thresholds(settings: Eviction) -> tuple[Threshold, ...]:
    """All of a configuration; none if eviction is switched off."""
    if not settings.enabled:
        return ()
    soft = (
        Threshold(
            Signal(name), text, settings.soft_grace_seconds[name] * SECOND, settings.minimum_reclaim.get(name, "0")
        )
        for name, text in settings.soft.items()
    )
    return (*hard_thresholds(settings), *(t for t in soft if not _is_nothing(t.value)))


def _is_nothing(text: str) -> bool:
    return _amount(text, 1 << 40) == 0


def met(
    wanted: Iterable[Threshold], seen: Mapping[Signal, Observation], *, with_reclaim: bool = False
) -> tuple[Threshold, ...]:
    """Those that are crossed; a signal that could not be read crosses nothing."""
    return tuple(t for t in wanted if t.signal in seen and t.met(seen[t.signal], with_reclaim=with_reclaim))
