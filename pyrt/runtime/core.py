"""What the runtime's operations share: the records, the pod processes, the drivers, and how a change is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from pyrt.cgroups import CgroupDriver, open_driver
from pyrt.config import Config
from pyrt.ids import ContainerId, SandboxId
from pyrt.network import Network
from pyrt.runtime.cgroup_sweep import CgroupSweeper
from pyrt.runtime.errors import ContainerNotFoundError, SandboxNotFoundError
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.records import ContainerRecord, RecordTables, SandboxRecord
from pyrt.runtime.status import EventKind, RuntimeEvent
from pyrt.runtime.trash import Trash
from pyrt.store import Store

log = logging.getLogger(__name__)


class Core:
    """The runtime's state. Operations are functions in modules of their own (``sandbox_run``, ``container_stop``...)."""

    def __init__(self, config: Config, store: Store, network: Network) -> None:
        self.config = config
        self.paths = RuntimePaths.of(config)
        self.tables = RecordTables(store)
        self.network = network
        self.cgroups: CgroupDriver = open_driver(config.cgroup.driver, config.cgroup.parent)
        self.sweeper = CgroupSweeper(self.cgroups)
        self.trash = Trash(self.paths.trash)
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.sandboxes: dict[SandboxId, SandboxRecord] = {}
        self.containers: dict[ContainerId, ContainerRecord] = {}
        self.members: dict[SandboxId, dict[ContainerId, ContainerRecord]] = {}
        """The containers of each sandbox, in the order of their creation."""
        self.pods: dict[SandboxId, PodProcess] = {}
        """Connected pod processes."""
        self.flights: dict[tuple[str, str, str, int], asyncio.Future[SandboxId]] = {}
        """Sandboxes being made, by (namespace, name, uid, attempt): a second request waits for the first."""
        self.exits: dict[ContainerId, asyncio.Event] = {}
        """Set when a container has ended; made by whoever waits first."""
        self._subscribers: list[Callable[[RuntimeEvent], None]] = []
        self._unwritten: dict[ContainerId, ContainerRecord] = {}
        self._flush: asyncio.Handle | None = None

    # ------------------------------------------------------------------ records

    def sandbox(self, sandbox_id: SandboxId) -> SandboxRecord:
        """Raises :class:`SandboxNotFoundError`."""
        try:
            return self.sandboxes[sandbox_id]
        except KeyError:
            raise SandboxNotFoundError("not found", subject=f"sandbox {sandbox_id[:13]}") from None

    def container(self, container_id: ContainerId) -> ContainerRecord:
        """Raises :class:`ContainerNotFoundError`."""
        try:
            return self.containers[container_id]
        except KeyError:
            raise ContainerNotFoundError("not found", subject=f"container {container_id[:13]}") from None

    def add_sandbox(self, record: SandboxRecord) -> None:
        """Know a sandbox, in memory."""
        self.sandboxes[record.id] = record
        self.members.setdefault(record.id, {})

    def add_container(self, record: ContainerRecord) -> None:
        """Know a container, in memory."""
        self.containers[record.id] = record
        self.members.setdefault(record.sandbox_id, {})[record.id] = record

    def drop_sandbox(self, sandbox_id: SandboxId) -> None:
        """Forget a sandbox, in memory and in the database."""
        self.sandboxes.pop(sandbox_id, None)
        self.members.pop(sandbox_id, None)
        self.tables.delete_sandbox(sandbox_id)

    def drop_container(self, record: ContainerRecord) -> None:
        """Forget a container, in memory and in the database."""
        self.containers.pop(record.id, None)
        self.members.get(record.sandbox_id, {}).pop(record.id, None)
        self._unwritten.pop(record.id, None)
        self.exits.pop(record.id, None)
        self.tables.delete_container(record.id)

    def write_later(self, record: ContainerRecord) -> None:
        """Write a container's end once the loop has told everyone; several ends share a commit.

        Until then the pod process's exit record is the truth on disk.
        """
        self._unwritten[record.id] = record
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what is waiting, and let the pod processes drop what is now in the database."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if not self._unwritten:
            return
        records, self._unwritten = list(self._unwritten.values()), {}
        with self.tables.store.transaction():
            for record in records:
                self.tables.put_container(record)

    # ------------------------------------------------------------------ events

    def subscribe(self, callback: Callable[[RuntimeEvent], None]) -> Callable[[], None]:
        """See :meth:`pyrt.runtime.Runtime.subscribe`."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def emit(self, kind: EventKind, sandbox_id: SandboxId, container_id: ContainerId | None = None, at: int = 0) -> None:
        """Tell every subscriber; one that raises is logged and does not keep the others from hearing."""
        event = RuntimeEvent(kind, sandbox_id, container_id, at or time.time_ns())
        for callback in tuple(self._subscribers):
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - a subscriber's fault must not become the runtime's
                log.exception("subscriber failed on %s", event)
