"""What the node says of itself: its pressures, since when, and the events about them (kubelet,
``pkg/kubelet/nodestatus``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pyrt.kube.meta import ObjectMeta
from pyrt.pods.events import NORMAL, EventRecorder

PRESSURES: Final = {
    "MemoryPressure": (
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
}
"""Condition to its reason and message: while there is none, and while there is."""


@dataclass(slots=True)
class NodeReference:
    """The node, as events name it: by its name for a uid, as the kubelet does."""

    metadata: ObjectMeta
    api_version: str = "v1"
    kind: str = "Node"


@dataclass(frozen=True, slots=True)
class NodeCondition:
    """One pressure."""

    type: str
    active: bool
    since: int
    """Unix nanoseconds."""

    @property
    def reason(self) -> str:
        """``KubeletHasSufficientMemory``."""
        return PRESSURES[self.type][self.active][0]

    @property
    def message(self) -> str:
        """``kubelet has sufficient memory available``."""
        return PRESSURES[self.type][self.active][1]


class NodeConditions:
    """The node's pressures, kept by the watch for evictions and shown by the Node object."""

    def __init__(self, node: str, events: EventRecorder, clock: Callable[[], int] = time.time_ns) -> None:
        self.reference = NodeReference(ObjectMeta(name=node, uid=node))
        self._events = events
        self._clock = clock
        self._conditions = {name: NodeCondition(name, False, clock()) for name in PRESSURES}

    def all(self) -> tuple[NodeCondition, ...]:
        """In the order of the kubelet."""
        return tuple(self._conditions.values())

    def set(self, active: Iterable[str]) -> None:
        """What there is pressure of now."""
        wanted = set(active)
        for name, known in self._conditions.items():
            if (name in wanted) != known.active:
                changed = self._conditions[name] = NodeCondition(name, not known.active, self._clock())
                word = changed.reason.replace("Kubelet", "Node", 1)
                self.tell(NORMAL, word, f"Node {self.reference.metadata.name} status is now: {word}")

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event about the node."""
        self._events.emit(self.reference, kind, reason, message)
