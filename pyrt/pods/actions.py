"""Carrying out what reconciliation has decided. Small translations into calls of the runtime, the images and the
volumes; each failure is recorded and told in an event.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId, SandboxId
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.pods import translate
from pyrt.pods.env_files import VolumeFiles
from pyrt.pods.environment import Sources, needs_sandbox
from pyrt.pods.errors import ContainerConfigError
from pyrt.pods.image_volumes import ImageVolumes
from pyrt.pods.model import (
    SECOND,
    Action,
    CreateSandbox,
    Failure,
    Observed,
    ObservedSandbox,
    PrepareVolumes,
    PullImage,
    RefreshVolumes,
    ReleaseVolumes,
    RemoveContainer,
    RemoveSandbox,
    ResizePod,
    RunPostStart,
    RunPreStop,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from pyrt.pods.pulls import ImagePulls
from pyrt.pods.reconcile import reconcile
from pyrt.pods.resizing import carry_out
from pyrt.pods.state import PodState, Stop
from pyrt.runtime.config import ContainerConfig, Owner
from pyrt.runtime.errors import ContainerNotFoundError, RuntimeFailure, SandboxError, StartError
from pyrt.runtime.status import ContainerState
from pyrt.volumes.errors import VolumeError

log = logging.getLogger(__name__)

_HYPOTHETICAL: Final = SandboxId("")
"""The sandbox that does not exist yet, while looking one step ahead."""


class StepFailed(Exception):  # noqa: N818 - a signal, not an error
    """An action failed and was recorded: drop the rest, and look at the world again."""


class Actions:
    """Does things to one pod. ``wake`` is called when something that was only begun has ended."""

    def __init__(self, state: PodState, wake: Callable[[], None]) -> None:
        self._state = state
        self._tools = state.tools
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulls = ImagePulls(state, self._spawn)
        self._image_volumes = ImageVolumes(state, self._spawn)

    async def close(self) -> None:
        """Cancel what is under way. A stop that was begun goes on in the pod process."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            meta = self._state.pod.metadata
            log.error("pod %s/%s: internal error", meta.namespace, meta.name, exc_info=error)
        self._wake()

    async def perform(self, action: Action, observed: Observed) -> None:
        """Do one thing.

        Raises
        ------
        StepFailed: it went wrong, and has been recorded.
        """
        match action:
            case PullImage():
                self._pulls.begin(action)
            case PrepareVolumes():
                await self._prepare_volumes()
            case RefreshVolumes():
                await self._state.volumes.refresh(self._state.pod)
                self._complain()
            case ReleaseVolumes():
                await self._state.volumes.release(self._state.pod)
            case CreateSandbox():
                await self._create_sandbox(action, observed)
            case StartContainer():
                await self._start_container(action, observed)
            case RunPostStart() | RunPreStop():
                self._run_hook(action, observed)
            case StopContainer():
                self._stop_container(action)
            case ResizePod():
                await self._resize(action)
            case StopSandbox():
                await self.stop_sandbox(action)
            case RemoveContainer():
                await self._tools.runtime.remove_container(action.container_id)
                self._state.forget(action.container_id)
            case RemoveSandbox():
                await self._tools.runtime.remove_sandbox(action.sandbox_id)

    # --- volumes ---------------------------------------------------------------------------------------------------

    async def _prepare_volumes(self) -> None:
        try:
            waits = self._image_volumes.provide()
            if waits is not None:
                self._state.volumes_failure = waits
                raise StepFailed
            await self._state.volumes.prepare(self._state.pod)
        except VolumeError as error:
            self._state.volumes_failure = Failure.after(
                self._state.volumes_failure, "FailedMount", str(error), time.time_ns()
            )
            self._mount_failed(error.volume, error.detail)
            raise StepFailed from error
        self._state.volumes_failure = None
        self._complain()

    def _complain(self) -> None:
        for volume, complaint in self._state.volumes.complaints:
            self._mount_failed(volume, complaint)

    def _mount_failed(self, volume: str, detail: str) -> None:
        self._state.warn("FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {detail}')

    # --- the sandbox -----------------------------------------------------------------------------------------------

    async def _create_sandbox(self, action: CreateSandbox, observed: Observed) -> None:
        if action.attempt:
            self._state.tell("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        first = self._next_after(action, observed)
        if self._state.pod.spec.host_users is False:
            try:
                await self._make_sandbox(action, first)
            finally:
                self._tools.user_namespaces.settled(self._state.pod.metadata.uid)
        else:
            await self._make_sandbox(action, first)

    async def _make_sandbox(self, action: CreateSandbox, first: StartContainer | None) -> None:
        pod = self._state.pod
        try:
            config = translate.sandbox_config(
                self._state.view,
                self._tools.facts,
                attempt=action.attempt,
                accepted_at=self._state.accepted_at,
                volumes=self._state.volumes.prepared,
                user_namespace=None
                if pod.spec.host_users is not False
                else self._tools.user_namespaces.take(pod.metadata.uid),
            )
            container = self._container_config(first, ()) if first is not None else None
        except ContainerConfigError:
            container = None  # reported when its own turn comes
            first = None
        except PyrtError as error:
            self._sandbox_failed(error)
            raise StepFailed from error
        try:
            async with self._tools.starting:
                if container is None or first is None:
                    status = await self._tools.runtime.run_sandbox(config)
                    self._state.adopt(status.id)
                else:
                    status, container_id = await self._tools.runtime.run_pod(config, container)
                    self._state.adopt(status.id)
                    self._started(first, container_id)
        except SandboxError as error:
            self._sandbox_failed(error)
            raise StepFailed from error
        except RuntimeFailure as error:
            # The sandbox stands; what failed is the container in it.
            self._rediscover()
            if first is not None:
                self._start_failed(first, error)
            raise StepFailed from error
        self._state.sandbox_failure = None
        for reason, message in translate.dns_warnings(self._state.pod, self._tools.facts):
            self._state.warn(reason, message)

    def _next_after(self, action: CreateSandbox, observed: Observed) -> StartContainer | None:
        """The container that will be started first in the sandbox, if nothing has to happen in between.

        Its plan then goes to the pod process together with the sandbox's.
        """
        sandbox = ObservedSandbox(_HYPOTHETICAL, action.attempt, ready=True)
        imagined = dataclasses.replace(
            observed,
            sandboxes=(*observed.sandboxes, sandbox),
            images=dict(self._state.images),
            volumes_ready=self._state.volumes.ready,
            sandbox_failure=None,
        )
        actions = reconcile(self._state.view, imagined, time.time_ns()).actions
        if not actions or not isinstance(actions[0], StartContainer) or actions[0].sandbox_id != _HYPOTHETICAL:
            return None
        container = self._state.find(actions[0].name)
        if container is None or needs_sandbox(container):
            return None
        return actions[0]

    def _rediscover(self) -> None:
        """After a failure: which sandboxes of this pod are there really?"""
        uid = self._state.pod.metadata.uid
        for status in self._tools.runtime.list_sandboxes(Owner.API):
            if status.config.metadata.uid == uid:
                self._state.adopt(status.id)

    def _sandbox_failed(self, error: PyrtError) -> None:
        self._state.sandbox_failure = Failure.after(
            self._state.sandbox_failure, "CreatePodSandboxError", str(error), time.time_ns()
        )
        self._state.warn("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")

    async def stop_sandbox(self, action: StopSandbox) -> None:
        """End a sandbox."""
        if not action.reason and translate.can_wait(self._state.pod):
            await self._tools.runtime.rush_over()
        await self._tools.runtime.stop_sandbox(action.sandbox_id)

    # --- containers ------------------------------------------------------------------------------------------------

    def _container_config(self, action: StartContainer, addresses: tuple[str, ...]) -> ContainerConfig:
        container = self._state.find(action.name)
        image = self._tools.images.get(action.image_id)
        if container is None or image is None:
            # The image was removed between its pull and now: pull it again.
            self._state.images.pop(action.name, None)
            raise ContainerConfigError("the image is gone", operation=f"image {action.image_id}")
        target = container.target_container_name if isinstance(container, EphemeralContainer) else ""
        config = translate.container_config(
            self._state.view,
            container,
            self._tools.facts,
            attempt=action.attempt,
            image=image,
            volumes=self._state.volumes.prepared,
            addresses=addresses,
            back_off=action.back_off,
            pid_target=self._running(target) if target else "",
            sources=Sources(
                self._tools.references,
                VolumeFiles(
                    self._state.volumes.prepared, lambda: self._tools.runtime.sandbox_status(action.sandbox_id).pid
                ),
            ),
        )
        self._state.volumes.require_sub_paths(container, config.mounts)
        self._state.volumes.prepare_mounts(self._state.pod, container, action.attempt, self._tools.runtime.spares)
        return config

    def _running(self, name: str) -> str:
        for sandbox_id in self._state.sandboxes:
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
            raise StepFailed from error
        self._started(action, container_id)

    def _started(self, action: StartContainer, container_id: ContainerId) -> None:
        self._state.failures.pop(action.name, None)
        self._state.images.pop(action.name, None)  # the next attempt looks again
        self._state.tell("Created", "Container created", action.name)
        self._state.tell("Started", "Container started", action.name)

    def _start_failed(self, action: StartContainer, error: PyrtError) -> None:
        self._state.warn("Failed", f"Error: {error}", action.name)
        if isinstance(error, StartError):
            return  # there is an instance, and it tells
        reason = getattr(error, "reason", "CreateContainerError")
        self._state.failures[action.name] = Failure.after(
            self._state.failures.get(action.name), reason, str(error), time.time_ns()
        )

    async def _resize(self, action: ResizePod) -> None:
        try:
            await carry_out(self._state, action)
        except PyrtError as error:
            raise StepFailed from error

    def _run_hook(self, action: RunPostStart | RunPreStop, observed: Observed) -> None:
        container, attendance = self._state.find(action.name), self._state.attendance
        assert isinstance(container, Container)
        assert attendance is not None
        address = self._state.address(observed.sandboxes)
        if isinstance(action, RunPostStart):
            attendance.hooks.begin_post_start(self._state.pod, container, action.container_id, address, self._spawn)
            return
        self._state.stops[action.container_id] = Stop(0, action.reason, time.time_ns())
        self._state.tell("Killing", action.message, action.name)
        attendance.hooks.begin_pre_stop(self._state.pod, container, action.container_id, address, self._spawn)

    def _stop_container(self, action: StopContainer) -> None:
        previous = self._state.stops.get(action.container_id)
        now = time.time_ns()
        began = previous.began if previous is not None else now
        deadline = now + action.grace_seconds * SECOND
        stop = self._state.stops[action.container_id] = Stop(deadline, action.reason, began)
        if previous is None:
            self._state.tell("Killing", action.message, action.name)
        self._spawn(self._stop_now(action, stop))

    async def _stop_now(self, action: StopContainer, stop: Stop) -> None:
        try:
            await self._tools.runtime.stop_container(action.container_id, action.grace_seconds)
        except ContainerNotFoundError:
            pass
        except RuntimeFailure as error:
            self._state.warn("FailedKillPod", f"error killing pod: {error}", action.name)
            await asyncio.sleep(1)
        finally:
            stop.running = False
