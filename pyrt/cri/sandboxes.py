"""Sandboxes: RunPodSandbox, StopPodSandbox, RemovePodSandbox, PodSandboxStatus, UpdatePodSandboxResources."""

from __future__ import annotations

import dataclasses
import time

from grpc import StatusCode

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import kept, sandbox_request
from pyrt.cri.container_status import container_status
from pyrt.cri.errors import CriError
from pyrt.cri.identity import World
from pyrt.cri.inside import sandbox_info
from pyrt.cri.sandbox_config import sandbox_config
from pyrt.cri.sandbox_status import sandbox_status
from pyrt.cri.services import Handlers
from pyrt.network.cni import CniError
from pyrt.runtime import Runtime
from pyrt.runtime.status import SandboxState, SandboxStatus


class Sandboxes:
    """What a kubelet does with sandboxes. Lists of them are in :mod:`pyrt.cri.listing`."""

    def __init__(self, runtime: Runtime, world: World) -> None:
        self._runtime = runtime
        self._world = world

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "RunPodSandbox": self.run,
            "StopPodSandbox": self.stop,
            "RemovePodSandbox": self.remove,
            "PodSandboxStatus": self.status,
            "UpdatePodSandboxResources": self.update_resources,
        }

    async def run(self, request: cri.RunPodSandboxRequest) -> cri.RunPodSandboxResponse:
        """Make a sandbox.

        One of the same metadata (with the attempt) that is there is an error, as under containerd; one that is being
        made is waited for, since that is a kubelet which has lost patience and asks again.
        """
        config = sandbox_config(request.config, request.runtime_handler)
        for known in self._world.sandboxes():
            if known.config.metadata == config.metadata and known.state is SandboxState.READY:
                meta = config.metadata
                raise CriError(
                    f"its attempt {meta.attempt} is sandbox {known.id}",
                    code=StatusCode.ALREADY_EXISTS,
                    subject=f"pod {meta.namespace}/{meta.name}",
                )
        status = await self._runtime.run_sandbox(dataclasses.replace(config, request=kept(request)))
        return cri.RunPodSandboxResponse(pod_sandbox_id=status.id)

    async def stop(self, request: cri.StopPodSandboxRequest) -> cri.StopPodSandboxResponse:
        """Kill what runs in it, take its network down. One that is not there has been stopped."""
        sandbox = self._world.find_sandbox(request.pod_sandbox_id)
        if sandbox is not None:
            await self._runtime.stop_sandbox(sandbox.id)
        return cri.StopPodSandboxResponse()

    async def remove(self, request: cri.RemovePodSandboxRequest) -> cri.RemovePodSandboxResponse:
        """Remove it with its containers, whatever they do. One that is not there has been removed."""
        sandbox = self._world.find_sandbox(request.pod_sandbox_id)
        if sandbox is not None:
            await self._runtime.remove_sandbox(sandbox.id)
        return cri.RemovePodSandboxResponse()

    async def status(self, request: cri.PodSandboxStatusRequest) -> cri.PodSandboxStatusResponse:
        """The sandbox, and its containers with it: what a kubelet with evented PLEG works with."""
        sandbox = self._world.sandbox(request.pod_sandbox_id)
        containers = self._world.containers(sandbox.id)
        return cri.PodSandboxStatusResponse(
            status=sandbox_status(sandbox),
            info=sandbox_info(sandbox, await self._network(sandbox)) if request.verbose else {},
            containers_statuses=[container_status(one, sandbox.config) for one in containers],
            timestamp=time.time_ns(),
        )

    async def _network(self, sandbox: SandboxStatus) -> dict[str, object]:
        """What CNI plugins have made for it, and whether it is still so, which they are asked (CHECK)."""
        networks = self._runtime.cni
        if sandbox.state is not SandboxState.READY or not networks.knows(sandbox.id):
            return {}
        found = "OK"
        try:
            await networks.check(sandbox.id)
        except CniError as error:
            found = str(error)
        return {
            "cniResult": networks.results(sandbox.id),
            "cniCheck": found,
            "networkNamespace": networks.netns(sandbox.id),
        }

    async def update_resources(
        self, request: cri.UpdatePodSandboxResourcesRequest
    ) -> cri.UpdatePodSandboxResourcesResponse:
        """Remember what the pod's cgroup has now, for PodSandboxStatus.

        The kubelet has set it itself: the pod's cgroup is its own (as under containerd, where only plug-ins hear of
        this call).
        """
        sandbox = self._world.sandbox(request.pod_sandbox_id)
        asked = sandbox_request(sandbox)
        if request.HasField("overhead"):
            asked.config.linux.overhead.CopyFrom(request.overhead)
        if request.HasField("resources"):
            asked.config.linux.resources.CopyFrom(request.resources)
        self._runtime.keep_sandbox_request(sandbox.id, kept(asked))
        return cri.UpdatePodSandboxResourcesResponse()
