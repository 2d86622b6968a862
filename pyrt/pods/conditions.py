"""The conditions of a pod. A condition keeps its transition time as long as its status does not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStatus, PodCondition
from pyrt.pods.restart import is_sidecar

OWNED = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "AllContainersRestarting",
)
"""What is computed here, in the order of the kubelet; conditions of other types are kept as they are."""


_FINAL = {"Succeeded": "Completed", "Failed": "Failed"}


def _names(containers: Sequence[str]) -> str:
    return "[" + " ".join(containers) + "]"


def _initialised(
    pod: Pod, statuses: Mapping[str, ContainerStatus], phase: str, before: PodCondition | None
) -> PodCondition:
    name = "Initialized"
    inits = pod.spec.init_containers
    if phase == "Succeeded":
        return PodCondition(type=name, status="True", reason="PodCompleted")
    if not inits:
        return PodCondition(type=name, status="True")
    begun = (statuses.get(c.name) for c in pod.spec.containers)
    if any(s is not None and (s.state.running or s.state.terminated or s.last_state.terminated) for s in begun):
        return PodCondition(type=name, status="True")
    unknown = [c.name for c in inits if c.name not in statuses]
    missing = [c.name for c in inits if c.name in statuses and not _is_initialised(c, statuses[c.name])]
    if not unknown and not missing:
        return PodCondition(type=name, status="True")
    if before is not None and before.status == "True":
        # What runs again after a new sandbox or a reset does not take back that the pod was initialized once.
        return PodCondition(type=name, status="True")
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {_names(unknown)}")
    if missing:
        parts.append(f"containers with incomplete status: {_names(missing)}")
    return PodCondition(type=name, status="False", reason="ContainersNotInitialized", message=", ".join(parts))


def _is_initialised(container: Container, status: ContainerStatus) -> bool:
    return bool(status.started) if is_sidecar(container) else status.ready


def _containers_ready(pod: Pod, statuses: Mapping[str, ContainerStatus], phase: str) -> PodCondition:
    name = "ContainersReady"
    if phase in ("Succeeded", "Failed"):
        return PodCondition(type=name, status="False", reason=f"Pod{_FINAL[phase]}")
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


def _restarting_all(phase: str, under_way: bool) -> PodCondition:
    name = "AllContainersRestarting"
    if phase in ("Succeeded", "Failed"):
        return PodCondition(type=name, status="False", reason=f"Pod{_FINAL[phase]}")
    if not under_way:
        return PodCondition(type=name, status="False")
    message = "container exited with restart policy rule"
    return PodCondition(type=name, status="True", reason="RestartAllContainersStarted", message=message)


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
    pod: Pod,
    statuses: Mapping[str, ContainerStatus],
    phase: str,
    *,
    sandbox_ready: bool,
    now_text: str,
    restarting_all: bool | None = None,
) -> list[PodCondition]:
    """All conditions of the pod's next status; ``now_text`` is the time of what changes now.

    ``restarting_all`` says whether a restart of all containers is under way; ``None``: no container can cause one.
    """
    old = {condition.type: condition for condition in pod.status.conditions}
    containers_ready = _containers_ready(pod, statuses, phase)
    made = [
        PodCondition(type="PodReadyToStartContainers", status="True" if sandbox_ready else "False"),
        _initialised(pod, statuses, phase, old.get("Initialized")),
        _ready(pod, containers_ready, old),
        containers_ready,
        _scheduled(pod),
    ]
    if restarting_all is not None:
        made.append(_restarting_all(phase, restarting_all))
    return _merged(pod, made, old, now_text)


def gated_conditions(pod: Pod, now_text: str) -> list[PodCondition]:
    """Those of a pod that waits for its scheduling gates to be lifted."""
    return _merged(pod, [_scheduled(pod)], {condition.type: condition for condition in pod.status.conditions}, now_text)


def _merged(pod: Pod, made: list[PodCondition], old: Mapping[str, PodCondition], now_text: str) -> list[PodCondition]:
    for condition in made:
        condition.observed_generation = pod.metadata.generation
        before = old.get(condition.type)
        same = before is not None and before.status == condition.status and before.last_transition_time
        condition.last_transition_time = before.last_transition_time if before is not None and same else now_text
    return [c for c in pod.status.conditions if c.type not in OWNED] + made
