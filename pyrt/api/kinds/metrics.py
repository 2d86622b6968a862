"""``metrics.k8s.io``: what ``top`` shows. CPU is the average since the last time that someone asked, if that is not
long ago, else over a moment for which the answer waits: nothing is sampled while nobody asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
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
from pyrt.pods.eviction.measure import memory
from pyrt.pods.eviction.thresholds import Signal
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime import Runtime
from pyrt.runtime.status import ContainerState, ContainerStatus

GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
READ: Final = ("get", "list")
LISTED: Final = (
    Listed("nodes", "node", "NodeMetrics", READ),
    Listed("pods", "pod", "PodMetrics", READ, namespaced=True),
)
_SHORTEST: Final = 250_000_000
_LONGEST: Final = 60_000_000_000
"""Nanoseconds between two samples of which a rate is made."""
_WAIT_SECONDS: Final = 0.5
_NODE: Final = "node"


@dataclass(frozen=True, slots=True)
class _Sample:
    at: int
    cpu_ns: int
    memory: int
    """Working set, bytes."""


@dataclass(frozen=True, slots=True)
class _Rate:
    nanocores: int
    memory: int
    window: int
    """Nanoseconds that the rate is an average of."""


class Metrics:
    """Answers for PodMetrics and NodeMetrics, and remembers what the last answer was computed from."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime) -> None:
        self._supervisor = supervisor
        self._runtime = runtime
        self._samples: dict[str, _Sample] = {}

    async def serve(self, call: Call) -> Answer:
        """Answer a request of the group. Raises ApiError."""
        route = call.route
        if call.method not in ("GET", "HEAD"):
            raise ApiError(405, "MethodNotAllowed", f"{call.method} is not supported on metrics")
        if route.resource == "nodes":
            return await self._nodes(route.name)
        if route.resource != "pods":
            raise not_found(route.resource, route.name, group=GROUP)
        selector = parse_labels(call.query.get("labelSelector", ""))
        pods = [
            pod
            for pod in self._supervisor.pods()
            if (not route.namespace or pod.metadata.namespace == route.namespace)
            and (not route.name or pod.metadata.name == route.name)
            and selector.matches(pod.metadata.labels)
            and pod.status.phase == "Running"
        ]
        if route.name and not pods:
            raise not_found("pods", route.name, group=GROUP)
        running = {pod.metadata.uid: self._running(pod) for pod in pods}
        rates = await self._rates([status.id for found in running.values() for status in found])
        items = [_pod(pod, running[pod.metadata.uid], rates) for pod in pods]
        return answer(items[0] if route.name else _list("PodMetricsList", items))

    def _running(self, pod: Pod) -> list[ContainerStatus]:
        return [
            status
            for sandbox_id in self._supervisor.sandboxes(pod.metadata.uid)
            for status in self._runtime.list_containers(sandbox_id)
            if status.state is ContainerState.RUNNING
        ]

    def _sample(self, key: str) -> _Sample | None:
        """Counters now; ``None`` of a container that has just ended."""
        if key == _NODE:
            times, seen = psutil.cpu_times(), memory()[Signal.MEMORY]
            idle = times.idle + getattr(times, "iowait", 0.0)
            # guest time is part of user time (proc_stat(5))
            busy = sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
            return _Sample(time.time_ns(), int(busy * 1e9), seen.capacity - seen.available)
        try:
            found = self._runtime.container_cgroup(ContainerId(key))
        except PyrtError:
            return None
        return _Sample(time.time_ns(), found.cpu_usage_ns, found.memory_working_set)

    async def _rates(self, keys: Iterable[str]) -> dict[str, _Rate]:
        """What each uses now. Waits a moment if there is a first sample to be taken."""
        wanted = list(keys)
        fresh = False
        for key in wanted:
            before, now = self._samples.get(key), self._sample(key)
            if now is not None and (before is None or not _SHORTEST <= now.at - before.at <= _LONGEST):
                self._samples[key], fresh = now, True
        if fresh:
            await asyncio.sleep(_WAIT_SECONDS)
        rates = {}
        for key in wanted:
            before, now = self._samples.get(key), self._sample(key)
            if before is None or now is None:
                continue
            window = max(now.at - before.at, 1)
            nanocores = max(now.cpu_ns - before.cpu_ns, 0) * 1_000_000_000 // window
            rates[key] = _Rate(nanocores, now.memory, window)
            self._samples[key] = now
        oldest = time.time_ns() - _LONGEST
        self._samples = {key: sample for key, sample in self._samples.items() if sample.at > oldest}
        return rates

    async def _nodes(self, name: str) -> Answer:
        facts = self._supervisor.facts
        if name and name != facts.name:
            raise not_found("nodes", name, group=GROUP)
        rate = (await self._rates([_NODE]))[_NODE]
        now = to_text(time.time_ns())
        node = {
            "kind": "NodeMetrics",
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {"name": facts.name, "creationTimestamp": now},
            "timestamp": now,
            "window": _window(rate.window),
            "usage": _usage(rate.nanocores, rate.memory),
        }
        return answer(node if name else _list("NodeMetricsList", [node]))


def _pod(pod: Pod, running: Iterable[ContainerStatus], rates: Mapping[str, _Rate]) -> dict[str, Any]:
    now = to_text(time.time_ns())
    found = [(status.config.name, rates[status.id]) for status in running if status.id in rates]
    return {
        "kind": "PodMetrics",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {
            "name": pod.metadata.name,
            "namespace": pod.metadata.namespace,
            "creationTimestamp": now,
            "labels": pod.metadata.labels,
        },
        "timestamp": now,
        "window": _window(max((rate.window for _, rate in found), default=0)),
        "containers": [{"name": name, "usage": _usage(rate.nanocores, rate.memory)} for name, rate in found],
    }


def _window(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.3f}s"


def _usage(nanocores: int, memory: int) -> dict[str, str]:
    return {"cpu": f"{nanocores}n", "memory": f"{memory // 1024}Ki"}


def _list(kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
