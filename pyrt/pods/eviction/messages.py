"""What a pod's status says of its eviction: the kubelet's own texts, which tools read (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pyrt.kube import quantity
from pyrt.pods.eviction.thresholds import Observation, Signal, Threshold
from pyrt.pods.eviction.usage import PodUsage

REASON: Final = "Evicted"
ATTEMPT_REASON: Final = "EvictionThresholdMet"


def attempt(resource: str) -> str:
    """An event about the node."""
    return f"Attempting to reclaim {resource}"


def refused(conditions: Iterable[str]) -> str:
    """Why a new pod is not taken."""
    return f"The node had condition: [{' '.join(conditions)}]. "


def low(resource: str, usage: PodUsage, crossed: Iterable[Threshold], seen: Mapping[Signal, Observation]) -> str:
    """Why a pod is evicted for the node's sake (``evictionMessage``)."""
    text = f"The node was low on resource: {resource}. "
    for threshold in crossed:
        if threshold.signal.resource == resource and threshold.signal in seen:
            found, signal = seen[threshold.signal], threshold.signal
            wanted = _figure(signal.is_bytes, threshold.amount(found.capacity))
            text += f"Threshold quantity: {wanted}, available: {_figure(signal.is_bytes, found.available)}. "
            break
    pod = usage.pod
    if resource == "memory" and pod.spec.resources is not None:
        own = pod.spec.resources.requests.get("memory")
        if own is not None:
            text += _consumer("Pod", pod.metadata.name, usage.memory, own, resource)
    for name, container in usage.containers.items():
        spec = next((c for c in (*pod.spec.containers, *pod.spec.init_containers) if c.name == name), None)
        if spec is None or resource not in ("memory", "ephemeral-storage"):
            continue
        used = container.memory if resource == "memory" else (container.layer + container.logs).bytes
        asked = spec.resources.requests.get(resource, "0")
        if used > quantity.value(asked):
            text += _consumer("Container", name, used, asked, resource)
    return text


def _consumer(what: str, name: str, used: int, asked: str, resource: str) -> str:
    figure = _figure(True, used)
    return f"{what} {name} was using {figure}, request is {asked}, has larger consumption of {resource}. "


def empty_dir(volume: str, limit: str) -> str:
    """An emptyDir holds more than its sizeLimit."""
    return f'Usage of EmptyDir volume "{volume}" exceeds the limit "{limit}". '


def container_storage(container: str, limit: str) -> str:
    """A container's writable layer and logs hold more than its limit of ephemeral-storage."""
    return f'Container {container} exceeded its local ephemeral storage limit "{limit}". '


def pod_storage(limit: str) -> str:
    """A pod's layers, logs and volumes hold more than its containers may together."""
    return f"Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "


def _figure(is_bytes: bool, amount: int) -> str:
    return quantity.of_units(amount, binary=is_bytes)
