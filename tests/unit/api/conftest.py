"""An API over a real store and supervisor, with a runtime and images that only remember what they were asked."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import RawTestServer, TestClient

from pyrt.api.app import Parts, build
from pyrt.config import for_instance
from pyrt.controllers.storage import StorageController
from pyrt.ids import ContainerId, Digest, ImageId, SandboxId
from pyrt.images.errors import NotFoundError
from pyrt.images.types import Image, ImageConfig
from pyrt.pods.dns import ClusterDns
from pyrt.pods.facts import NodeFacts
from pyrt.pods.supervisor import Supervisor
from pyrt.runtime.config import DnsConfig
from pyrt.runtime.errors import ContainerNotFoundError, SandboxNotFoundError
from pyrt.runtime.status import (
    ContainerState,
    ContainerStatus,
    EventKind,
    RuntimeEvent,
    SandboxState,
    SandboxStatus,
)
from pyrt.store import Store

IMAGE = Image(
    id=ImageId("sha256:" + "1" * 64),
    manifest_digest=Digest("sha256:" + "2" * 64),
    repo_tags=("docker.io/library/busybox:1.36",),
    repo_digests=("docker.io/library/busybox@sha256:" + "2" * 64,),
    size=1000,
    config=ImageConfig(cmd=("sh",)),
    layers=(Path("/layers/1"),),
)


class MemoryRuntime:
    """The part of :class:`pyrt.runtime.Runtime` that pods use. Containers run until they are told otherwise."""

    def __init__(self):
        self.sandboxes = {}
        self.containers = {}
        self.calls = []
        self.fail = {}
        """Method name -> exceptions to raise, in turn."""
        self.obstinate = None
        """An event without which no container stops."""
        self._subscribers = []
        self._ids = itertools.count(1)

    def subscribe(self, callback):
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def _emit(self, kind, sandbox_id, container_id=None):
        for callback in list(self._subscribers):
            callback(RuntimeEvent(kind, sandbox_id, container_id, time.time_ns()))

    def _called(self, name, *arguments):
        self.calls.append((name, *arguments))
        if self.fail.get(name):
            raise self.fail[name].pop(0)

    async def run_sandbox(self, config):
        self._called("run_sandbox", config)
        number = next(self._ids)
        status = SandboxStatus(
            SandboxId(f"s{number}"), config, SandboxState.READY, time.time_ns(), (f"10.0.0.{number}", f"fd00::{number}")
        )
        self.sandboxes[status.id] = status
        return status

    async def run_pod(self, config, container):
        sandbox = await self.run_sandbox(config)
        container_id = await self.create_container(sandbox.id, container)
        await self.start_container(container_id)
        return sandbox, container_id

    async def create_container(self, sandbox_id, config):
        self._called("create_container", config)
        container_id = ContainerId(f"c{next(self._ids)}")
        self.containers[container_id] = ContainerStatus(
            container_id, sandbox_id, config, ContainerState.CREATED, time.time_ns()
        )
        return container_id

    async def start_container(self, container_id):
        self._called("start_container", container_id)
        self._change(container_id, state=ContainerState.RUNNING, started_at=time.time_ns())

    def _change(self, container_id, **changes):
        status = self.containers[container_id] = replace(self.containers[container_id], **changes)
        self._emit(EventKind.STARTED, status.sandbox_id, container_id)

    def end(self, name, code=0):
        """The newest instance of a container ends."""
        status = [s for s in self.containers.values() if s.config.name == name][-1]
        self._change(status.id, state=ContainerState.EXITED, exit_code=code, finished_at=time.time_ns())

    async def stop_container(self, container_id, grace_seconds, signal=None):
        self._called("stop_container", container_id, grace_seconds)
        if self.obstinate is not None:
            await self.obstinate.wait()
        self._change(container_id, state=ContainerState.EXITED, exit_code=137, finished_at=time.time_ns())

    async def remove_container(self, container_id):
        self.containers.pop(container_id, None)

    async def stop_sandbox(self, sandbox_id):
        self._called("stop_sandbox", sandbox_id)
        if sandbox_id in self.sandboxes:
            self.sandboxes[sandbox_id] = replace(self.sandboxes[sandbox_id], state=SandboxState.NOT_READY)

    async def remove_sandbox(self, sandbox_id):
        self._called("remove_sandbox", sandbox_id)
        self.sandboxes.pop(sandbox_id, None)
        self.containers = {i: c for i, c in self.containers.items() if c.sandbox_id != sandbox_id}

    def sandbox_status(self, sandbox_id):
        if sandbox_id not in self.sandboxes:
            raise SandboxNotFoundError(subject=sandbox_id)
        return self.sandboxes[sandbox_id]

    def container_status(self, container_id):
        if container_id not in self.containers:
            raise ContainerNotFoundError(subject=container_id)
        return self.containers[container_id]

    def flush_ends(self):
        """There is no database behind."""

    rushing = False

    async def rush_over(self):
        """Nothing is ever being started."""

    @property
    def spares(self):
        return self

    def take_message(self, directory, name):
        Path(directory).mkdir(exist_ok=True)
        (Path(directory) / name).touch()

    def list_sandboxes(self, owner=None):
        return list(self.sandboxes.values())

    def images_in_use(self):
        return {status.config.image.id for status in self.containers.values()}

    def list_containers(self, sandbox_id=None, *, owner=None):
        return [c for c in self.containers.values() if sandbox_id is None or c.sandbox_id == sandbox_id]


class MemoryImages:
    """The part of :class:`pyrt.images.service.ImageService` that pods use: one image."""

    def get(self, ref):
        return IMAGE if ref in ("busybox:1.36", "busybox", IMAGE.id) else None

    def list(self):
        return (IMAGE,)

    async def pull(self, ref, *, policy=None, secrets=(), progress=None):
        image = self.get(ref)
        if image is None:
            raise NotFoundError("not found", subject=f"image {ref}")
        return image


@pytest.fixture
def config(tmp_path):
    return for_instance(tmp_path, "unit")


@pytest.fixture
def facts(config):
    return NodeFacts(
        name="node1",
        addresses=("192.0.2.1", "2001:db8::1"),
        cluster=ClusterDns(("10.96.0.10",)),
        host_dns=DnsConfig(("9.9.9.9",)),
        host_hosts="127.0.0.1 localhost\n",
        logs=config.paths.logs,
        pods=config.paths.root / "pods",
        seccomp_root=config.runtime.seccomp_root,
        memory_capacity=8 << 30,
    )


@pytest.fixture
async def world(config, facts) -> AsyncIterator[SimpleNamespace]:
    """Everything, wired together; ``client`` speaks HTTP to it."""
    facts.pods.mkdir(parents=True)
    with Store(config.paths.root) as store:
        runtime, images = MemoryRuntime(), MemoryImages()
        supervisor = Supervisor(store, runtime, images, facts)
        storage = StorageController(store, supervisor, config.paths.root)
        api = build(Parts(config, store, runtime, images, supervisor, storage, config.paths.root))
        supervisor.start()
        storage.start()
        server = RawTestServer(api.handle)
        async with TestClient(server) as client:
            yield SimpleNamespace(
                client=client,
                store=store,
                runtime=runtime,
                images=images,
                supervisor=supervisor,
                api=api,
                eventually=eventually,
            )
        await storage.close()
        await supervisor.settled()
        await supervisor.close()


async def eventually(condition):
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no one event for any condition
            await asyncio.sleep(0)


def make_pod(name="web", *, labels=None, **spec):
    container = {"name": "app", "image": "busybox:1.36", "command": ["sleep", "1"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container], **spec},
    }


@pytest.fixture
def pod():
    return make_pod
