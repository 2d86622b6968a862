"""Requests and limits as cgroup figures, and who dies first when memory runs out.

The kubelet's arithmetic (``pkg/kubelet/cm/helpers_linux.go``, ``pkg/kubelet/qos/policy.go``): a thousandth of a core
is 1.024 shares and 100 µs of quota in each period of 100 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pyrt.kube import quantity
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.qos import QosClass
from pyrt.kube.resources import ResourceRequirements
from pyrt.runtime.config import Resources

MIN_SHARES: Final = 2
MAX_SHARES: Final = 262144
PERIOD: Final = 100_000
"""Microseconds."""
MIN_QUOTA: Final = 1000
"""Microseconds: the kernel takes no less."""
GUARANTEED_OOM: Final = -997
BEST_EFFORT_OOM: Final = 1000
NODE_CRITICAL: Final = 2_000_001_000
"""The priority of system-node-critical."""
_PARENT: Final[dict[QosClass, str]] = {"Guaranteed": "", "Burstable": "burstable/", "BestEffort": "besteffort/"}


def cgroup_parent(uid: str, qos: QosClass) -> str:
    """The pod's cgroup below the configured root: ``burstable/pod<uid>``."""
    return f"{_PARENT[qos]}pod{uid}"


def shares(milli_cpu: int) -> int:
    """CPU shares of a request in thousandths of a core."""
    return min(max(milli_cpu * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def quota(milli_cpu: int) -> int | None:
    """CPU quota of a limit in thousandths of a core; ``None`` for no limit."""
    return max(milli_cpu * PERIOD // 1000, MIN_QUOTA) if milli_cpu > 0 else None


def container_resources(requirements: ResourceRequirements) -> Resources:
    """The figures of one container's cgroup."""
    limits, requests = requirements.limits, requirements.requests
    cpu_limit = _milli(limits, "cpu")
    memory = _units(limits, "memory")
    quota_us = quota(cpu_limit)
    return Resources(
        cpu_shares=shares(_milli(requests, "cpu") if "cpu" in requests else cpu_limit),
        cpu_quota=quota_us,
        cpu_period=PERIOD if quota_us is not None else None,
        memory_limit=memory or None,
        # Memory and swap together: a limited container does not swap.
        memory_swap_limit=memory or None,
        hugepage_limits=_hugepages(limits),
    )


def pod_resources(pod: Pod, pids_limit: int = 0) -> Resources:
    """The figures of the pod's cgroup: limits only if every container has one, or the pod itself."""
    cpu_limit, memory_limit = _pod_limit(pod, "cpu", _milli), _pod_limit(pod, "memory", _units)
    quota_us = quota(cpu_limit) if cpu_limit is not None else None
    return Resources(
        cpu_shares=shares(_pod_request(pod, "cpu", _milli)),
        cpu_quota=quota_us,
        cpu_period=PERIOD if quota_us is not None else None,
        memory_limit=memory_limit,
        pids_limit=pids_limit or None,
        hugepage_limits=_hugepages(pod.spec.resources.limits) if pod.spec.resources is not None else {},
    )


def oom_score_adj(pod: Pod, container: Container | EphemeralContainer, qos: QosClass, memory_capacity: int) -> int:
    """The oom_score_adj of a container's processes, -997 to 1000; ``memory_capacity`` is the machine's, in bytes."""
    if qos == "Guaranteed" or (pod.spec.priority or 0) >= NODE_CRITICAL:
        return GUARANTEED_OOM
    if qos == "BestEffort":
        return BEST_EFFORT_OOM
    own = _burstable_oom(_memory_request(pod, container), memory_capacity)
    if container.restart_policy == "Always" and container in pod.spec.init_containers:
        # A sidecar must not die before the containers that it serves.
        smallest = min((_memory_request(pod, regular) for regular in pod.spec.containers), default=0)
        own = min(own, _burstable_oom(smallest, memory_capacity))
    return own


def _memory_request(pod: Pod, container: Container | EphemeralContainer) -> int:
    request = _units(container.resources.requests, "memory")
    whole = pod.spec.resources
    if whole is None or not (total := _units(whole.requests, "memory")):
        return request
    # What the pod asks for beyond its containers' own requests is shared out evenly (KEP-2837).
    containers = [*pod.spec.containers, *(c for c in pod.spec.init_containers if c.restart_policy == "Always")]
    surplus = total - sum(_units(c.resources.requests, "memory") for c in containers)
    return request + max(surplus, 0) // max(len(containers), 1)


def _burstable_oom(request: int, capacity: int) -> int:
    score = 1000 - 1000 * request // max(capacity, 1)
    lowest = 1000 + GUARANTEED_OOM
    return min(max(score, lowest), BEST_EFFORT_OOM - 1)


_Figure = Callable[[dict[str, str], str], int]


def _milli(resources: dict[str, str], name: str) -> int:
    return quantity.milli(resources[name]) if name in resources else 0


def _units(resources: dict[str, str], name: str) -> int:
    return quantity.units(resources[name]) if name in resources else 0


def _hugepages(limits: dict[str, str]) -> dict[str, int]:
    return {
        # The kernel's file names have 2MB for what Kubernetes calls 2Mi.
        name.removeprefix("hugepages-").replace("i", "B"): quantity.units(text)
        for name, text in limits.items()
        if name.startswith("hugepages-")
    }


def _pod_request(pod: Pod, name: str, figure: _Figure) -> int:
    whole = pod.spec.resources
    if whole is not None and name in whole.requests:
        total = figure(whole.requests, name)
    else:
        total = _sum_or_peak(pod, lambda container: figure(container.resources.requests, name))
    return total + figure(pod.spec.overhead, name)


def _pod_limit(pod: Pod, name: str, figure: _Figure) -> int | None:
    whole = pod.spec.resources
    if whole is not None and name in whole.limits:
        return figure(whole.limits, name) or None
    everyone: Iterable[Container] = (*pod.spec.containers, *pod.spec.init_containers)
    if not all(figure(container.resources.limits, name) for container in everyone):
        return None
    total = _sum_or_peak(pod, lambda container: figure(container.resources.limits, name))
    return total + figure(pod.spec.overhead, name)


def _sum_or_peak(pod: Pod, figure: Callable[[Container], int]) -> int:
    """What all containers need together, or an init container beside its earlier sidecars, whichever is more."""
    running = sum(map(figure, pod.spec.containers))
    sidecars = peak = 0
    for container in pod.spec.init_containers:
        if container.restart_policy == "Always":
            sidecars += figure(container)
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + figure(container))
    return max(running + sidecars, peak)
