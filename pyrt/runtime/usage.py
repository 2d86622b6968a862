"""What containers and sandboxes use: cgroup counters, the writable layer, the network interfaces."""

from __future__ import annotations

import asyncio
import time

from pyrt._native import TreeUsage, tree_usage
from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.stats import ContainerStats, InterfaceStats, SandboxStats
from pyrt.runtime.status import ContainerState


async def container_stats(core: Core, container_id: ContainerId) -> ContainerStats:
    """See :meth:`pyrt.runtime.Runtime.container_stats`."""
    record = core.container(container_id)
    layer = await asyncio.to_thread(_layer, f"{core.paths.container(container_id)}/upper")
    return _stats(core, record, layer.bytes, layer.inodes)


def _layer(directory: str) -> TreeUsage:
    try:
        return tree_usage(directory)
    except OSError:
        return TreeUsage(0, 0)  # it went away while we looked


def _stats(core: Core, record: ContainerRecord, size: int, inodes: int) -> ContainerStats:
    return ContainerStats(
        id=record.id,
        at=time.time_ns(),
        cgroup=core.cgroups.stats(cgroup_of(core, record)),
        writable_bytes=size,
        writable_inodes=inodes,
    )


async def sandbox_stats(core: Core, sandbox_id: SandboxId) -> SandboxStats:
    """See :meth:`pyrt.runtime.Runtime.sandbox_stats`."""
    record = core.sandbox(sandbox_id)
    running = [c for c in core.members[sandbox_id].values() if c.state is ContainerState.RUNNING]
    own_network = record.pod_pid and record.config.network is NamespaceMode.POD
    return SandboxStats(
        id=sandbox_id,
        at=time.time_ns(),
        cgroup=core.cgroups.stats(record.config.cgroup_parent),
        interfaces=interfaces(record.pod_pid) if own_network else (),
        containers=tuple([await container_stats(core, container.id) for container in running]),
    )


def interfaces(pid: int) -> tuple[InterfaceStats, ...]:
    """/proc/PID/net/dev (proc_pid_net(5)) of a process in the network namespace; without the loopback."""
    try:
        with open(f"/proc/{pid}/net/dev") as file:
            lines = file.readlines()[2:]
    except OSError:
        return ()
    found = []
    for line in lines:
        name, _, rest = line.partition(":")
        n = [int(field) for field in rest.split()]
        if name.strip() != "lo" and len(n) >= 12:
            found.append(InterfaceStats(name.strip(), n[0], n[1], n[2], n[3], n[8], n[9], n[10], n[11]))
    return tuple(found)
