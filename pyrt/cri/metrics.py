"""ListMetricDescriptors, ListPodSandboxMetrics and its stream: a kubelet passes them on at /metrics/cadvisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from pyrt.config import Config
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import container_config, sandbox_request
from pyrt.cri.identity import World
from pyrt.cri.layers import WritableLayers
from pyrt.cri.metric_families import BASE_LABELS, FAMILIES, INTERFACE_FAMILIES
from pyrt.cri.metric_figures import Figures, FileSystem, figures, file_system_of
from pyrt.cri.services import Handlers
from pyrt.ids import SandboxId
from pyrt.runtime import Runtime
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.stats import InterfaceStats
from pyrt.runtime.status import ContainerState, ContainerStatus, SandboxState, SandboxStatus
from pyrt.runtime.usage import interfaces

BATCH = 50
"""Sandboxes in one message of a stream; of each some 10 KiB."""


class Metrics:
    """The three calls. Files are read in a worker thread, by one request at a time."""

    def __init__(self, config: Config, runtime: Runtime, world: World, layers: WritableLayers) -> None:
        self._runtime = runtime
        self._world = world
        self._layers = layers
        self._root = config.paths.root
        self._turn = asyncio.Lock()

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "ListMetricDescriptors": self.list_metric_descriptors,
            "ListPodSandboxMetrics": self.list_sandbox_metrics,
            "StreamPodSandboxMetrics": self.stream_sandbox_metrics,
        }

    async def list_metric_descriptors(
        self, request: cri.ListMetricDescriptorsRequest
    ) -> cri.ListMetricDescriptorsResponse:
        """What there is; it never changes, and not every machine has a value for each."""
        return cri.ListMetricDescriptorsResponse(
            descriptors=[
                *(
                    cri.MetricDescriptor(name=one.name, help=one.help, label_keys=(*BASE_LABELS, *one.labels))
                    for one in FAMILIES
                ),
                *(
                    cri.MetricDescriptor(name=one.name, help=one.help, label_keys=(*BASE_LABELS, "interface"))
                    for one in INTERFACE_FAMILIES
                ),
            ]
        )

    async def list_sandbox_metrics(
        self, request: cri.ListPodSandboxMetricsRequest
    ) -> cri.ListPodSandboxMetricsResponse:
        """Of every ready sandbox and its running containers."""
        return cri.ListPodSandboxMetricsResponse(pod_metrics=await self._measure(self._ready()))

    async def stream_sandbox_metrics(
        self, request: cri.StreamPodSandboxMetricsRequest
    ) -> AsyncIterator[cri.StreamPodSandboxMetricsResponse]:
        """As ListPodSandboxMetrics, in parts."""
        ready = self._ready()
        for start in range(0, len(ready), BATCH):
            part = await self._measure(ready[start : start + BATCH])
            yield cri.StreamPodSandboxMetricsResponse(pod_sandbox_metrics=part)

    def _ready(self) -> list[SandboxStatus]:
        return [status for status in self._world.sandboxes() if status.state is SandboxState.READY]

    async def _measure(self, chosen: Sequence[SandboxStatus]) -> list[cri.PodSandboxMetrics]:
        members: dict[SandboxId, list[tuple[ContainerStatus, str, Path]]] = {status.id: [] for status in chosen}
        for container in self._world.containers():
            if container.sandbox_id in members and container.state is ContainerState.RUNNING:
                path, layer = self._runtime.cgroup_path(container.id), self._runtime.writable_layer(container.id)
                members[container.sandbox_id].append((container, path, layer))

        def look() -> list[cri.PodSandboxMetrics]:
            file_system = file_system_of(self._root)
            return [self._sandbox(status, members[status.id], file_system) for status in chosen]

        async with self._turn:
            return await asyncio.to_thread(look)

    def _sandbox(
        self, status: SandboxStatus, members: Sequence[tuple[ContainerStatus, str, Path]], file_system: FileSystem
    ) -> cri.PodSandboxMetrics:
        metadata = sandbox_request(status).config.metadata
        own_network = status.pid and status.config.network is NamespaceMode.POD
        labels = (metadata.name, metadata.namespace, "", status.id, "")
        found = []
        for container, path, directory in members:
            layer = self._layers.usage(container.id, directory)
            looked = figures(container, self._runtime.cgroups, path, layer, file_system)
            if looked.processes:  # else it has just ended
                asked = container_config(container)
                image = asked.image.user_specified_image or asked.image.image
                own = (metadata.name, metadata.namespace, asked.metadata.name, container.id, image)
                found.append(
                    cri.ContainerMetrics(container_id=container.id, metrics=list(container_metrics(looked, own)))
                )
        return cri.PodSandboxMetrics(
            pod_sandbox_id=status.id,
            metrics=list(interface_metrics(interfaces(status.pid), labels)) if own_network else [],
            container_metrics=found,
        )


# A timestamp of 0 says that the figure is of now (CRI, Metric.timestamp).


def container_metrics(found: Figures, labels: tuple[str, ...]) -> Iterator[cri.Metric]:
    """Every value of every family. ``labels``: values of the base labels."""
    for family in FAMILIES:
        kind = cri.COUNTER if family.counter else cri.GAUGE
        for own, value in family.values(found):
            yield cri.Metric(
                name=family.name,
                metric_type=kind,
                label_values=(*labels, *own),
                value=cri.UInt64Value(value=value),
            )


def interface_metrics(found: Sequence[InterfaceStats], labels: tuple[str, ...]) -> Iterator[cri.Metric]:
    """Every counter of every interface."""
    for family in INTERFACE_FAMILIES:
        for one in found:
            yield cri.Metric(
                name=family.name,
                metric_type=cri.COUNTER,
                label_values=(*labels, one.name),
                value=cri.UInt64Value(value=family.value(one)),
            )
