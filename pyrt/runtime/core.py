"""What the runtime's operations share: the records, the pod processes, the drivers, and how a change is told."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from pyrt.cgroups import CgroupDriver, open_driver
from pyrt.config import Config as Settings
from pyrt.ids import ContainerId, SandboxId
from pyrt.launch.capabilities import NUMBERS
from pyrt.launch.defaults import masked_paths
from pyrt.launch.devices import host_devices
from pyrt.launch.features import probe
from pyrt.launch.plan import Plan
from pyrt.network import Network
from pyrt.network.cni import CniNetwork
from pyrt.runtime.cgroup_sweep import CgroupSweeper
from pyrt.runtime.config import Owner, PodMetadata
from pyrt.runtime.container_plans import ContainerPlan, ContainerPlans
from pyrt.runtime.container_spec import HostFacts
from pyrt.runtime.errors import ContainerNotFoundError, SandboxNotFoundError
from pyrt.runtime.mountpoints import make_mountpoints
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import StartedProcess
from pyrt.runtime.records import ContainerRecord, RecordTables, SandboxRecord
from pyrt.runtime.rush import Rush
from pyrt.runtime.spare_pods import SparePods
from pyrt.runtime.spares import Spares
from pyrt.runtime.status import ContainerState, EventKind, RuntimeEvent
from pyrt.runtime.trash import Trash
from pyrt.spec import Config, LinuxDevice
from pyrt.store import Store, StoreError

log = logging.getLogger(__name__)

_WRITE_SECONDS = 0.02
_RETRY_SECONDS = 5.0
SYS_RESOURCE = 1 << NUMBERS["CAP_SYS_RESOURCE"]


Program: TypeAlias = tuple[Plan, bytes]
"""A plan and its encoding."""


class Core:
    """The runtime's state. Operations are functions in modules of their own (``sandbox_run``,
    ``container_stop``...).
    """

    def __init__(self, config: Settings, store: Store, network: Network) -> None:
        self.config = config
        self.paths = RuntimePaths.of(config)
        self.tables = RecordTables(store)
        self.network = network
        self.cni = CniNetwork(config, store)
        self.cgroups: CgroupDriver = open_driver(config.cgroup.driver, config.cgroup.parent)
        self.rush = Rush()
        self.sweeper = CgroupSweeper(self.cgroups, self.rush)
        self.trash = Trash(self.paths.trash)
        self.spares = Spares(self.paths.spare, self.trash)
        self.host_netns = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.spare_pods = SparePods(self.paths, self.trash, self.cgroups.hierarchies.mode, self.host_netns)
        self.cgroup_mounts = tuple(hierarchy.mount_point for hierarchy in self.cgroups.hierarchies.v1)
        self.features = probe()
        self.plain_facts = self._facts(())
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.sandboxes: dict[SandboxId, SandboxRecord] = {}
        self.containers: dict[ContainerId, ContainerRecord] = {}
        self.members: dict[SandboxId, dict[ContainerId, ContainerRecord]] = {}
        """The containers of each sandbox, in the order of their creation."""
        self.pods: dict[SandboxId, PodProcess] = {}
        """Connected pod processes."""
        self.flights: dict[tuple[Owner, PodMetadata], asyncio.Future[SandboxRecord]] = {}
        """Sandboxes being made: a second request for the same one waits for the first."""
        self.plans = ContainerPlans(default_in_file=config.runtime.seccomp_profile is not None)
        self.programs: dict[ContainerId, ContainerPlan] = {}
        """Plans of containers that are made and not started; compiled again when they are not here."""
        self.specs: dict[ContainerId, Config] = {}
        """What exec needs to know of running containers, kept from the first exec on."""
        self.execs: dict[ContainerId, OrderedDict[tuple[tuple[str, ...], bool, bool], Program]] = {}
        """The last commands that were run in a container, ready to be sent again: a probe repeats its own."""
        self.starting: dict[ContainerId, asyncio.Future[StartedProcess]] = {}
        """Containers whose plan has been sent, and not been answered."""
        self.exits: dict[ContainerId, asyncio.Event] = {}
        """Set when a container has ended; made by whoever waits first."""
        self._subscribers: list[Callable[[RuntimeEvent], None]] = []
        self._unwritten: dict[ContainerId, ContainerRecord] = {}
        self._flush: asyncio.Handle | None = None

    def prepare(self) -> None:
        """Make the directories, the cgroup parent and the network. Idempotent. Raises CgroupError, NetworkError,
        OSError.
        """
        for directory, mode in (
            (self.paths.containers, 0o711),
            (self.paths.pods, 0o700),
        ):
            os.makedirs(directory, mode, exist_ok=True)
        self.trash.prepare()
        self.spares.prepare()
        make_mountpoints(self.paths.mountpoints)
        self.cgroups.prepare()
        self.plain_facts = self._facts(())
        self.network.start()
        self.cni.start()
        if not self.features.capabilities & SYS_RESOURCE:
            log.warning(
                "this machine does not give CAP_SYS_RESOURCE: a negative oom_score_adj and a hard rlimit above the "
                "daemon's own cannot be set"
            )
        for warning in self.network.warnings:
            log.warning("network: %s", warning)

    def close(self) -> None:
        """Write what waits, and let go of everything; pods run on."""
        self.flush()
        for pod in self.pods.values():
            pod.on_closed = pod.on_exit = None
            pod.close()
        self.pods.clear()
        self.spare_pods.close()
        self.sweeper.close()
        self.spares.close()
        self.trash.close()
        self.cni.close()
        self.network.stop()
        if self.host_netns >= 0:
            os.close(self.host_netns)
            self.host_netns = -1

    def facts(self) -> HostFacts:
        """With the host's devices, as they are at this moment: for privileged containers."""
        return self._facts(host_devices())

    def _facts(self, devices: tuple[LinuxDevice, ...]) -> HostFacts:
        return HostFacts(
            masked_paths=masked_paths(),
            devices=devices,
            device_filter=self.cgroups.filters_devices,
            apparmor_default=self.config.runtime.apparmor_profile,
            runtime_default=self.config.runtime.seccomp_profile,
            seccomp_root=self.config.runtime.seccomp_root,
        )

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
        self.programs.pop(record.id, None)
        self.specs.pop(record.id, None)
        self.execs.pop(record.id, None)
        self.exits.pop(record.id, None)
        self.tables.delete_container(record.id)

    def write_later(self, record: ContainerRecord) -> None:
        """Write a container's start or end, a moment after everyone has been told; several share a commit.

        Until then the pod process's own record is the truth, and it outlives this process. A power cut takes both;
        whoever writes down more than this of an end calls :meth:`flush_ends` first.
        """
        self._unwritten[record.id] = record
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_WRITE_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is waiting. A database that cannot be written now (disk full) is tried again later."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if not self._unwritten:
            return
        records = dict(self._unwritten)
        self._flush = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.flush)
        try:
            with self.tables.store.transaction():
                for record in records.values():
                    self.tables.put_container(record)
                self.tables.store.on_commit(lambda: self._written(records))
        except StoreError as error:
            log.error("states of %d containers are not written yet: %s", len(records), error)

    def _written(self, records: dict[ContainerId, ContainerRecord]) -> None:
        for container_id, record in records.items():
            if self._unwritten.get(container_id) is record:
                del self._unwritten[container_id]
        if self._flush is not None and not self._unwritten:
            self._flush.cancel()
            self._flush = None

    def flush_ends(self) -> None:
        """Write what is waiting if a container's end is among it."""
        if any(record.state is ContainerState.EXITED for record in self._unwritten.values()):
            self.flush()

    # ------------------------------------------------------------------ events

    def subscribe(self, callback: Callable[[RuntimeEvent], None]) -> Callable[[], None]:
        """See :meth:`pyrt.runtime.Runtime.subscribe`."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def emit(
        self, kind: EventKind, sandbox_id: SandboxId, container_id: ContainerId | None = None, at: int = 0
    ) -> None:
        """Tell every subscriber; one that raises is logged and does not keep the others from hearing."""
        event = RuntimeEvent(kind, sandbox_id, container_id, at or time.time_ns())
        for callback in tuple(self._subscribers):
            try:
                callback(event)
            except Exception:
                log.exception("subscriber failed on %s", event)
