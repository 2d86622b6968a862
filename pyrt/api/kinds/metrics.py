"""``metrics.k8s.io``: what ``top`` shows. CPU is the average since the last time that someone asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import psutil

from pyrt.api.call import Answer, Call, answer
from pyrt.api.discovery import Listed
from pyrt.api.errors import ApiError, not_found
from pyrt.api.selectors import parse_labels
from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.kube.pod import Pod
from pyrt.kube.times import to_text
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.runtime.stats import ContainerStats
from pyrt.runtime.status import ContainerState

GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
READ: Final = ("get", "list")
LISTED: Final = (
    Listed("nodes", "node", "NodeMetrics", READ),
    Listed("pods", "pod", "PodMetrics", READ, namespaced=True),
)
_FIRST_WINDOW: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Sample:
    at: int
    cpu_ns: int


class Metrics:
    """Answers for PodMetrics and NodeMetrics, and remembers what the last answer was computed from."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime) -> None:
        self._supervisor = supervisor
        self._runtime = runtime
        self._samples: dict[ContainerId, _Sample] = {}

    async def serve(self, call: Call) -> Answer:
        """Answer a request of the group. Raises ApiError."""
        route = call.route
        if call.method not in ("GET", "HEAD"):
            raise ApiError(405, "MethodNotAllowed", f"{call.method} is not supported on metrics")
        if route.resource == "nodes":
            return self._nodes(route.name)
        if route.resource != "pods":
            raise not_found(route.resource, route.name, group=GROUP)
        selector = parse_labels(call.query.get("labelSelector", ""))
        items = [
            await self._pod(pod)
            for pod in self._supervisor.pods()
            if (not route.namespace or pod.metadata.namespace == route.namespace)
            and (not route.name or pod.metadata.name == route.name)
            and selector.matches(pod.metadata.labels)
            and pod.status.phase == "Running"
        ]
        if route.name:
            if not items:
                raise not_found("pods", route.name, group=GROUP)
            return answer(items[0])
        return answer(_list("PodMetricsList", items))

    async def _pod(self, pod: Pod) -> dict[str, Any]:
        now = time.time_ns()
        window = _FIRST_WINDOW
        containers = []
        for sandbox_id in self._supervisor.sandboxes(pod.metadata.uid):
            for status in self._runtime.list_containers(sandbox_id):
                if status.state is not ContainerState.RUNNING:
                    self._samples.pop(status.id, None)
                    continue
                try:
                    stats = await self._runtime.container_stats(status.id)
                except PyrtError:
                    continue  # it has just ended
                cpu, window = self._rate(stats, status.started_at)
                containers.append({"name": status.config.name, "usage": _usage(cpu, stats.cgroup.memory_working_set)})
        return {
            "kind": "PodMetrics",
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {
                "name": pod.metadata.name,
                "namespace": pod.metadata.namespace,
                "creationTimestamp": to_text(now),
                "labels": pod.metadata.labels,
            },
            "timestamp": to_text(now),
            "window": f"{window / 1e9:.3f}s",
            "containers": containers,
        }

    def _rate(self, stats: ContainerStats, started_at: int) -> tuple[int, int]:
        """Nanocores, and the nanoseconds that they are an average of."""
        before = self._samples.get(stats.id) or _Sample(started_at, 0)
        window = max(stats.at - before.at, 1)
        if window >= _FIRST_WINDOW:
            self._samples[stats.id] = _Sample(stats.at, stats.cgroup.cpu_usage_ns)
        return max(stats.cgroup.cpu_usage_ns - before.cpu_ns, 0) * 1_000_000_000 // window, window

    def _nodes(self, name: str) -> Answer:
        facts = self._supervisor.facts
        if name and name != facts.name:
            raise not_found("nodes", name, group=GROUP)
        memory = psutil.virtual_memory()
        cores = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
        now = to_text(time.time_ns())
        node = {
            "kind": "NodeMetrics",
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {"name": facts.name, "creationTimestamp": now},
            "timestamp": now,
            "window": "1s",
            "usage": _usage(int(cores * 1e9), memory.total - memory.available),
        }
        return answer(node if name else _list("NodeMetricsList", [node]))


def _usage(nanocores: int, memory: int) -> dict[str, str]:
    return {"cpu": f"{nanocores}n", "memory": f"{memory // 1024}Ki"}


def _list(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
