"""ContainerStats, PodSandboxStats, their lists and streams: what containers and sandboxes use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grpc import StatusCode

from pyrt.config import Config
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import container_config, sandbox_request
from pyrt.cri.errors import CriError
from pyrt.cri.identity import World
from pyrt.cri.layers import WritableLayers
from pyrt.cri.listing import chosen_containers, chosen_sandboxes
from pyrt.cri.rates import Rates
from pyrt.cri.services import Handlers
from pyrt.cri.usage_messages import (
    cpu_usage,
    io_usage,
    layer_usage,
    memory_usage,
    network_usage,
    number,
    swap_usage,
)
from pyrt.ids import SandboxId
from pyrt.runtime import Runtime
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.status import ContainerState, ContainerStatus, EventKind, RuntimeEvent, SandboxState, SandboxStatus
from pyrt.runtime.usage import interfaces

BATCH = 500
"""Of what one message of a stream has: some 300 bytes each for containers, a kilobyte for sandboxes."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A container to be looked at, away from the event loop."""

    status: ContainerStatus
    cgroup: str
    layer: Path


class Stats:
    """The six calls. Files are read in a worker thread, by one request at a time."""

    def __init__(self, config: Config, runtime: Runtime, world: World, layers: WritableLayers) -> None:
        self._runtime = runtime
        self._world = world
        self._layers = layers
        self._mountpoint = str(config.paths.root)
        self._rates = Rates()
        self._turn = asyncio.Lock()
        runtime.subscribe(self._on_event)

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "ContainerStats": self.container_stats,
            "ListContainerStats": self.list_container_stats,
            "StreamContainerStats": self.stream_container_stats,
            "PodSandboxStats": self.sandbox_stats,
            "ListPodSandboxStats": self.list_sandbox_stats,
            "StreamPodSandboxStats": self.stream_sandbox_stats,
        }

    def _on_event(self, event: RuntimeEvent) -> None:
        if event.kind is EventKind.DELETED:
            key = event.container_id or event.sandbox_id
            self._rates.forget(key)
            self._layers.forget(key)

    async def container_stats(self, request: cri.ContainerStatsRequest) -> cri.ContainerStatsResponse:
        """One container. Of one that does not run, only what its layer takes."""
        [stats] = await self._of_containers([self._job(self._world.container(request.container_id))])
        return cri.ContainerStatsResponse(stats=stats)

    async def list_container_stats(self, request: cri.ListContainerStatsRequest) -> cri.ListContainerStatsResponse:
        """All containers for which the filter holds, in whatever state."""
        return cri.ListContainerStatsResponse(stats=await self._of_containers(self._chosen(request.filter)))

    async def stream_container_stats(
        self, request: cri.StreamContainerStatsRequest
    ) -> AsyncIterator[cri.StreamContainerStatsResponse]:
        """As ListContainerStats, in parts."""
        jobs = self._chosen(request.filter)
        for start in range(0, len(jobs), BATCH):
            stats = await self._of_containers(jobs[start : start + BATCH])
            yield cri.StreamContainerStatsResponse(container_stats=stats)

    async def sandbox_stats(self, request: cri.PodSandboxStatsRequest) -> cri.PodSandboxStatsResponse:
        """One sandbox with its containers. Refused (UNAVAILABLE, as by containerd) when it is not ready."""
        status = self._world.sandbox(request.pod_sandbox_id)
        if status.state is not SandboxState.READY:
            raise CriError(
                "it is not ready", code=StatusCode.UNAVAILABLE, subject=f"sandbox {status.id}", operation="stats"
            )
        [stats] = await self._of_sandboxes([status])
        return cri.PodSandboxStatsResponse(stats=stats)

    async def list_sandbox_stats(self, request: cri.ListPodSandboxStatsRequest) -> cri.ListPodSandboxStatsResponse:
        """All ready sandboxes for which the filter holds."""
        return cri.ListPodSandboxStatsResponse(stats=await self._of_sandboxes(self._ready(request.filter)))

    async def stream_sandbox_stats(
        self, request: cri.StreamPodSandboxStatsRequest
    ) -> AsyncIterator[cri.StreamPodSandboxStatsResponse]:
        """As ListPodSandboxStats, in parts."""
        chosen = self._ready(request.filter)
        for start in range(0, len(chosen), BATCH):
            stats = await self._of_sandboxes(chosen[start : start + BATCH])
            yield cri.StreamPodSandboxStatsResponse(pod_sandbox_stats=stats)

    def _chosen(self, chosen: cri.ContainerStatsFilter) -> list[_Job]:
        wanted = cri.ContainerFilter(
            id=chosen.id, pod_sandbox_id=chosen.pod_sandbox_id, label_selector=chosen.label_selector
        )
        return [self._job(status) for status in chosen_containers(self._world, wanted)]

    def _ready(self, chosen: cri.PodSandboxStatsFilter) -> list[SandboxStatus]:
        wanted = cri.PodSandboxFilter(id=chosen.id, label_selector=chosen.label_selector)
        return [one for one in chosen_sandboxes(self._world, wanted) if one.state is SandboxState.READY]

    def _job(self, status: ContainerStatus) -> _Job:
        runtime = self._runtime
        return _Job(status, runtime.cgroup_path(status.id), runtime.writable_layer(status.id))

    async def _of_containers(self, jobs: Sequence[_Job]) -> list[cri.ContainerStats]:
        async with self._turn:
            return await asyncio.to_thread(lambda: [self._container(job) for job in jobs])

    async def _of_sandboxes(self, chosen: Sequence[SandboxStatus]) -> list[cri.PodSandboxStats]:
        members: dict[SandboxId, list[_Job]] = {status.id: [] for status in chosen}
        for container in self._world.containers():
            if container.sandbox_id in members and container.state is ContainerState.RUNNING:
                members[container.sandbox_id].append(self._job(container))
        async with self._turn:
            return await asyncio.to_thread(lambda: [self._sandbox(status, members[status.id]) for status in chosen])

    def _container(self, job: _Job) -> cri.ContainerStats:
        status, asked = job.status, container_config(job.status)
        message = cri.ContainerStats(
            attributes=cri.ContainerAttributes(
                id=status.id, metadata=asked.metadata, labels=asked.labels, annotations=asked.annotations
            ),
            writable_layer=layer_usage(self._layers.usage(status.id, job.layer), self._mountpoint),
        )
        if status.state is not ContainerState.RUNNING:
            return message
        at, cgroup = time.time_ns(), self._runtime.cgroups.stats(job.cgroup)
        if not cgroup.cpu_usage_ns and not cgroup.memory_usage:
            return message  # it has just ended, and its cgroup is gone
        pressures = self._runtime.cgroups.pressures(job.cgroup)
        rate = self._rates.nano_cores(status.id, at, cgroup.cpu_usage_ns)
        message.cpu.CopyFrom(cpu_usage(at, cgroup, rate, pressures.cpu))
        message.memory.CopyFrom(memory_usage(at, cgroup, pressures.memory))
        message.swap.CopyFrom(swap_usage(at, cgroup))
        if (io := io_usage(at, pressures)) is not None:
            message.io.CopyFrom(io)
        return message

    def _sandbox(self, status: SandboxStatus, members: Sequence[_Job]) -> cri.PodSandboxStats:
        config, path, driver = sandbox_request(status).config, status.config.cgroup_parent, self._runtime.cgroups
        at, cgroup, pressures = time.time_ns(), driver.stats(path), driver.pressures(path)
        rate = self._rates.nano_cores(status.id, at, cgroup.cpu_usage_ns)
        own_network = status.pid and status.config.network is NamespaceMode.POD
        return cri.PodSandboxStats(
            attributes=cri.PodSandboxAttributes(
                id=status.id, metadata=config.metadata, labels=config.labels, annotations=config.annotations
            ),
            linux=cri.LinuxPodSandboxStats(
                cpu=cpu_usage(at, cgroup, rate, pressures.cpu),
                memory=memory_usage(at, cgroup, pressures.memory),
                network=network_usage(at, interfaces(status.pid)) if own_network else None,
                process=cri.ProcessUsage(timestamp=at, process_count=number(len(driver.processes(path)))),
                containers=[self._container(job) for job in members],
                io=io_usage(at, pressures),
            ),
        )
