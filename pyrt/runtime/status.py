"""What the runtime reports: sandboxes, containers, events. Times are Unix nanoseconds; 0 means not yet."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import ContainerConfig, SandboxConfig


class SandboxState(enum.Enum):
    """CRI ``PodSandboxState``."""

    READY = "ready"
    NOT_READY = "not ready"


class ContainerState(enum.Enum):
    """CRI ``ContainerState``."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """A sandbox as it is now."""

    id: SandboxId
    config: SandboxConfig
    state: SandboxState
    created_at: int
    addresses: tuple[str, ...] = ()
    pid: int = 0
    """Of the pod process; 0 when it is gone."""


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as it is now."""

    id: ContainerId
    sandbox_id: SandboxId
    config: ContainerConfig
    state: ContainerState
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    """128 + signal number for a killed process."""
    signal: int = 0
    reason: str = ""
    """``Completed``, ``Error``, ``OOMKilled``, ``ContainerCannotRun``, ``StartError``."""
    message: str = ""
    pid: int = 0


class EventKind(enum.Enum):
    """What happened to a container or sandbox."""

    CREATED = "created"
    STARTED = "started"
    STOPPED = "stopped"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """Delivered to every subscriber of :meth:`pyrt.runtime.Runtime.subscribe`, in order."""

    kind: EventKind
    sandbox_id: SandboxId
    container_id: ContainerId | None = None
    """``None`` when the sandbox itself is meant."""
    at: int = 0
    extra: dict[str, str] = field(default_factory=dict)
