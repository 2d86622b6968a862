"""What containers use: cgroup counters, the writable layer; and what goes through network interfaces."""

from __future__ import annotations

import asyncio
import time

from pyrt._native import TreeUsage, tree_usage
from pyrt.ids import ContainerId
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.stats import ContainerStats, InterfaceStats


async def container_stats(core: Core, container_id: ContainerId) -> ContainerStats:
    """See :meth:`pyrt.runtime.Runtime.container_stats`."""
    record = core.container(container_id)
    layer = await asyncio.to_thread(_layer, f"{core.paths.container(container_id)}/upper")
    return ContainerStats(
        id=record.id,
        at=time.time_ns(),
        cgroup=core.cgroups.stats(cgroup_of(core, record)),
        writable_bytes=layer.bytes,
        writable_inodes=layer.inodes,
    )


def _layer(directory: str) -> TreeUsage:
    try:
        return tree_usage(directory)
    except OSError:
        return TreeUsage(0, 0)  # it went away while we looked


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
