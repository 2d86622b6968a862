"""Pods and readings for the tests of eviction."""

from __future__ import annotations

from pyrt.kube.container import Container
from pyrt.kube.defaults import set_pod_defaults
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.resources import ResourceRequirements
from pyrt.pods.eviction.thresholds import Observation, Signal
from pyrt.pods.eviction.usage import ContainerUsage, PodUsage, Space

MI = 1 << 20
GI = 1 << 30
PLENTY = {
    Signal.MEMORY: Observation(8 * GI, 16 * GI),
    Signal.NODEFS: Observation(80 * GI, 100 * GI),
    Signal.NODEFS_INODES: Observation(900, 1000),
    Signal.IMAGEFS: Observation(80 * GI, 100 * GI),
    Signal.IMAGEFS_INODES: Observation(900, 1000),
    Signal.PID: Observation(30000, 32768),
}


def a_pod(name: str = "web", *, priority: int = 0, grace: int = 30, **requests: str) -> Pod:
    resources = ResourceRequirements(requests={k.replace("_", "-"): v for k, v in requests.items()})
    spec = PodSpec(
        containers=[Container(name="app", image="x:1", resources=resources)],
        priority=priority,
        termination_grace_period_seconds=grace,
    )
    pod = Pod(metadata=ObjectMeta(name=name, namespace="default", uid=name), spec=spec)
    set_pod_defaults(pod)
    return pod


def using(pod: Pod, *, memory: int = 0, layer: int = 0, logs: int = 0, processes: int = 1, **volumes: int) -> PodUsage:
    container = ContainerUsage(memory, Space(layer, 10), Space(logs, 1))
    return PodUsage(pod, memory, processes, {"app": container}, {n: Space(b, 5) for n, b in volumes.items()})


def seen(**changes: Observation) -> dict[Signal, Observation]:
    return PLENTY | {Signal[name]: observation for name, observation in changes.items()}
