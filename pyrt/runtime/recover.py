"""Taking over from an earlier daemon: what lives goes on, what has died is finished, what is half-made is removed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from functools import partial
from pathlib import Path

from pyrt.ids import SandboxId
from pyrt.runtime.container_exit import UNKNOWN_EXIT_CODE, container_exited, finish
from pyrt.runtime.core import Core
from pyrt.runtime.podfiles import ExitRecord
from pyrt.runtime.podprocess import PodGoneError, PodProcess
from pyrt.runtime.protocol import ProcessItem, ProcessPhase, SandboxPhase
from pyrt.runtime.records import ContainerRecord, SandboxRecord
from pyrt.runtime.sandbox_end import pod_process_ended, stop_sandbox, take_down
from pyrt.runtime.status import ContainerState

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 0.01


async def recover(core: Core) -> None:
    """See :meth:`pyrt.runtime.Runtime.recover`."""
    sandboxes, containers = core.tables.load()
    for sandbox in sandboxes:
        core.add_sandbox(sandbox)
    for container in containers:
        if container.sandbox_id in core.sandboxes:
            core.add_container(container)
        else:
            core.tables.delete_container(container.id)
    async with asyncio.TaskGroup() as group:
        for sandbox in sandboxes:
            if not sandbox.stopped:
                group.create_task(_take_over(core, sandbox))
    await _remove_strange_pods(core)
    _remove_strange_directories(core)
    _remove_strange_cgroups(core)
    core.network.recover({record.id for record in core.sandboxes.values() if not record.stopped})


async def _take_over(core: Core, record: SandboxRecord) -> None:
    """One sandbox that the database takes for alive."""
    pod = await _connect(core, record)
    if pod is None:
        log.info("sandbox %s: its pod process is gone", record.id[:13])
        pod_process_ended(core, record.id)
        await stop_sandbox(core, record.id)
        return
    if pod.sandbox is not SandboxPhase.READY:
        # The daemon died while the sandbox was being made (nobody was told of it), or being stopped.
        core.pods[record.id] = pod
        stopping = pod.sandbox is SandboxPhase.STOPPING
        log.info("sandbox %s: %s when the daemon ended", record.id[:13], "stopping" if stopping else "half-made")
        await (stop_sandbox(core, record.id) if stopping else take_down(core, record))
        return
    with contextlib.suppress(PodGoneError):
        await _settle(pod)
    adopt(core, record, pod)


async def _connect(core: Core, record: SandboxRecord) -> PodProcess | None:
    if record.boot != core.boot:
        return None
    try:
        return await PodProcess.connect(Path(core.paths.pod(record.id)))
    except PodGoneError:
        return None


def adopt(core: Core, record: SandboxRecord, pod: PodProcess) -> None:
    """Go on with a live pod process: its word on its containers is newer than the database's."""
    core.pods[record.id] = pod
    record.pod_pid = pod.pid
    for container in list(core.members[record.id].values()):
        item = pod.processes.get(container.id)
        if item is not None:
            _adopt_container(core, container, item)
        elif container.state is ContainerState.RUNNING:
            finish(core, container, exit_code=UNKNOWN_EXIT_CODE, reason="Error", finished_at=0, message="lost")
    pod.on_exit = partial(container_exited, core)
    pod.on_closed = partial(pod_process_ended, core, record.id)


def _adopt_container(core: Core, container: ContainerRecord, item: ProcessItem) -> None:
    if container.state is ContainerState.EXITED:
        return
    if item.phase == ProcessPhase.EXITED:
        exit_record = ExitRecord(item.id, False, item.pid, item.status, item.started, item.finished)
        container_exited(core, container.id, exit_record)
    elif item.phase == ProcessPhase.RUNNING:
        container.state, container.pid, container.started_at = ContainerState.RUNNING, item.pid, item.started


async def _settle(pod: PodProcess) -> None:
    """A container whose start the earlier daemon had not been answered: between clone3 and execve, which takes no
    time.
    """
    while any(item.phase == ProcessPhase.STARTING for item in pod.processes.values()):
        await asyncio.sleep(_SETTLE_SECONDS)
        pod.processes = await pod.list_processes()


async def _remove_strange_pods(core: Core) -> None:
    """Pod processes that no record knows: of a root directory that was removed, or between two instants of a crash."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(core.paths.pods):
            record = core.sandboxes.get(SandboxId(name))
            if record is not None and (not record.stopped):
                continue
            run_dir = core.paths.pod(name)
            with contextlib.suppress(PodGoneError):
                pod = await PodProcess.connect(Path(run_dir))
                log.warning("pod process %d in %s belongs to no sandbox: stopping it", pod.pid, run_dir)
                await pod.stop()
            core.trash.remove(run_dir)


def _remove_strange_directories(core: Core) -> None:
    for name in os.listdir(core.paths.containers):
        if name not in core.containers:
            core.trash.throw(f"{core.paths.containers}/{name}")


def _remove_strange_cgroups(core: Core) -> None:
    """Below our own parent only: pods' cgroups without a live sandbox, containers' cgroups without a running
    container.
    """
    live = {record.config.cgroup_parent for record in core.sandboxes.values() if not record.stopped}
    running = {c.id for c in core.containers.values() if c.state is not ContainerState.EXITED}
    for qos in ("", "burstable", "besteffort"):
        for name in core.cgroups.children(qos):
            path = f"{qos}/{name}" if qos else name
            if path in ("burstable", "besteffort"):
                continue
            if path not in live:
                core.cgroups.kill(path)
                if not core.cgroups.remove(path):
                    core.sweeper.later(path)
                continue
            for child in core.cgroups.children(path):
                if len(child) == 64 and child not in running:
                    core.sweeper.later(f"{path}/{child}")
