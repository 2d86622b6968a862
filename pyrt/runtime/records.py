"""What the runtime remembers of sandboxes and containers, in memory and, as JSON by id, in the database.

A record is written when its object is made, when a container has ended or could not start, and when a sandbox is
stopped: never for what the pod process itself can tell (ready, running, since when), so that a start costs one commit.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import msgspec

from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import ContainerConfig, SandboxConfig
from pyrt.runtime.status import ContainerState, ContainerStatus, SandboxState, SandboxStatus
from pyrt.store import Store, Table


class CniPhase(enum.Enum):
    """How far CNI plugins have come with a sandbox's network."""

    ADDING = "adding"
    """Nobody has been told of the sandbox: it is half-made."""
    ADDED = "added"


class SandboxRecord(msgspec.Struct, kw_only=True):
    """One sandbox. Mutable; only the runtime changes it."""

    id: SandboxId
    config: SandboxConfig
    created_at: int
    """Unix nanoseconds."""
    addresses: tuple[str, ...] = ()
    cni: CniPhase | None = None
    """``None``: its network is pyrt's own, or the host's."""
    stopped: bool = False
    """Its process was stopped or has died: it will not come back."""
    made_cgroups: tuple[str, ...] = ()
    """Of ``config.cgroup_parent``, where that is somebody else's: what was missing, and is ours to remove."""
    boot: str = ""
    """boot_id(random(4)) of its birth: after a reboot nothing of it can be alive."""
    pod_pid: int = 0
    """0 until the pod process runs, and in the database: its run directory tells."""

    def status(self) -> SandboxStatus:
        """As the layers above see it."""
        ready = self.pod_pid != 0 and not self.stopped
        return SandboxStatus(
            id=self.id,
            config=self.config,
            state=SandboxState.READY if ready else SandboxState.NOT_READY,
            created_at=self.created_at,
            addresses=self.addresses,
            pid=self.pod_pid,
        )


class ContainerRecord(msgspec.Struct, kw_only=True):
    """One container instance. Mutable; only the runtime changes it."""

    id: ContainerId
    sandbox_id: SandboxId
    config: ContainerConfig
    created_at: int
    state: ContainerState = ContainerState.CREATED
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    pid: int = 0
    log_lost: int = 0

    def status(self) -> ContainerStatus:
        """As the layers above see it."""
        return ContainerStatus(
            id=self.id,
            sandbox_id=self.sandbox_id,
            config=self.config,
            state=self.state,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            signal=self.signal,
            reason=self.reason,
            message=self.message,
            pid=self.pid,
        )


def _created(record: SandboxRecord | ContainerRecord) -> int:
    return record.created_at


def _encode(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _decode(kind: type, value: Any) -> Any:
    if issubclass(kind, Path):
        return Path(value)
    raise NotImplementedError(kind)


class RecordTables:
    """The two tables of the database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._sandboxes: Table = store.table("sandboxes")
        self._containers: Table = store.table("containers")
        self._encoder = msgspec.json.Encoder(enc_hook=_encode)
        self._sandbox_decoder = msgspec.json.Decoder(SandboxRecord, dec_hook=_decode)
        self._container_decoder = msgspec.json.Decoder(ContainerRecord, dec_hook=_decode)

    def put_sandbox(self, record: SandboxRecord) -> None:
        """Write one sandbox; inside a transaction, with it."""
        self._sandboxes.put(record.id, self._encoder.encode(record))

    def put_container(self, record: ContainerRecord) -> None:
        """Write one container."""
        self._containers.put(record.id, self._encoder.encode(record))

    def delete_sandbox(self, sandbox_id: SandboxId) -> None:
        """Forget one sandbox."""
        self._sandboxes.delete(sandbox_id)

    def delete_container(self, container_id: ContainerId) -> None:
        """Forget one container."""
        self._containers.delete(container_id)

    def load(self) -> tuple[list[SandboxRecord], list[ContainerRecord]]:
        """Everything, as an earlier daemon left it, oldest first."""
        sandboxes = [self._sandbox_decoder.decode(value) for _, value in self._sandboxes.items()]
        containers = [self._container_decoder.decode(value) for _, value in self._containers.items()]
        return sorted(sandboxes, key=_created), sorted(containers, key=_created)
