"""What a worker knows of its pod: the object, what the runtime reports, and what only it can remember."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from pyrt.ids import ContainerId, SandboxId
from pyrt.images.service import ImageService
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.times import from_text
from pyrt.pods import observe, translate
from pyrt.pods.events import NORMAL, WARNING, EventRecorder
from pyrt.pods.facts import NodeFacts
from pyrt.pods.model import Failure, Observed, ObservedContainer, ObservedImage, ObservedSandbox
from pyrt.pods.volume_set import VolumeSet
from pyrt.runtime import Runtime
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.errors import SandboxNotFoundError
from pyrt.volumes.references import References


class Keeper(Protocol):
    """What a worker asks of the supervisor."""

    def write_status(self, pod: Pod, status: PodStatus) -> None:
        """Store a new status of the pod."""

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


@dataclass(slots=True)
class Stop:
    """A stop of a container, under way or done."""

    deadline: int
    """Unix nanoseconds."""
    reason: str
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
        self._messages: dict[ContainerId, str] = {}

    def adopt(self, sandbox_id: SandboxId) -> None:
        """Remember a sandbox of this pod."""
        if sandbox_id not in self.sandboxes:
            self.sandboxes.append(sandbox_id)

    def forget(self, container_id: ContainerId) -> None:
        """A container was removed."""
        self.stops.pop(container_id, None)
        self._messages.pop(container_id, None)

    def observe(self) -> Observed:
        """Everything that :func:`pyrt.pods.reconcile.reconcile` wants to know, now."""
        runtime = self.tools.runtime
        sandboxes: list[ObservedSandbox] = []
        containers: list[ObservedContainer] = []
        for sandbox_id in list(self.sandboxes):
            try:
                sandboxes.append(observe.sandbox(runtime.sandbox_status(sandbox_id)))
            except SandboxNotFoundError:
                self.sandboxes.remove(sandbox_id)
                continue
            for status in runtime.list_containers(sandbox_id):
                stop = self.stops.get(status.id)
                message = self._last_words(status.id, status.config, status.exit_code) if status.finished_at else ""
                containers.append(
                    observe.container(
                        status,
                        message=message,
                        stop_deadline=stop.deadline if stop is not None and stop.running else 0,
                        stop_reason=stop.reason if stop is not None else "",
                    )
                )
        return Observed(
            accepted_at=self.accepted_at,
            sandboxes=tuple(sandboxes),
            containers=tuple(containers),
            images=dict(self.images),
            failures=dict(self.failures),
            sandbox_failure=self.sandbox_failure,
            volumes_ready=self.volumes.ready,
            volumes_failure=self.volumes_failure,
            allowed_unsafe_sysctls=self.tools.facts.allowed_unsafe_sysctls,
            longest_back_off=self.tools.facts.longest_back_off,
        )

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

    def find(self, name: str) -> Container | EphemeralContainer | None:
        """The container of that name in the spec."""
        spec = self.pod.spec
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
