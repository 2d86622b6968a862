"""Taking over from an earlier daemon: what lives goes on, what has died is finished, what is half-made is removed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from functools import partial
from pathlib import Path

from pyrt.ids import SandboxId
from pyrt.runtime import pod_search
from pyrt.runtime.container_exit import UNKNOWN_EXIT_CODE, container_exited, finish
from pyrt.runtime.core import Core
from pyrt.runtime.poderrors import PodGoneError
from pyrt.runtime.podfiles import ExitRecord
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.protocol import ProcessItem, ProcessPhase, SandboxPhase
from pyrt.runtime.records import CniPhase, ContainerRecord, SandboxRecord
from pyrt.runtime.sandbox_end import pod_process_died, stop_sandbox, take_down
from pyrt.runtime.status import ContainerState

log = logging.getLogger(__name__)

_SETTLE_SECONDS = 0.01
_COMING_UP_SECONDS = 5.0
"""How long a pod process that is there and does not listen is waited for: it has not begun to run yet."""


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
    # Before anything is taken down: a plugin of the earlier daemon's must not come after that.
    await core.cni.end_strays({s.id for s in sandboxes if s.cni is CniPhase.ADDED and not s.stopped})
    processes = pod_search.pod_processes(core.paths.pods)
    async with asyncio.TaskGroup() as group:
        for sandbox in sandboxes:
            if not sandbox.stopped:
                group.create_task(_take_over(core, sandbox, processes.get(core.paths.pod(sandbox.id), [])))
    await _remove_strange_pods(core)
    _kill_unreachable_pods(core)
    _remove_strange_directories(core)
    _remove_strange_cgroups(core)
    live = {record.id for record in core.sandboxes.values() if not record.stopped}
    core.network.recover(live)
    core.cni.recover(live)


async def _take_over(core: Core, record: SandboxRecord, processes: list[int]) -> None:
    """One sandbox that the database takes for alive; ``processes`` are those of its run directory."""
    pod = await _connect(core, record, processes)
    if pod is None:
        log.info("sandbox %s: its pod process is gone", record.id[:13])
        pod_process_died(core, record.id)
        return
    if pod.sandbox is not SandboxPhase.READY or record.cni is CniPhase.ADDING:
        # The daemon died while the sandbox was being made (nobody was told of it), or being stopped.
        core.pods[record.id] = pod
        stopping = pod.sandbox is SandboxPhase.STOPPING
        log.info("sandbox %s: %s when the daemon ended", record.id[:13], "stopping" if stopping else "half-made")
        await (stop_sandbox(core, record.id) if stopping else take_down(core, record))
        return
    with contextlib.suppress(PodGoneError):
        await _settle(pod)
    adopt(core, record, pod)


async def _connect(core: Core, record: SandboxRecord, processes: list[int]) -> PodProcess | None:
    if record.boot != core.boot:
        return None
    run_dir = Path(core.paths.pod(record.id))
    deadline = time.monotonic() + _COMING_UP_SECONDS
    while True:
        try:
            return await PodProcess.connect(run_dir)
        except PodGoneError:
            # Killed between its fork and its first moments, the earlier daemon may have left requests to a process
            # that is still to come up and would carry them out, beside the sandbox that takes its place.
            if not any(os.path.exists(f"/proc/{pid}") for pid in processes):
                return None
            if time.monotonic() > deadline or not run_dir.is_dir():
                pod_search.kill(processes)
                return None
        await asyncio.sleep(_SETTLE_SECONDS)


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
    pod.on_closed = partial(pod_process_died, core, record.id)


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


def _kill_unreachable_pods(core: Core) -> None:
    """Pod processes that nobody can talk to any more: their run directory was removed under them."""
    for run_dir, pids in pod_search.pod_processes(core.paths.pods).items():
        if SandboxId(os.path.basename(run_dir)) not in core.pods:
            log.warning("pod process %d of %s is out of reach: killing it", pids[0], run_dir)
            pod_search.kill(pids)


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
