"""Containers: CreateContainer, StartContainer, StopContainer, RemoveContainer, ContainerStatus and
UpdateContainerResources.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

from grpc import StatusCode

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import kept
from pyrt.cri.cdi import asked_by, resolve, with_devices
from pyrt.cri.container_config import container_config
from pyrt.cri.container_status import container_status
from pyrt.cri.errors import CriError, invalid, not_found
from pyrt.cri.identity import World
from pyrt.cri.inside import container_info
from pyrt.cri.listing import Lines
from pyrt.cri.resources import resources_of
from pyrt.cri.services import Handlers
from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.images.merged import has_path
from pyrt.images.service import ImageService
from pyrt.images.types import Image
from pyrt.runtime import Runtime
from pyrt.runtime.config import ContainerConfig
from pyrt.runtime.status import ContainerState, ContainerStatus, EventKind, RuntimeEvent, SandboxStatus


class Containers:
    """What a kubelet does with containers. Lists of them are in :mod:`pyrt.cri.listing`."""

    def __init__(self, runtime: Runtime, images: ImageService, world: World) -> None:
        self._runtime = runtime
        self._images = images
        self._world = world
        self._asked: set[ContainerId] = set()
        """Containers that have got their stop signal."""
        self._statuses: Lines[ContainerStatus] = Lines(self._message)
        runtime.subscribe(self._on_event)

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "CreateContainer": self.create,
            "StartContainer": self.start,
            "StopContainer": self.stop,
            "RemoveContainer": self.remove,
            "ContainerStatus": self.status,
            "UpdateContainerResources": self.update_resources,
        }

    async def create(self, request: cri.CreateContainerRequest) -> cri.CreateContainerResponse:
        """Make a container of a sandbox that is READY. One of the same name and attempt that is there is an error, as
        under containerd. ``sandbox_config`` repeats what the sandbox was made from, and is not looked at.
        """
        sandbox = self._world.sandbox(request.pod_sandbox_id)
        image = self._images.get(request.config.image.image)
        if image is None:
            raise not_found(f"image {request.config.image.image!r}")
        config = container_config(request.config, sandbox, image, self._mounted(request.config))
        _require_sub_paths(config)
        devices = asked_by((one.name for one in request.config.CDI_devices), request.config.annotations)
        config = with_devices(config, resolve(devices))
        if config.pid_target:
            config = dataclasses.replace(config, pid_target=self._target(sandbox, config))
        for known in self._world.containers(sandbox.id):
            if known.config.name == config.name and known.config.attempt == config.attempt:
                raise CriError(
                    f"its attempt {config.attempt} is container {known.id}",
                    code=StatusCode.ALREADY_EXISTS,
                    subject=f"container {config.name}",
                )
        config = dataclasses.replace(config, request=kept(request.config))
        return cri.CreateContainerResponse(container_id=await self._runtime.create_container(sandbox.id, config))

    def _mounted(self, config: cri.ContainerConfig) -> dict[str, Image]:
        """The images that it mounts. Raises :class:`CriError` (NOT_FOUND)."""
        found: dict[str, Image] = {}
        for name in {mount.image.image for mount in config.mounts} - {""}:
            image = self._images.get(name)
            if image is None:
                raise not_found(f"image {name!r}")
            found[name] = image
        return found

    def _target(self, sandbox: SandboxStatus, config: ContainerConfig) -> str:
        """The container whose PID namespace is to be joined: a running one of the same sandbox."""
        found = self._world.container(config.pid_target)
        if found.sandbox_id != sandbox.id or found.state is not ContainerState.RUNNING:
            raise invalid(
                "config.linux.security_context.namespace_options.target_id",
                f"expected a running container of sandbox {sandbox.id}, got {config.pid_target}",
            )
        return found.id

    async def start(self, request: cri.StartContainerRequest) -> cri.StartContainerResponse:
        """Run it. Of one that could not start the status says why.

        It starts also for a caller that hangs up meanwhile: what has been sent to the pod process is not taken back,
        and its answer has to be heard.
        """
        container = self._world.container(request.container_id)
        start = asyncio.ensure_future(self._runtime.start_container(container.id))
        start.add_done_callback(_heard)
        await asyncio.shield(start)
        return cri.StartContainerResponse()

    async def stop(self, request: cri.StopContainerRequest) -> cri.StopContainerResponse:
        """Stop it, with ``timeout`` seconds between the stop signal and SIGKILL; without a timeout it is killed at
        once. One that is not there, or does not run, has been stopped.

        A caller that hangs up meanwhile (its deadline) leaves the container as it is, with the signal in its mailbox.
        Who asks again waits again, without a second signal: many programs take that for "now at once".
        """
        container = self._world.find_container(request.container_id)
        if container is not None:
            await self._stop(container, max(request.timeout, 0))
        return cri.StopContainerResponse()

    async def _stop(self, container: ContainerStatus, seconds: int) -> None:
        if container.id in self._asked and container.state is ContainerState.RUNNING:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._runtime.wait_container(container.id), seconds)
            seconds = 0
        if seconds:
            self._asked.add(container.id)
        await self._runtime.stop_container(container.id, seconds)
        self._asked.discard(container.id)

    async def remove(self, request: cri.RemoveContainerRequest) -> cri.RemoveContainerResponse:
        """Remove it; a running one is killed first. One that is not there has been removed. Its log stays: it is the
        kubelet's.
        """
        container = self._world.find_container(request.container_id)
        if container is not None:
            await self._runtime.remove_container(container.id)
        return cri.RemoveContainerResponse()

    def _on_event(self, event: RuntimeEvent) -> None:
        if event.kind is EventKind.DELETED and event.container_id is not None:
            self._statuses.forget(event.container_id)
            self._asked.discard(event.container_id)

    def _message(self, container: ContainerStatus) -> cri.ContainerStatus:
        return container_status(container, self._world.sandbox_of(container).config)

    async def status(self, request: cri.ContainerStatusRequest) -> cri.ContainerStatusResponse | bytes:
        """One container. A status changes with the state and the limits alone, so it is kept in its encoded form: the
        only field of the answer.
        """
        container = self._world.container(request.container_id)
        if not request.verbose:
            return self._statuses.line(container)
        try:
            spec = self._runtime.container_spec(container.id)
        except (PyrtError, OSError):  # what it names on the host is gone (a seccomp profile)
            spec = None
        return cri.ContainerStatusResponse(status=self._message(container), info=container_info(container, spec))

    async def update_resources(
        self, request: cri.UpdateContainerResourcesRequest
    ) -> cri.UpdateContainerResourcesResponse:
        """Other limits, at once; what is 0 or empty stays as it is. One that has ended needs none any more."""
        container = self._world.container(request.container_id)
        if request.HasField("windows"):
            raise invalid("windows", "this is Linux")
        resources = resources_of(request.linux, "linux")
        if container.state is not ContainerState.EXITED:
            await self._runtime.update_resources(container.id, resources)
        return cri.UpdateContainerResourcesResponse()


def _require_sub_paths(config: ContainerConfig) -> None:
    """What is to be mounted of an image has to be there. Raises :class:`CriError`."""
    for mount in config.mounts:
        if mount.image is not None and mount.sub_path and not has_path(mount.layers, mount.sub_path):
            raise invalid("config.mounts.image_sub_path", f"the image has no {mount.sub_path!r}")


def _heard(start: asyncio.Future[None]) -> None:
    """Nobody may be left to be told of its failure, which is in the container's status."""
    if not start.cancelled():
        start.exception()
