"""What containers and sandboxes use: cgroup counters, the writable layer, the network interfaces."""

from __future__ import annotations

import asyncio
import os
import stat
import time

from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.stats import ContainerStats, InterfaceStats, SandboxStats
from pyrt.runtime.status import ContainerState

_BLOCK = 512
"""st_blocks counts these, whatever the file system (stat(2))."""


async def container_stats(core: Core, container_id: ContainerId) -> ContainerStats:
    """See :meth:`pyrt.runtime.Runtime.container_stats`."""
    record = core.container(container_id)
    size, inodes = await asyncio.to_thread(disk_usage, f"{core.paths.container(container_id)}/upper")
    return _stats(core, record, size, inodes)


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


def disk_usage(directory: str) -> tuple[int, int]:
    """Bytes on disk and inodes below ``directory``; hard links count once, links are not followed. Blocks: call in a
    thread.
    """
    size = inodes = 0
    seen: set[tuple[int, int]] = set()
    stack = [directory]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    key = (found.st_dev, found.st_ino)
                    if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                        if key in seen:
                            continue
                        seen.add(key)
                    size += found.st_blocks * _BLOCK
                    inodes += 1
                    if stat.S_ISDIR(found.st_mode):
                        stack.append(entry.path)
        except OSError:
            continue  # it went away while we looked
    return size, inodes
