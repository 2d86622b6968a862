"""Stopping a container: the stop signal, the grace, then SIGKILL for everything in it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal

from pyrt.ids import ContainerId
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.poderrors import PodProcessError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.signals import stop_signal
from pyrt.runtime.status import ContainerState, ContainerStatus


async def stop_container(core: Core, container_id: ContainerId, grace_seconds: float, asked: str | None) -> None:
    """See :meth:`pyrt.runtime.Runtime.stop_container`. Answers as soon as the process has ended."""
    record = core.containers.get(container_id)
    if record is None:
        return
    starting = core.starting.get(container_id)
    if starting is not None:  # it is on its way: then it can be stopped
        await asyncio.wait([starting])
    if ended(record) or (record.state is ContainerState.CREATED and starting is None):
        return
    pod = core.pods.get(record.sandbox_id)
    if pod is None:
        return
    if grace_seconds > 0:
        await _signal(pod, record, stop_signal(record.config, asked))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wait_exit(core, record), grace_seconds)
    if ended(record):
        return
    # Of a PID namespace of its own the kernel takes all processes with the first; in a shared one the cgroup finds
    # the others.
    await _signal(pod, record, signal.SIGKILL)
    await asyncio.shield(wait_exit(core, record))
    core.cgroups.kill(cgroup_of(core, record))


async def _signal(pod: PodProcess, record: ContainerRecord, number: int) -> None:
    try:
        await pod.signal(record.id, number)
    except PodProcessError as error:
        # It has just ended (its exit is on the way), or the whole pod has: either way there is nothing left to signal.
        if error.errno not in (errno.ESRCH, errno.ENOENT) and pod.alive:
            raise


def ended(record: ContainerRecord) -> bool:
    """Whether it is EXITED by now."""
    return record.state is ContainerState.EXITED


async def wait_exit(core: Core, record: ContainerRecord) -> ContainerStatus:
    """The status once the container is EXITED."""
    while not ended(record):
        event = core.exits.get(record.id)
        if event is None:
            event = core.exits[record.id] = asyncio.Event()
        await event.wait()
    return record.status()
