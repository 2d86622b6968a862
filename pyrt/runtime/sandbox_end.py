"""The end of a sandbox: asked for, or because its pod process died."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from pyrt.cgroups.foreign import is_foreign
from pyrt.ids import SandboxId
from pyrt.runtime.config import Owner
from pyrt.runtime.container_exit import KILLED, UNKNOWN_EXIT_CODE, cgroup_of, container_exited, finish
from pyrt.runtime.core import Core
from pyrt.runtime.foreign_cgroup import release_foreign
from pyrt.runtime.podfiles import ExitRecord, read_exits, read_starts
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.runtime.sandbox_network import detach
from pyrt.runtime.status import ContainerState, EventKind
from pyrt.store import StoreError

log = logging.getLogger(__name__)

_STOP_SECONDS = 10.0
"""After this long without an answer the pod process itself is killed, and the kernel takes the rest."""


async def stop_sandbox(core: Core, sandbox_id: SandboxId) -> None:
    """See :meth:`pyrt.runtime.Runtime.stop_sandbox`. Answers when the last process is gone."""
    record = core.sandboxes.get(sandbox_id)
    if record is None:
        return
    pod = core.pods.get(sandbox_id)
    if pod is not None:
        try:
            await asyncio.wait_for(pod.stop(), _STOP_SECONDS)
        except TimeoutError:
            pod.kill()
            await pod.died()
        pod_process_ended(core, sandbox_id)
    _release(core, record)
    if record.cni is not None:
        await detach(core, record)


def pod_process_ended(core: Core, sandbox_id: SandboxId) -> None:
    """Take note that a pod process is gone, and of the exits that it left behind. Idempotent."""
    pod = core.pods.pop(sandbox_id, None)
    if pod is not None:
        pod.on_closed = pod.on_exit = None
        pod.close()
    record = core.sandboxes.get(sandbox_id)
    if record is None or record.stopped:
        return
    take_exits(core, record)
    record.stopped, record.pod_pid = True, 0
    core.flush()
    try:
        core.tables.put_sandbox(record)
    except StoreError as error:  # disk full: the next daemon finds no process and comes to the same conclusion
        log.error("sandbox %s has stopped, which is not written: %s", sandbox_id[:13], error)
    core.emit(EventKind.STOPPED, sandbox_id)


def pod_process_died(core: Core, sandbox_id: SandboxId) -> None:
    """Take note that a pod process has died without having been asked to, and give back what its sandbox had: host
    ports and addresses are wanted by the next one. Idempotent.
    """
    record = core.sandboxes.get(sandbox_id)
    if record is None or record.stopped:
        return
    # The kernel kills its containers with it (PR_SET_PDEATHSIG), unless they have executed a set-user-ID program.
    for container_id in core.members[sandbox_id]:
        core.cgroups.kill(f"{record.config.cgroup_parent}/{container_id}")
    pod_process_ended(core, sandbox_id)
    _release(core, record)
    if record.cni is not None:
        core.cni.delete_soon(sandbox_id)


def take_exits(core: Core, record: SandboxRecord) -> None:
    """Finish every container of a sandbox whose pod process is gone, from the files in its run directory.

    A container with a start and no exit was killed with the pod; one without either, after a reboot, ended nobody
    knows how. One that was made and never started goes: it cannot be started here any more. A kubelet's stays as it is
    until it is removed: its id has been given away.
    """
    containers = [c for c in core.members.get(record.id, {}).values() if c.state is not ContainerState.EXITED]
    if not containers:
        return
    run_dir = Path(core.paths.pod(record.id))
    exits, starts = read_exits(run_dir), read_starts(run_dir)
    now = time.time_ns()
    for container in containers:
        exit_record = exits.get(container.id)
        if exit_record is None and (start := starts.get(container.id)) is not None:
            exit_record = ExitRecord.killed_with_pod(start, now)
        if exit_record is not None:
            container_exited(core, container.id, exit_record)
        elif container.state is ContainerState.CREATED and container.id in core.starting:
            continue  # whoever waits for its start hears of it, and puts it down
        elif container.state is ContainerState.CREATED and record.boot == core.boot:
            if record.config.owner is Owner.API:
                discard(core, container)
        else:
            # After a reboot also what the database has as made only: its start is written a moment later.
            code = UNKNOWN_EXIT_CODE if record.boot != core.boot else KILLED
            finish(core, container, exit_code=code, reason="Error", finished_at=now, message="the pod process ended")


def discard(core: Core, container: ContainerRecord) -> None:
    """Forget a container that was made and never ran: as if it had not been made."""
    log.info("container %s of %s was never started", container.config.name, container.sandbox_id[:13])
    core.trash.throw(core.paths.container(container.id))
    core.sweeper.later(cgroup_of(core, container))
    core.drop_container(container)
    core.emit(EventKind.DELETED, container.sandbox_id, container.id)


def _release(core: Core, record: SandboxRecord) -> None:
    """Addresses, cgroup and run directory: nothing of them is needed for the status of what has ended."""
    core.network.release(record.id)
    parent = record.config.cgroup_parent
    if is_foreign(parent):
        release_foreign(core, record)
    else:
        core.sweeper.cancel(parent)
        shared = any(
            other.config.cgroup_parent == parent and not other.stopped
            for other in core.sandboxes.values()
            if other is not record
        )
        if not shared and not core.cgroups.remove(parent):
            core.sweeper.later(parent)
    core.trash.remove(core.paths.pod(record.id))


async def take_down(core: Core, record: SandboxRecord) -> None:
    """Stop and remove a sandbox with its containers: the same for one that failed half-way and one that had its
    time.
    """
    if record.id in core.sandboxes:
        await stop_sandbox(core, record.id)
    else:  # its pod process could not even be started
        _release(core, record)
    with core.tables.store.transaction():
        for container in list(core.members.get(record.id, {}).values()):
            core.spares.give_back_layer(core.paths.container(container.id))
            core.drop_container(container)
            core.emit(EventKind.DELETED, record.id, container.id)
        if record.id in core.sandboxes:
            core.emit(EventKind.DELETED, record.id)
        core.drop_sandbox(record.id)


async def remove_sandbox(core: Core, sandbox_id: SandboxId) -> None:
    """See :meth:`pyrt.runtime.Runtime.remove_sandbox`."""
    record = core.sandboxes.get(sandbox_id)
    if record is not None:
        await take_down(core, record)
