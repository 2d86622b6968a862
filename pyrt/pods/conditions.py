"""The conditions of a pod. A condition keeps its transition time as long as its status does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStatus, PodCondition
from pyrt.pods.restart import is_sidecar

OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
"""What is computed here, in the order of the kubelet; conditions of other types are kept as they are."""


def _names(containers: Sequence[str]) -> str:
    return "[" + " ".join(containers) + "]"


def _initialised(pod: Pod, statuses: Mapping[str, ContainerStatus], phase: str) -> PodCondition:
    name = "Initialized"
    if phase == "Succeeded":
        return PodCondition(type=name, status="True", reason="PodCompleted")
    begun = (statuses.get(c.name) for c in pod.spec.containers)
    if any(s is not None and (s.state.running or s.state.terminated or s.last_state.terminated) for s in begun):
        return PodCondition(type=name, status="True")
    missing = [c.name for c in pod.spec.init_containers if not _is_initialised(c, statuses.get(c.name))]
    if not missing:
        return PodCondition(type=name, status="True")
    message = f"containers with incomplete status: {_names(missing)}"
    return PodCondition(type=name, status="False", reason="ContainersNotInitialized", message=message)


def _is_initialised(container: Container, status: ContainerStatus | None) -> bool:
    if status is None:
        return False
    return bool(status.started) if is_sidecar(container) else status.ready


def _containers_ready(pod: Pod, statuses: Mapping[str, ContainerStatus], phase: str) -> PodCondition:
    name = "ContainersReady"
    if phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        return PodCondition(type=name, status="False", reason=reason)
    concerned = [c.name for c in pod.spec.init_containers if is_sidecar(c)] + [c.name for c in pod.spec.containers]
    unknown = [n for n in concerned if n not in statuses]
    unready = [n for n in concerned if n in statuses and not statuses[n].ready]
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {_names(unknown)}")
    if unready:
        parts.append(f"containers with unready status: {_names(unready)}")
    if parts:
        return PodCondition(type=name, status="False", reason="ContainersNotReady", message=", ".join(parts))
    return PodCondition(type=name, status="True")


def _scheduled(pod: Pod) -> PodCondition:
    name = "PodScheduled"
    if pod.spec.scheduling_gates:
        message = "Scheduling is blocked due to non-empty scheduling gates"
        return PodCondition(type=name, status="False", reason="SchedulingGated", message=message)
    return PodCondition(type=name, status="True")


def _ready(pod: Pod, containers_ready: PodCondition, old: Mapping[str, PodCondition]) -> PodCondition:
    name, base = "Ready", containers_ready
    if base.status != "True":
        return PodCondition(type=name, status=base.status, reason=base.reason, message=base.message)
    parts = []
    for gate in pod.spec.readiness_gates:
        found = old.get(gate.condition_type)
        if found is None:
            parts.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif found.status != "True":
            parts.append(f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {found.status}')
    if parts:
        return PodCondition(type=name, status="False", reason="ReadinessGatesNotReady", message=", ".join(parts))
    return PodCondition(type=name, status="True")


def compute_conditions(
    pod: Pod, statuses: Mapping[str, ContainerStatus], phase: str, *, sandbox_ready: bool, now_text: str
) -> list[PodCondition]:
    """All conditions of the pod's next status; ``now_text`` is the time of what changes now."""
    old = {condition.type: condition for condition in pod.status.conditions}
    containers_ready = _containers_ready(pod, statuses, phase)
    made = [
        PodCondition(type="PodReadyToStartContainers", status="True" if sandbox_ready else "False"),
        _initialised(pod, statuses, phase),
        _ready(pod, containers_ready, old),
        containers_ready,
        _scheduled(pod),
    ]
    for condition in made:
        condition.observed_generation = pod.metadata.generation
        before = old.get(condition.type)
        same = before is not None and before.status == condition.status and before.last_transition_time
        condition.last_transition_time = before.last_transition_time if before is not None and same else now_text
    return [c for c in pod.status.conditions if c.type not in OWNED] + made
