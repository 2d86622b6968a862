"""The phase of a pod: one word computed from its containers' statuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyrt.kube.container import Container
from pyrt.kube.pod import PodSpec
from pyrt.kube.podstatus import ContainerState, ContainerStateTerminated, ContainerStatus
from pyrt.pods.restart import is_sidecar, should_restart

Phase: TypeAlias = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(slots=True)
class _Tally:
    running: int = 0
    waiting: int = 0
    stopped: int = 0
    to_restart: int = 0
    succeeded: int = 0


def _end(status: ContainerStatus) -> ContainerStateTerminated | None:
    """How the container ended: now, or before the restart it waits for."""
    if status.state.running is not None:
        return None
    if status.state.waiting is not None:
        return status.last_state.terminated
    return status.state.terminated


def _not_begun(status: ContainerStatus | None) -> bool:
    return status is None or (status.state.running is None and _end(status) is None)


def _tally(spec: PodSpec, statuses: Mapping[str, ContainerStatus], replaced: Collection[str]) -> _Tally:
    tally = _Tally()
    for container in spec.containers:
        status = statuses.get(container.name)
        if status is None or _not_begun(status):
            tally.waiting += 1
        elif (end := _end(status)) is None:
            tally.running += 1
        else:
            tally.stopped += 1
            tally.succeeded += end.exit_code == 0
            tally.to_restart += container.name in replaced or should_restart(container, spec, end.exit_code)
    return tally


def _initialising(container: Container, status: ContainerStatus | None, begun: bool) -> bool:
    """Whether an init container still keeps the pod in Pending; ``begun``: a regular container has been started."""
    if not is_sidecar(container):
        return status is None or status.state.running is not None or _not_begun(status)
    if begun:
        return False
    return status is None or _not_begun(status) or (status.state.running is not None and not status.started)


def compute_phase(
    spec: PodSpec, statuses: Iterable[ContainerStatus], *, ended: bool = False, replaced: Collection[str] = ()
) -> Phase:
    """The phase that ``statuses`` (of init and regular containers) amount to.

    ``ended`` says that nothing will be started any more, so that a pod whose containers are all down is Succeeded or
    Failed whatever its restart policy. ``replaced`` names containers that were stopped to be started anew, whatever the
    policy. The caller keeps a phase that is final. (kubelet, ``getPhase``.)
    """
    by_name = {status.name: status for status in statuses}
    serving = False
    for container in spec.init_containers:
        status = by_name.get(container.name)
        if is_sidecar(container):
            serving = serving or (status is not None and status.state.running is not None)
            continue
        end = None if status is None else _end(status)
        if end is None or end.exit_code == 0 or container.name in replaced:
            continue
        if ended or not should_restart(container, spec, end.exit_code):
            return "Failed"
    tally = _tally(spec, by_name, replaced)
    if ended and tally.running == 0:
        return "Succeeded" if tally.succeeded == len(spec.containers) else "Failed"
    begun = tally.running + tally.stopped > 0
    if tally.waiting or any(_initialising(c, by_name.get(c.name), begun) for c in spec.init_containers):
        return "Pending"
    if tally.running or tally.to_restart or serving:
        return "Running"  # sidecars are stopped when the others have ended; until then the pod has not
    return "Succeeded" if tally.succeeded == tally.stopped else "Failed"


def state_word(state: ContainerState) -> str:
    """``waiting``, ``running`` or ``terminated``."""
    if state.running is not None:
        return "running"
    return "terminated" if state.terminated is not None else "waiting"
