"""One pod's worker: observes, asks :func:`pyrt.pods.reconcile.reconcile` what to do, does it, and writes the status.

Small on purpose: everything that is decided is decided in the pure function. A worker sleeps until its pod changes,
the runtime reports something about one of its containers, or the time that the decision named has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId, SandboxId
from pyrt.images.errors import ImageError
from pyrt.images.service import ImageService
from pyrt.images.types import Image, PullPolicy
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodStatus
from pyrt.kube.times import from_text
from pyrt.pods import observe, translate
from pyrt.pods.environment import needs_addresses
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.events import NORMAL, WARNING, EventRecorder
from pyrt.pods.facts import NodeFacts
from pyrt.pods.model import (
    SECOND,
    Action,
    BackOffNotice,
    ContainerKind,
    CreateSandbox,
    Decision,
    Failure,
    ImageState,
    Observed,
    ObservedContainer,
    ObservedImage,
    ObservedSandbox,
    PrepareVolumes,
    PullImage,
    ReleaseVolumes,
    RemoveContainer,
    RemovePod,
    RemoveSandbox,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from pyrt.pods.reconcile import reconcile
from pyrt.pods.status import Node, compute_status
from pyrt.pods.volume_set import VolumeSet
from pyrt.runtime import Runtime
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.errors import (
    ContainerNotFoundError,
    RuntimeFailure,
    SandboxError,
    SandboxNotFoundError,
    StartError,
)
from pyrt.runtime.status import ContainerState

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 10
"""After a fault in pyrt itself."""
_HYPOTHETICAL: Final = SandboxId("")
"""The sandbox that does not exist yet, while looking one step ahead."""


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
    starting: asyncio.Semaphore
    """How many sandboxes are made at the same time."""


@dataclass(slots=True)
class _Stop:
    deadline: int
    reason: str
    running: bool = True


class _Step(Exception):  # noqa: N818 - a signal, not an error
    """An action failed and was recorded: look at the world again."""


class PodWorker:
    """Keeps one pod as its spec says."""

    def __init__(self, pod: Pod, tools: Tools) -> None:
        self.pod = pod
        self._tools = tools
        start = pod.status.start_time
        self._accepted_at = from_text(start) if start else time.time_ns()
        self._node = Node(tools.facts.name, tools.facts.addresses)
        self._sandboxes: list[SandboxId] = []
        self._volumes = VolumeSet(tools.facts)
        self._images: dict[str, ObservedImage] = {}
        self._failures: dict[str, Failure] = {}
        self._sandbox_failure: Failure | None = None
        self._volumes_failure: Failure | None = None
        self._stops: dict[ContainerId, _Stop] = {}
        self._messages: dict[ContainerId, str] = {}
        self._noticed: dict[str, str] = {}
        self._pulls: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending = False
        self._waiter: asyncio.Future[None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._finished = False

    # --- from outside ---------------------------------------------------------------------------------------------

    @property
    def sandboxes(self) -> tuple[SandboxId, ...]:
        """Every sandbox of this pod that the runtime may still know."""
        return tuple(self._sandboxes)

    def adopt(self, sandbox_id: SandboxId) -> None:
        """A sandbox that an earlier daemon made for this pod."""
        if sandbox_id not in self._sandboxes:
            self._sandboxes.append(sandbox_id)

    def start(self) -> None:
        """Begin to work."""
        self._main = asyncio.create_task(
            self._run(), name=f"pod {self.pod.metadata.namespace}/{self.pod.metadata.name}"
        )

    def wake(self) -> None:
        """Something happened: look again."""
        self._pending = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def close(self) -> None:
        """Stop working; the pod runs on."""
        self._finished = True
        tasks: list[asyncio.Task[None]] = [*self._tasks]
        if self._main is not None and self._main is not asyncio.current_task():
            tasks.append(self._main)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._finished:
            self._pending = False
            try:
                wake_at = await self._round()
            except Exception:
                # A fault in pyrt must not leave the pod without a worker; it is logged with its trace and tried again.
                log.exception("pod %s/%s: internal error", self.pod.metadata.namespace, self.pod.metadata.name)
                wake_at = time.time_ns() + _RETRY_SECONDS * SECOND
            if not self._pending and not self._finished:
                await self._sleep(wake_at)

    async def _round(self) -> int | None:
        """Act until there is nothing to do now; answers when to look again."""
        while True:
            observed = self._observe()
            decision = reconcile(self.pod, observed, time.time_ns())
            self._notice(decision.notices)
            if not decision.actions:
                self._publish(observed)
                return decision.wake_at
            if any(isinstance(action, RemovePod) for action in decision.actions):
                await self._wind_up(decision)
                return None
            if any(isinstance(action, StopContainer) for action in decision.actions):
                self._publish(observed)
            with contextlib.suppress(_Step):
                for action in decision.actions:
                    await self._perform(action, observed)

    async def _sleep(self, wake_at: int | None) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if wake_at is None:
                await self._waiter
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(wake_at - time.time_ns(), 0) / SECOND):
                        await self._waiter
        finally:
            self._waiter = None

    # --- observing ------------------------------------------------------------------------------------------------

    def _observe(self) -> Observed:
        runtime = self._tools.runtime
        sandboxes: list[ObservedSandbox] = []
        containers: list[ObservedContainer] = []
        for sandbox_id in list(self._sandboxes):
            try:
                sandboxes.append(observe.sandbox(runtime.sandbox_status(sandbox_id)))
            except SandboxNotFoundError:
                self._sandboxes.remove(sandbox_id)
                continue
            for status in runtime.list_containers(sandbox_id):
                stop = self._stops.get(status.id)
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
            accepted_at=self._accepted_at,
            sandboxes=tuple(sandboxes),
            containers=tuple(containers),
            images=dict(self._images),
            failures=dict(self._failures),
            sandbox_failure=self._sandbox_failure,
            volumes_ready=self._volumes.ready,
            volumes_failure=self._volumes_failure,
        )

    def _last_words(self, container_id: ContainerId, config: ContainerConfig, exit_code: int) -> str:
        known = self._messages.get(container_id)
        if known is None:
            facts = self._tools.facts
            known = self._messages[container_id] = observe.termination_message(
                self._find(config.name),
                translate.termination_file(self.pod, config.name, config.attempt, facts),
                translate.log_directory(self.pod, facts) / config.log_path,
                exit_code,
            )
        return known

    def _find(self, name: str) -> Container | EphemeralContainer | None:
        spec = self.pod.spec
        everyone: list[Container | EphemeralContainer] = [
            *spec.init_containers,
            *spec.containers,
            *spec.ephemeral_containers,
        ]
        return next((container for container in everyone if container.name == name), None)

    def _publish(self, observed: Observed) -> None:
        status = compute_status(self.pod, observed, time.time_ns(), self._node)
        if status != self.pod.status:
            self._tools.keeper.write_status(self.pod, status)

    def _notice(self, notices: tuple[BackOffNotice, ...]) -> None:
        """One event for each back-off, not for each look at it."""
        current = {notice.container: notice.message for notice in notices}
        for notice in notices:
            if self._noticed.get(notice.container) != notice.message:
                self._warn("BackOff", notice.message, notice.container)
        self._noticed = current

    def _tell(self, reason: str, message: str, container: str = "") -> None:
        self._tools.events.emit(self.pod, NORMAL, reason, message, container=container, init=self._is_init(container))

    def _warn(self, reason: str, message: str, container: str = "") -> None:
        self._tools.events.emit(self.pod, WARNING, reason, message, container=container, init=self._is_init(container))

    def _is_init(self, name: str) -> bool:
        return any(container.name == name for container in self.pod.spec.init_containers)

    # --- acting ---------------------------------------------------------------------------------------------------

    async def _perform(self, action: Action, observed: Observed) -> None:
        match action:
            case PullImage():
                self._pull(action)
            case PrepareVolumes():
                await self._prepare_volumes()
            case ReleaseVolumes():
                await self._volumes.release(self.pod)
            case CreateSandbox():
                await self._create_sandbox(action, observed)
            case StartContainer():
                await self._start_container(action, observed)
            case StopContainer():
                self._stop_container(action)
            case StopSandbox():
                await self._stop_sandbox(action)
            case RemoveContainer():
                await self._tools.runtime.remove_container(action.container_id)
                self._stops.pop(action.container_id, None)
                self._messages.pop(action.container_id, None)
            case RemoveSandbox():
                await self._tools.runtime.remove_sandbox(action.sandbox_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("pod %s/%s: internal error", self.pod.metadata.namespace, self.pod.metadata.name, exc_info=error)
        self.wake()

    # images

    def _pull(self, action: PullImage) -> None:
        policy = PullPolicy(action.policy)
        if policy is PullPolicy.IF_NOT_PRESENT and (image := self._tools.images.get(action.image)) is not None:
            self._image_present(action, image)
            self._tell("Pulled", f'Container image "{action.image}" already present on machine', action.container)
            return
        previous = self._images.get(action.container)
        self._images[action.container] = ObservedImage(
            action.image, action.attempt, ImageState.PULLING, failure=previous.failure if previous is not None else None
        )
        if (running := self._pulls.pop(action.container, None)) is not None:
            running.cancel()
        self._pulls[action.container] = self._spawn(self._pull_now(action, policy))

    def _image_present(self, action: PullImage, image: Image) -> None:
        self._images[action.container] = ObservedImage(action.image, action.attempt, ImageState.PRESENT, image.id)

    async def _pull_now(self, action: PullImage, policy: PullPolicy) -> None:
        name = action.container
        if policy is not PullPolicy.NEVER:
            self._tell("Pulling", f'Pulling image "{action.image}"', name)
        begun = time.monotonic()
        try:
            image = await self._tools.images.pull(action.image, policy=policy)
        except ImageError as error:
            self._pull_failed(action, error)
            return
        self._image_present(action, image)
        if policy is PullPolicy.NEVER:
            self._tell("Pulled", f'Container image "{action.image}" already present on machine', name)
            return
        took = time.monotonic() - begun
        self._tell(
            "Pulled",
            f'Successfully pulled image "{action.image}" in {took:.3f}s. Image size: {image.size} bytes.',
            name,
        )

    def _pull_failed(self, action: PullImage, error: ImageError) -> None:
        previous = self._images.get(action.container)
        failure = Failure.after(
            previous.failure if previous is not None else None, error.reason, str(error), time.time_ns()
        )
        self._images[action.container] = ObservedImage(action.image, action.attempt, ImageState.FAILED, failure=failure)
        text = (
            str(error)
            if error.reason in ("InvalidImageName", "ErrImageNeverPull")
            else (f'Failed to pull image "{action.image}": {error}')
        )
        self._warn("Failed", text, action.container)
        self._warn("Failed", f"Error: {error.reason}", action.container)

    # volumes

    async def _prepare_volumes(self) -> None:
        try:
            await self._volumes.prepare(self.pod)
        except PyrtError as error:
            text = str(error)
            self._volumes_failure = Failure.after(self._volumes_failure, "FailedMount", text, time.time_ns())
            self._warn("FailedMount", f"MountVolume.SetUp failed for {text}")
            raise _Step from error
        self._volumes_failure = None

    # the sandbox

    async def _create_sandbox(self, action: CreateSandbox, observed: Observed) -> None:
        first = self._next_after(action, observed)
        try:
            config = translate.sandbox_config(
                self.pod,
                self._tools.facts,
                attempt=action.attempt,
                accepted_at=self._accepted_at,
                volumes=self._volumes.prepared,
            )
            container = self._container_config(first, ()) if first is not None else None
        except ContainerConfigError:
            container = None  # reported when its own turn comes
            first = None
        except PyrtError as error:
            self._sandbox_failed(error)
            raise _Step from error
        try:
            async with self._tools.starting:
                if container is None or first is None:
                    status = await self._tools.runtime.run_sandbox(config)
                    self.adopt(status.id)
                else:
                    status, container_id = await self._tools.runtime.run_pod(config, container)
                    self.adopt(status.id)
                    self._started(first, container_id)
        except SandboxError as error:
            self._sandbox_failed(error)
            raise _Step from error
        except RuntimeFailure as error:
            # The sandbox stands; what failed is the container in it.
            self._rediscover()
            if first is not None:
                self._start_failed(first, error)
            raise _Step from error
        self._sandbox_failure = None
        for reason, message in translate.dns_warnings(self.pod, self._tools.facts):
            self._warn(reason, message)

    def _next_after(self, action: CreateSandbox, observed: Observed) -> StartContainer | None:
        """The container that will be started first in the sandbox, if nothing has to happen in between.

        Its plan then goes to the pod process together with the sandbox's.
        """
        sandbox = ObservedSandbox(_HYPOTHETICAL, action.attempt, ready=True)
        imagined = dataclasses.replace(
            observed,
            sandboxes=(*observed.sandboxes, sandbox),
            images=dict(self._images),
            volumes_ready=self._volumes.ready,
            sandbox_failure=None,
        )
        actions = reconcile(self.pod, imagined, time.time_ns()).actions
        if not actions or not isinstance(actions[0], StartContainer) or actions[0].sandbox_id != _HYPOTHETICAL:
            return None
        container = self._find(actions[0].name)
        if container is None or needs_addresses(container):
            return None
        return actions[0]

    def _rediscover(self) -> None:
        """After a failure: which sandboxes of this pod are there really?"""
        uid = self.pod.metadata.uid
        for status in self._tools.runtime.list_sandboxes():
            if status.config.metadata.uid == uid:
                self.adopt(status.id)

    def _sandbox_failed(self, error: PyrtError) -> None:
        self._sandbox_failure = Failure.after(
            self._sandbox_failure, "CreatePodSandboxError", str(error), time.time_ns()
        )
        self._warn("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")

    async def _stop_sandbox(self, action: StopSandbox) -> None:
        if action.reason == "SandboxChanged":
            self._tell("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await self._tools.runtime.stop_sandbox(action.sandbox_id)

    # containers

    def _container_config(self, action: StartContainer, addresses: tuple[str, ...]) -> ContainerConfig:
        container = self._find(action.name)
        image = self._tools.images.get(action.image_id)
        if container is None or image is None:
            # The image was removed between its pull and now: pull it again.
            self._images.pop(action.name, None)
            raise ContainerConfigError("the image is gone", operation=f"image {action.image_id}")
        target = container.target_container_name if isinstance(container, EphemeralContainer) else ""
        config = translate.container_config(
            self.pod,
            container,
            self._tools.facts,
            attempt=action.attempt,
            image=image,
            volumes=self._volumes.prepared,
            addresses=addresses,
            back_off=action.back_off,
            pid_target=self._running(target) if target else "",
        )
        self._volumes.prepare_mounts(self.pod, container, action.attempt)
        return config

    def _running(self, name: str) -> str:
        for sandbox_id in self._sandboxes:
            for status in self._tools.runtime.list_containers(sandbox_id):
                if status.config.name == name and status.state is ContainerState.RUNNING:
                    return status.id
        raise ContainerConfigError(f"container {name} is not running", operation="targetContainerName")

    async def _start_container(self, action: StartContainer, observed: Observed) -> None:
        runtime = self._tools.runtime
        addresses = next((s.addresses for s in observed.sandboxes if s.id == action.sandbox_id), ())
        try:
            config = self._container_config(action, addresses)
            container_id = await runtime.create_container(action.sandbox_id, config)
            await runtime.start_container(container_id)
        except PyrtError as error:
            self._start_failed(action, error)
            raise _Step from error
        self._started(action, container_id)

    def _started(self, action: StartContainer, container_id: ContainerId) -> None:
        self._failures.pop(action.name, None)
        self._images.pop(action.name, None)  # the next attempt looks again
        self._tell("Created", f"Created container: {action.name}", action.name)
        self._tell("Started", f"Started container {action.name}", action.name)

    def _start_failed(self, action: StartContainer, error: PyrtError) -> None:
        self._warn("Failed", f"Error: {error}", action.name)
        if isinstance(error, StartError):
            return  # there is an instance, and it tells
        reason = getattr(error, "reason", "CreateContainerError")
        self._failures[action.name] = Failure.after(self._failures.get(action.name), reason, str(error), time.time_ns())

    def _stop_container(self, action: StopContainer) -> None:
        previous = self._stops.get(action.container_id)
        deadline = time.time_ns() + action.grace_seconds * SECOND
        stop = self._stops[action.container_id] = _Stop(deadline, action.reason)
        if previous is None:
            self._tell("Killing", action.message, action.name)
        self._spawn(self._stop_now(action, stop))

    async def _stop_now(self, action: StopContainer, stop: _Stop) -> None:
        try:
            await self._tools.runtime.stop_container(action.container_id, action.grace_seconds)
        except ContainerNotFoundError:
            pass
        except RuntimeFailure as error:
            self._warn("FailedKillPod", f"error killing pod: {error}", action.name)
            await asyncio.sleep(1)
        finally:
            stop.running = False

    # --- the end --------------------------------------------------------------------------------------------------

    async def _wind_up(self, decision: Decision) -> None:
        """The last round of a deleted pod: when its sandboxes are down, the object goes, and the rest is cleared away
        behind it.
        """
        for action in decision.actions:
            if isinstance(action, StopSandbox):
                await self._stop_sandbox(action)
        self._finished = True
        self._tools.keeper.finish(self.pod, self.sandboxes)


def container_kind(pod: Pod, name: str) -> ContainerKind:
    """Which list of the spec a container stands in."""
    if any(container.name == name for container in pod.spec.init_containers):
        return ContainerKind.INIT
    if any(container.name == name for container in pod.spec.ephemeral_containers):
        return ContainerKind.EPHEMERAL
    return ContainerKind.APP
