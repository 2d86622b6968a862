"""Pods that use more disk than they may: limits of an emptyDir, of a container, of all containers together (pure)."""

from __future__ import annotations

from fractions import Fraction

from pyrt.kube import quantity
from pyrt.kube.aggregate import pod_limits
from pyrt.kube.pod import Pod
from pyrt.pods.eviction.messages import container_storage, empty_dir, pod_storage
from pyrt.pods.eviction.usage import PodUsage

STORAGE = "ephemeral-storage"


def is_limited(pod: Pod) -> bool:
    """Whether there is anything to be measured: most pods cost nothing."""
    if any(v.empty_dir is not None and v.empty_dir.size_limit and not v.empty_dir.medium for v in pod.spec.volumes):
        return True
    return any(STORAGE in c.resources.limits for c in (*pod.spec.containers, *pod.spec.init_containers))


def exceeded(usage: PodUsage, *, own_imagefs: bool = False) -> str | None:
    """Why the pod must go; ``None`` if it keeps within its limits (``localStorageEviction`` of the kubelet)."""
    spec = usage.pod.spec
    for volume in spec.volumes:
        source = volume.empty_dir
        space = usage.volumes.get(volume.name)
        if source is None or source.medium or not source.size_limit or space is None:
            continue
        if space.bytes > quantity.value(source.size_limit) > 0:
            return empty_dir(volume.name, source.size_limit)
    total = pod_limits(spec).get(STORAGE)
    if total is not None and usage.disk().bytes > total:
        return pod_storage(_text(total))
    for container in spec.containers:
        limit = container.resources.limits.get(STORAGE)
        used = usage.containers.get(container.name)
        if limit is None or used is None or not quantity.value(limit):
            continue
        if (used.logs if own_imagefs else used.logs + used.layer).bytes > quantity.value(limit):
            return container_storage(container.name, limit)
    return None


def _text(amount: Fraction) -> str:
    return quantity.of_units(int(amount), binary=True)
