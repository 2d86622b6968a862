"""What a worker knows of its pod: the object, what the runtime reports, and what only it can remember."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pyrt.ids import ContainerId, SandboxId
from pyrt.images.service import ImageService
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.times import from_text
from pyrt.pods import observe, translate
from pyrt.pods.allocation import Allocation, Demand, allocated_spec, demand_of
from pyrt.pods.attendance import Attendance
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.events import NORMAL, WARNING, EventRecorder
from pyrt.pods.facts import NodeFacts
from pyrt.pods.model import (
    Eviction,
    Failure,
    Observed,
    ObservedContainer,
    ObservedImage,
    ObservedResize,
    ObservedSandbox,
    Rejection,
    User,
)
from pyrt.pods.probes import Prober
from pyrt.pods.user_namespaces import UserNamespaces
from pyrt.pods.volume_set import VolumeSet
from pyrt.runtime import Runtime
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.errors import SandboxNotFoundError
from pyrt.volumes.references import References


class Keeper(Protocol):
    """What a worker asks of the supervisor."""

    def write_status(self, pod: Pod, status: PodStatus) -> None:
        """Store a new status of the pod."""

    def keep_allocation(self, uid: str, allocation: Allocation) -> None:
        """Store what a pod that was resized has been given."""

    def hold(self, pod: Pod) -> None:
        """A deleted pod has ended, but its finalizers keep its object."""

    def finish(self, pod: Pod, sandboxes: tuple[SandboxId, ...]) -> None:
        """Remove the pod's object, and then whatever is left of it, without keeping anyone waiting."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all workers share."""

    runtime: Runtime
    images: ImageService
    events: EventRecorder
    facts: NodeFacts
    keeper: Keeper
    references: References
    starting: asyncio.Semaphore
    """How many sandboxes are made at the same time."""
    prober: Prober
    user_namespaces: UserNamespaces


@dataclass(slots=True)
class Stop:
    """A stop of a container, under way or done."""

    deadline: int
    """Unix nanoseconds; 0 while a preStop hook comes first."""
    reason: str
    began: int = 0
    """Unix nanoseconds."""
    running: bool = True


class PodState:
    """One pod, as far as it is known. Nothing is decided here, and nothing is done."""

    def __init__(self, pod: Pod, tools: Tools) -> None:
        self.pod = pod
        self.tools = tools
        start = pod.status.start_time
        self.accepted_at = from_text(start) if start else time.time_ns()
        self.sandboxes: list[SandboxId] = []
        self.volumes = VolumeSet(tools.facts, tools.references)
        self.images: dict[str, ObservedImage] = {}
        self.failures: dict[str, Failure] = {}
        self.sandbox_failure: Failure | None = None
        self.volumes_failure: Failure | None = None
        self.stops: dict[ContainerId, Stop] = {}
        self.attendance: Attendance | None = None
        """Of a pod with probes or hooks."""
        self.rejection: Rejection | None = None
        self.eviction: Eviction | None = None
        self.resize_pending: tuple[int, Rejection] | None = None
        """The generation that asks for other resources, and why it does not get them."""
        self.resize_failure: Failure | None = None
        self._allocation: Allocation | None = None
        self._given: tuple[PodSpec, PodSpec] | None = None
        self._demand: Demand | None = None
        self._messages: dict[ContainerId, str] = {}
        self._users: dict[ContainerId, User | None] = {}

    @property
    def allocation(self) -> Allocation | None:
        """What the pod was given, if that was ever changed."""
        return self._allocation

    @allocation.setter
    def allocation(self, allocation: Allocation | None) -> None:
        self._allocation, self._given, self._demand = allocation, None, None

    @property
    def view(self) -> Pod:
        """The pod as it is to be run: with the resources that it was given, not those that it asks for meanwhile."""
        allocation, pod = self._allocation, self.pod
        if allocation is None:
            return pod
        if self._given is None or self._given[0] is not pod.spec:
            self._given = (pod.spec, allocated_spec(pod.spec, allocation))
        return msgspec.structs.replace(pod, spec=self._given[1])

    @property
    def demand(self) -> Demand:
        """What the pod takes of the node."""
        if self._demand is None:
            self._demand = demand_of(self.view.spec)
        return self._demand

    def adopt(self, sandbox_id: SandboxId) -> None:
        """Remember a sandbox of this pod."""
        if sandbox_id not in self.sandboxes:
            self.sandboxes.append(sandbox_id)

    def forget(self, container_id: ContainerId) -> None:
        """A container was removed."""
        self.stops.pop(container_id, None)
        if self.attendance is not None:
            self.attendance.hooks.forget(container_id)
        self._messages.pop(container_id, None)
        self._users.pop(container_id, None)

    def observe(self) -> Observed:
        """Everything that :func:`pyrt.pods.reconcile.reconcile` wants to know, now."""
        if self.pod.spec.scheduling_gates:
            self.accepted_at = time.time_ns()  # its life has not begun yet
        runtime = self.tools.runtime
        resized = self._allocation is not None
        sandboxes: list[ObservedSandbox] = []
        containers: list[ObservedContainer] = []
        for sandbox_id in list(self.sandboxes):
            try:
                sandboxes.append(observe.sandbox(runtime.sandbox_status(sandbox_id), resized=resized))
            except SandboxNotFoundError:
                self.sandboxes.remove(sandbox_id)
                continue
            for status in runtime.list_containers(sandbox_id):
                stop = self.stops.get(status.id)
                if status.id not in self._users:
                    self._users[status.id] = observe.user(status.config)
                message = self._last_words(status.id, status.config, status.exit_code) if status.finished_at else ""
                containers.append(
                    observe.container(
                        status,
                        message=message,
                        stop_deadline=stop.deadline if stop is not None and stop.running else 0,
                        stop_reason=stop.reason if stop is not None else "",
                        stop_began=stop.began if stop is not None else 0,
                        identity=self._users[status.id],
                        resized=resized,
                    )
                )
        if self.attendance is not None:
            containers = self.attendance.attend(self.pod, containers, self.address(sandboxes), self.find)
        return Observed(
            accepted_at=self.accepted_at,
            sandboxes=tuple(sandboxes),
            containers=tuple(containers),
            images=dict(self.images),
            failures=dict(self.failures),
            sandbox_failure=self.sandbox_failure,
            volumes_ready=self.volumes.ready,
            volumes_failure=self.volumes_failure,
            volume_images=self.volumes.image_references(),
            volumes_stale=self.volumes.stale,
            allowed_unsafe_sysctls=self.tools.facts.allowed_unsafe_sysctls,
            apparmor=self.tools.facts.apparmor,
            longest_back_off=self.tools.facts.longest_back_off,
            rejection=self.rejection,
            eviction=self.eviction,
            resize=self._resize() if resized else None,
        )

    def address(self, sandboxes: Sequence[ObservedSandbox]) -> str:
        """Where the pod is asked and told things from outside; empty while it has no address."""
        if self.pod.spec.host_network:
            return self.tools.facts.addresses[0] if self.tools.facts.addresses else ""
        return next((s.addresses[0] for s in reversed(sandboxes) if s.ready and s.addresses), "")

    def _resize(self) -> ObservedResize:
        assert self._allocation is not None
        pending = self.resize_pending[1] if self.resize_pending is not None else None
        return ObservedResize(self._allocation.generation, pending, self.resize_failure)

    def _last_words(self, container_id: ContainerId, config: ContainerConfig, exit_code: int) -> str:
        known = self._messages.get(container_id)
        if known is None:
            facts = self.tools.facts
            known = self._messages[container_id] = observe.termination_message(
                self.find(config.name),
                translate.termination_file(self.pod, config.name, config.attempt, facts),
                translate.log_directory(self.pod, facts) / config.log_path,
                exit_code,
            )
        return known

    def reconsider(self) -> None:
        """Something that the pod refers to has appeared or changed: what failed for want of it is tried again now."""
        self.volumes.stale = True
        self.volumes_failure = None
        for name, failure in list(self.failures.items()):
            if failure.reason == ContainerConfigError.reason:
                del self.failures[name]

    def find(self, name: str) -> Container | EphemeralContainer | None:
        """The container of that name in the spec."""
        spec = self.view.spec
        everyone: list[Container | EphemeralContainer] = [
            *spec.init_containers,
            *spec.containers,
            *spec.ephemeral_containers,
        ]
        return next((container for container in everyone if container.name == name), None)

    def tell(self, reason: str, message: str, container: str = "") -> None:
        """An event of type Normal."""
        self.tools.events.emit(self.pod, NORMAL, reason, message, container=container, init=self._is_init(container))

    def warn(self, reason: str, message: str, container: str = "") -> None:
        """An event of type Warning."""
        self.tools.events.emit(self.pod, WARNING, reason, message, container=container, init=self._is_init(container))

    def _is_init(self, name: str) -> bool:
        return any(container.name == name for container in self.pod.spec.init_containers)
