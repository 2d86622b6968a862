"""The status of a pod, computed from its object, what is observed, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    HostIP,
    ImageVolumeStatus,
    LinuxContainerUser,
    PodCondition,
    PodIP,
    PodStatus,
    VolumeMountStatus,
    VolumeStatus,
)
from pyrt.kube.qos import qos_class
from pyrt.kube.times import to_text
from pyrt.pods import resize
from pyrt.pods.conditions import OWNED, compute_conditions, gated_conditions
from pyrt.pods.hold import find_hold
from pyrt.pods.lifetime import REFUSED, TERMINAL, ending, verdict
from pyrt.pods.model import HookState, Observed, ObservedContainer
from pyrt.pods.phase import compute_phase
from pyrt.pods.reset import WAITING, WAITING_MESSAGE, Reset, could_reset, find_reset
from pyrt.pods.restart import (
    LOST_EXIT_CODE,
    UNHEALTHY,
    is_sidecar,
    latest_by_name,
    newest_sandbox,
    restarts,
    usable_sandbox,
)
from pyrt.runtime.status import ContainerState as RuntimeState

DISRUPTION = "DisruptionTarget"
IMAGE_FAILURES = frozenset(
    {"ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"}
)
"""Reasons why an image volume is not there: shown as a container's own."""

RUNTIME_SCHEME = "pyrt://"
"""Before a container's id in ``containerID``."""


@dataclass(frozen=True, slots=True)
class Node:
    """The machine, as pods see it."""

    name: str
    addresses: tuple[str, ...] = ()
    """At most one of each family, the primary first."""


def compute_status(pod: Pod, observed: Observed, now: int, node: Node) -> PodStatus:
    """The status that ``pod`` has at ``now`` (Unix nanoseconds); ``pod.status`` is the one before it.

    A final phase is never left; addresses once known are kept when the sandbox is gone.
    """
    return _Snapshot(pod, observed, now, node).status()


class _Snapshot:
    """What the parts of one computation share."""

    __slots__ = ("_dead", "_ended", "_latest", "_node", "_now", "_observed", "_pod", "_reset")

    def __init__(self, pod: Pod, observed: Observed, now: int, node: Node) -> None:
        self._pod, self._observed, self._now, self._node = pod, observed, now, node
        self._latest = latest_by_name(observed.containers)
        self._dead = _previous(observed.containers, self._latest)
        self._ended = ending(pod, observed, self._latest, now)
        self._reset = find_reset(pod, observed.containers)

    def status(self) -> PodStatus:
        pod, observed, old = self._pod, self._observed, self._pod.status
        spec = pod.spec
        if spec.scheduling_gates and old.start_time is None:
            # No node has seen it yet.
            return PodStatus(
                observed_generation=pod.metadata.generation,
                phase="Pending",
                conditions=gated_conditions(pod, to_text(self._now)),
                qos_class=old.qos_class or qos_class(pod),
            )
        verdict_now = verdict(pod, observed, self._now)
        initial = "PodInitializing" if spec.init_containers else "ContainerCreating"
        known = {s.name: s for s in (*old.init_container_statuses, *old.container_statuses)}
        known.update({s.name: s for s in old.ephemeral_container_statuses})
        inits = [self._container(c, initial, known, init=True) for c in spec.init_containers]
        apps = [self._container(c, initial, known) for c in spec.containers]
        # Nobody asks whether a guest is ready or has started (kubelet, prober ``UpdatePodStatus``).
        others = [
            replace(self._container(c, "ContainerCreating", known), ready=False, started=None)
            for c in spec.ephemeral_containers
        ]
        going = self._latest.values() if self._ended is None else ()
        replaced = [c.name for c in going if self._replaced(c) or c.stop_reason == UNHEALTHY]
        phase: str = compute_phase(spec, (*inits, *apps), ended=self._all_down(), replaced=replaced)
        reason, message = "", ""
        if old.phase in TERMINAL:
            phase, reason, message = old.phase, old.reason, old.message
        elif verdict_now is not None and not self._all_down():
            # What still runs holds what the pod was given: it has not failed before all of it has ended (kubelet,
            # ``mergePodStatus``).
            phase, reason, message = old.phase or phase, old.reason, old.message
        elif verdict_now is not None:
            phase, reason, message = "Failed", verdict_now.reason, verdict_now.message
        elif old.phase == phase:
            reason, message = old.reason, old.message
        if message.startswith(REFUSED):
            # The kubelet's refusal (``rejectPod``) tells of no containers and no conditions: nothing will ever happen.
            return PodStatus(
                observed_generation=pod.metadata.generation,
                phase=phase,
                reason=reason,
                message=message,
                conditions=[condition for condition in old.conditions if condition.type not in OWNED],
                start_time=old.start_time or to_text(observed.accepted_at),
                qos_class=old.qos_class or qos_class(pod),
            )
        by_name = {s.name: s for s in (*inits, *apps)}
        status = PodStatus(
            observed_generation=pod.metadata.generation,
            phase=phase,
            reason=reason,
            message=message,
            conditions=compute_conditions(
                pod,
                by_name,
                phase,
                sandbox_ready=usable_sandbox(observed) is not None,
                now_text=to_text(self._now),
                restarting_all=self._restarting_all(),
            ),
            start_time=old.start_time or to_text(observed.accepted_at),
            init_container_statuses=inits,
            container_statuses=sorted(apps, key=lambda s: s.name),
            ephemeral_container_statuses=sorted(others, key=lambda s: s.name),
            qos_class=old.qos_class or qos_class(pod),
            nominated_node_name=old.nominated_node_name,
        )
        self._addresses(status)
        self._disturbed(status)
        if spec.resources is not None:
            resize.show_pod_level(status, pod, observed)
        return status

    def _disturbed(self, status: PodStatus) -> None:
        """The conditions of a pod that is resized or evicted."""
        observed, old = self._observed, self._pod.status.conditions
        if observed.resize is not None or any(c.type in resize.CONDITIONS for c in old):
            made = [] if status.phase in TERMINAL else resize.conditions(self._pod, observed, to_text(self._now))
            status.conditions = [c for c in status.conditions if c.type not in resize.CONDITIONS] + made
        eviction = observed.eviction
        if eviction is None or not eviction.pressure or status.reason != "Evicted":
            return
        if not any(c.type == DISRUPTION and c.status == "True" for c in status.conditions):
            target = PodCondition(type=DISRUPTION, status="True", reason="TerminationByKubelet")
            target.message, target.last_transition_time = eviction.message, to_text(self._now)
            target.observed_generation = self._pod.metadata.generation
            status.conditions = [*(c for c in status.conditions if c.type != DISRUPTION), target]

    def _replaced(self, last: ObservedContainer) -> bool:
        """Whether an instance was stopped to make place for another, whatever the policy says."""
        return last.stop_reason == "Changed" or self._reset.ended(last)

    def _restarting_all(self) -> bool | None:
        """Whether a reset is under way; ``None`` for a pod that knows no such thing."""
        if not could_reset(self._pod.spec):
            return None
        return self._ended is None and any(c.live and self._reset.ended(c) for c in self._latest.values())

    def _all_down(self) -> bool:
        return self._ended is not None and not any(c.live for c in self._observed.containers)

    def _addresses(self, status: PodStatus) -> None:
        node = self._node.addresses
        if node:
            status.host_ip = node[0]
            status.host_ips = [HostIP(ip=address) for address in node]
        newest = newest_sandbox(self._observed)
        addresses: Sequence[str] = ()
        if newest is not None and newest.ready:
            addresses = node if self._pod.spec.host_network else newest.addresses
        if not addresses:
            addresses = [address.ip for address in self._pod.status.pod_ips]
        if addresses:
            status.pod_ip = addresses[0]
            status.pod_ips = [PodIP(ip=address) for address in addresses]

    def _container(
        self,
        container: Container | EphemeralContainer,
        initial: str,
        known: Mapping[str, ContainerStatus],
        *,
        init: bool = False,
    ) -> ContainerStatus:
        last = self._latest.get(container.name)
        old = known.get(container.name)
        if last is None:
            return self._without_instance(container, initial, old)
        status = ContainerStatus(
            name=container.name,
            image=last.image_name or last.image or container.image,
            image_id=last.image_digest or last.image_id,
            container_id=RUNTIME_SCHEME + last.id,
            restart_count=last.attempt,
            state=self._state(last, old),
            started=False,
            volume_mounts=_mounts(container, self._observed.volume_images),
        )
        previous = self._dead.get(container.name)
        if previous is not None:
            status.last_state = ContainerState(terminated=_terminated(previous, self._reset))
        elif old is not None and old.container_id != status.container_id and old.state.terminated is not None:
            status.last_state = ContainerState(terminated=old.state.terminated)
        elif old is not None:
            status.last_state = old.last_state
        status.resources = container.resources
        if container.resources.limits or container.resources.requests:
            status.resources = resize.actual(container.resources, last)
            status.allocated_resources = container.resources.requests
        if container.lifecycle is not None:
            status.stop_signal = container.lifecycle.stop_signal
        if last.user is not None:
            uid, gid, groups = last.user
            status.user = ContainerUser(linux=LinuxContainerUser(uid=uid, gid=gid, supplemental_groups=list(groups)))
        if last.state is RuntimeState.RUNNING and _hook_pending(container, last):
            # Not shown as running before its postStart hook is done (core/v1, Lifecycle).
            status.state = ContainerState(waiting=ContainerStateWaiting(reason=initial))
        elif last.state is RuntimeState.RUNNING:
            status.started = last.started
            # A regular init container is ready when it is done.
            status.ready = last.started and last.ready and not (init and not is_sidecar(container))
        elif last.state is RuntimeState.EXITED and isinstance(container, Container):
            if init and last.exit_code == 0 and not is_sidecar(container) and not self._reset.ended(last):
                status.ready = True
            else:
                self._show_wait(container, last, status)
        return status

    def _without_instance(
        self, container: Container | EphemeralContainer, initial: str, old: ContainerStatus | None
    ) -> ContainerStatus:
        if old is not None and old.state.terminated is not None:
            return old
        lost = _lost("deleted.  The container used to be Running") if old is not None and old.state.running else None
        final = self._ended is not None or isinstance(container, EphemeralContainer)
        if old is not None and lost is not None and final:
            return replace(old, state=ContainerState(terminated=lost), ready=False, started=False)
        waiting = ContainerStateWaiting(reason=initial)
        status = ContainerStatus(
            name=container.name,
            image=container.image,
            state=ContainerState(waiting=waiting),
            started=False,
            volume_mounts=_mounts(container, self._observed.volume_images),
        )
        if old is not None:
            status.restart_count, status.last_state = old.restart_count, old.last_state
            status.restart_count += bool(old.container_id)  # its instance has gone; the next one is another
            if lost is not None:
                status.last_state = ContainerState(terminated=lost)
        if self._ended is None:
            hold = find_hold(container, self._pod, None, self._observed, self._now)
            blocked = self._observed.sandbox_failure or self._observed.volumes_failure
            if hold is not None:
                waiting.reason, waiting.message = hold.reason, hold.message
            elif blocked is not None and not self._pod.spec.init_containers:
                waiting.message = blocked.message
                if blocked.reason in IMAGE_FAILURES:
                    waiting.reason = blocked.reason
        return status

    def _state(self, last: ObservedContainer, old: ContainerStatus | None) -> ContainerState:
        if last.state is RuntimeState.RUNNING:
            return ContainerState(running=ContainerStateRunning(started_at=to_text(last.started_at)))
        if last.state is RuntimeState.EXITED:
            return ContainerState(terminated=_terminated(last, self._reset))
        if last.state is RuntimeState.UNKNOWN and old is not None and old.state.running is not None:
            return ContainerState(terminated=_lost("terminated"))
        return ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))

    def _show_wait(self, container: Container, last: ObservedContainer, status: ContainerStatus) -> None:
        """A dead container that will be started again and has to wait is *waiting*; its end moves to ``lastState``."""
        if self._ended is not None:
            return
        if not self._replaced(last) and not restarts(container, self._pod.spec, last):
            return
        hold = find_hold(container, self._pod, last, self._observed, self._now)
        if hold is not None:
            waiting = ContainerStateWaiting(reason=hold.reason, message=hold.message)
        elif self._reset.ended(last):
            waiting = ContainerStateWaiting(reason=WAITING, message=WAITING_MESSAGE)
        else:
            return
        status.last_state = status.state
        status.state = ContainerState(waiting=waiting)


def _hook_pending(container: Container | EphemeralContainer, last: ObservedContainer) -> bool:
    if container.lifecycle is None or container.lifecycle.post_start is None:
        return False
    return last.post_start is None or last.post_start.state is not HookState.DONE


def _previous(
    containers: Sequence[ObservedContainer], latest: Mapping[str, ObservedContainer]
) -> dict[str, ObservedContainer]:
    """The newest dead instance below the latest of each container."""
    found: dict[str, ObservedContainer] = {}
    for container in containers:
        if container.state is not RuntimeState.EXITED or container is latest[container.name]:
            continue
        known = found.get(container.name)
        if known is None or container.attempt > known.attempt:
            found[container.name] = container
    return found


def _lost(event: str) -> ContainerStateTerminated:
    """The end of a container that nobody saw."""
    return ContainerStateTerminated(
        exit_code=LOST_EXIT_CODE,
        reason="ContainerStatusUnknown",
        message=f"The container could not be located when the pod was {event}",
    )


def _terminated(container: ObservedContainer, reset: Reset) -> ContainerStateTerminated:
    reason = container.reason or ("Completed" if container.exit_code == 0 else "Error")
    if reset.victim(container):
        reason = WAITING
    return ContainerStateTerminated(
        exit_code=container.exit_code,
        signal=container.signal,
        reason=reason,
        message=container.message,
        started_at=to_text(container.started_at) if container.started_at else to_text(0),
        finished_at=to_text(container.finished_at),
        container_id=RUNTIME_SCHEME + container.id,
    )


def _mounts(container: Container | EphemeralContainer, images: Mapping[str, str]) -> list[VolumeMountStatus]:
    mounts = []
    for mount in container.volume_mounts:
        status = VolumeMountStatus(name=mount.name, mount_path=mount.mount_path, read_only=mount.read_only)
        if mount.read_only:
            recursive = mount.recursive_read_only in ("Enabled", "IfPossible")
            status.recursive_read_only = "Enabled" if recursive else "Disabled"
        if mount.name in images:
            status.volume_status = VolumeStatus(image=ImageVolumeStatus(image_ref=images[mount.name]))
        mounts.append(status)
    return mounts
