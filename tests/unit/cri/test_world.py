"""Who is in the kubelet's world, and in its lists; what is told of them."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import grpc
import pytest

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.asked import kept
from pyrt.cri.container_status import container_item, container_status
from pyrt.cri.containers import Containers
from pyrt.cri.errors import CriError
from pyrt.cri.events import WAITING_EVENTS, Events
from pyrt.cri.identity import World
from pyrt.cri.listing import BATCH, Listing
from pyrt.cri.sandbox_status import sandbox_item, sandbox_status
from pyrt.cri.unserved import unserved
from pyrt.images.types import Image, ImageConfig
from pyrt.runtime.config import (
    ContainerConfig,
    ContainerSecurity,
    NamespaceMode,
    Owner,
    PodMetadata,
    Resources,
    SandboxConfig,
)
from pyrt.runtime.errors import ContainerNotFoundError, SandboxNotFoundError
from pyrt.runtime.status import (
    ContainerState,
    ContainerStatus,
    EventKind,
    RuntimeEvent,
    SandboxState,
    SandboxStatus,
)

IMAGE = Image(
    id="sha256:" + "1" * 64,
    manifest_digest="sha256:" + "2" * 64,
    repo_tags=("docker.io/library/nginx:1", "docker.io/library/nginx:latest"),
    repo_digests=("docker.io/library/nginx@sha256:" + "2" * 64,),
    size=1,
    config=ImageConfig(),
    layers=(),
)


def sandbox(key, *, owner=Owner.CRI, labels=None, **fields):
    metadata = cri.PodSandboxMetadata(name=key[:4], namespace="default", uid="uid", attempt=2)
    request = cri.RunPodSandboxRequest(
        config=cri.PodSandboxConfig(metadata=metadata, labels=labels or {}, annotations={"note": key}),
        runtime_handler="pyrt",
    )
    config = SandboxConfig(
        metadata=PodMetadata(key[:4], "default", "uid", 2),
        hostname="h",
        log_directory=Path("/logs"),
        labels=labels or {},
        owner=owner,
        request=kept(request),
    )
    fields = {"state": SandboxState.READY, "created_at": 7, "addresses": ("10.0.0.1", "fd00::1"), "pid": 1} | fields
    return SandboxStatus(id=key, config=config, **fields)


def container(key, of, *, asked=None, config=None, **fields):
    asked = asked or cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="app", attempt=1), image=cri.ImageSpec(image=IMAGE.id), labels={"l": key}
    )
    made = ContainerConfig(
        name="app",
        attempt=1,
        image=IMAGE,
        image_ref="nginx",
        log_path=Path("app/1.log"),
        labels=dict(asked.labels),
        request=kept(asked),
    )
    made = dataclasses.replace(made, **(config or {}))
    fields = {"state": ContainerState.RUNNING, "created_at": 8, "started_at": 9} | fields
    return ContainerStatus(id=key, sandbox_id=of, config=made, **fields)


class Runtime:
    """The part of the runtime that is asked, with what a test puts in it."""

    def __init__(self, *statuses):
        self.sandboxes = {one.id: one for one in statuses if isinstance(one, SandboxStatus)}
        self.containers = {one.id: one for one in statuses if isinstance(one, ContainerStatus)}
        self.subscribers = []

    def list_sandboxes(self, owner=None):
        return [one for one in self.sandboxes.values() if owner in (None, one.config.owner)]

    def list_containers(self, sandbox_id=None, *, owner=None):
        return [
            one
            for one in self.containers.values()
            if sandbox_id in (None, one.sandbox_id) and owner in (None, self.sandboxes[one.sandbox_id].config.owner)
        ]

    def sandbox_status(self, key):
        if key not in self.sandboxes:
            raise SandboxNotFoundError("not found")
        return self.sandboxes[key]

    def container_status(self, key):
        if key not in self.containers:
            raise ContainerNotFoundError("not found")
        return self.containers[key]

    def subscribe(self, callback):
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def tell(self, *event):
        for callback in list(self.subscribers):
            callback(RuntimeEvent(*event))


A, B, C = ("ab" + "0" * 62, "ac" + "0" * 62, "b" + "0" * 63)
OURS, THEIRS = "c" * 64, "d" * 64


@pytest.fixture
def runtime():
    return Runtime(
        sandbox(A, labels={"x": "1"}),
        sandbox(B, state=SandboxState.NOT_READY),
        sandbox(C, owner=Owner.API),
        container(OURS, A),
        container(THEIRS, C),
    )


# --- ids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "found"), [(A, A), ("ab", A), ("ac0", B)])
def test_an_id_or_its_beginning(runtime, text, found):
    assert World(runtime).sandbox(text).id == found


@pytest.mark.parametrize("text", ["", "zz", C, "b", "e" * 64])
def test_what_is_not_ours_is_not_there(runtime, text):
    with pytest.raises(CriError) as caught:
        World(runtime).sandbox(text)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert World(runtime).find_sandbox(text) is None


def test_a_beginning_of_two(runtime):
    for find in (World(runtime).sandbox, World(runtime).find_sandbox):
        with pytest.raises(CriError) as caught:
            find("a")
        assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("text", [THEIRS, "d", "f" * 64])
def test_containers_of_the_other_world_are_not_there(runtime, text):
    assert World(runtime).container("c").id == OURS
    assert World(runtime).find_container(text) is None


# --- lists -------------------------------------------------------------------------------------------------------


def listed(listing):
    answer = asyncio.run(listing.list_containers(cri.ListContainersRequest()))
    return list(cri.ListContainersResponse.FromString(answer).containers)


def test_a_list_is_what_protobuf_would_write(runtime):
    long = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="app"), annotations={"long": "x" * 40000})
    runtime.containers["e" * 64] = container("e" * 64, A, asked=long)
    listing = Listing(World(runtime), runtime.subscribe)
    ours = [runtime.containers[OURS], runtime.containers["e" * 64]]
    for _ in range(2):  # the second from what is kept of the first
        assert listed(listing) == [container_item(one) for one in ours]
    answer = asyncio.run(listing.list_sandboxes(cri.ListPodSandboxRequest()))
    items = list(cri.ListPodSandboxResponse.FromString(answer).items)
    assert items == [sandbox_item(runtime.sandboxes[key]) for key in (A, B)]


def test_a_line_follows_its_container(runtime):
    listing = Listing(World(runtime), runtime.subscribe)
    assert listed(listing)[0].state == cri.CONTAINER_RUNNING
    runtime.containers[OURS] = dataclasses.replace(runtime.containers[OURS], state=ContainerState.EXITED)
    assert listed(listing)[0].state == cri.CONTAINER_EXITED
    del runtime.containers[OURS]
    runtime.tell(EventKind.DELETED, A, OURS)
    assert listed(listing) == []
    runtime.containers[OURS] = container(OURS, A)
    assert listed(listing)[0].state == cri.CONTAINER_RUNNING


def test_a_long_list_streams_in_batches(runtime):
    for number in range(BATCH):
        key = f"{number:064x}"
        runtime.containers[key] = container(key, A)

    async def collect():
        listing = Listing(World(runtime), runtime.subscribe)
        return [
            cri.StreamContainersResponse.FromString(answer)
            async for answer in listing.stream_containers(cri.StreamContainersRequest())
        ]

    answers = asyncio.run(collect())
    assert [len(answer.containers) for answer in answers] == [BATCH, 1]


# --- statuses ----------------------------------------------------------------------------------------------------


def test_a_sandbox_in_its_own_words():
    status = sandbox_status(sandbox(A, labels={"x": "1"}))
    assert status.metadata == cri.PodSandboxMetadata(name=A[:4], namespace="default", uid="uid", attempt=2)
    assert (dict(status.labels), dict(status.annotations)) == ({"x": "1"}, {"note": A})
    assert (status.created_at, status.runtime_handler) == (7, "pyrt")
    assert status.network.ip == "10.0.0.1"
    assert [one.ip for one in status.network.additional_ips] == ["fd00::1"]


def test_no_addresses_of_what_has_none():
    stopped = sandbox(A, state=SandboxState.NOT_READY)
    on_host = sandbox(A)
    on_host = dataclasses.replace(on_host, config=dataclasses.replace(on_host.config, network=NamespaceMode.NODE))
    for status in (stopped, on_host):
        assert sandbox_status(status).network == cri.PodSandboxNetworkStatus()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        (IMAGE.id, "docker.io/library/nginx:1"),
        ("moved:tag", "docker.io/library/nginx:1"),
        ("No Reference!", "docker.io/library/nginx:1"),
    ],
)
def test_the_name_of_the_image(asked, told):
    status = container_status(container(OURS, A, config={"image_ref": asked}), sandbox(A).config)
    assert (status.image.image, status.image_id, status.image_ref) == (told, IMAGE.id, IMAGE.repo_digests[0])


def test_an_image_without_a_name():
    bare = dataclasses.replace(IMAGE, repo_tags=(), repo_digests=())
    status = container_status(container(OURS, A, config={"image": bare}), sandbox(A).config)
    assert status.image.image == status.image_ref == status.image_id == IMAGE.id


@pytest.mark.parametrize(
    ("stop_signal", "image", "told"),
    [
        ("", "", cri.SIGNAL_SIGTERM),
        ("", "SIGQUIT", cri.SIGNAL_SIGQUIT),
        ("", "37", cri.SIGNAL_SIGRTMINPLUS3),
        ("", "SIGRTMIN", cri.SIGNAL_SIGRTMIN),
        ("", "SIGRTMAX-14", cri.SIGNAL_SIGRTMAXMINUS14),
        ("", "SIGRTMAX", cri.SIGNAL_SIGRTMAX),
        ("", "nonsense", cri.SIGNAL_SIGTERM),
        ("SIGUSR2", "SIGQUIT", cri.SIGNAL_SIGUSR2),
    ],
)
def test_the_stop_signal(stop_signal, image, told):
    config = {"stop_signal": stop_signal, "image": dataclasses.replace(IMAGE, config=ImageConfig(stop_signal=image))}
    assert container_status(container(OURS, A, config=config), sandbox(A).config).stop_signal == told


def test_limits_in_force():
    config = {
        "resources": Resources(cpu_shares=5, cpu_quota=-1, memory_limit=6, hugepage_limits={"2MB": 0}),
        "security": ContainerSecurity(oom_score_adj=-5),
    }
    told = container_status(container(OURS, A, config=config), sandbox(A).config).resources.linux
    assert told == cri.LinuxContainerResources(
        cpu_shares=5,
        cpu_quota=-1,
        memory_limit_in_bytes=6,
        oom_score_adj=-5,
        hugepage_limits=[cri.HugepageLimit(page_size="2MB", limit=0)],
    )


@pytest.mark.parametrize(("log_path", "told"), [("app/1.log", "/logs/app/1.log"), (".", "")])
def test_the_log(log_path, told):
    status = container_status(container(OURS, A, config={"log_path": Path(log_path)}), sandbox(A).config)
    assert status.log_path == told


# --- events ------------------------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_loses_its_stream(runtime):
    async def scenario():
        stream = Events(runtime, World(runtime)).events(cri.GetEventsRequest())
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        runtime.tell(EventKind.STARTED, C, THEIRS)  # of the other world
        runtime.tell(EventKind.STARTED, A, OURS)
        event = await first
        assert (event.container_id, event.container_event_type) == (OURS, cri.CONTAINER_STARTED_EVENT)
        assert event.pod_sandbox_status.id == A
        assert [one.id for one in event.containers_statuses] == [OURS]
        for _ in range(WAITING_EVENTS + 1):
            runtime.tell(EventKind.STARTED, A, OURS)
        with pytest.raises(CriError) as caught:
            await anext(stream)
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert runtime.subscribers == []

    asyncio.run(scenario())


# --- callers that hang up ----------------------------------------------------------------------------------------


def test_a_start_goes_on_without_its_caller(runtime):
    async def scenario():
        answered, started = asyncio.Event(), []

        async def start_container(key):
            await answered.wait()
            started.append(key)

        runtime.start_container = start_container
        call = asyncio.ensure_future(
            Containers(runtime, None, World(runtime)).start(cri.StartContainerRequest(container_id=OURS))
        )
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        answered.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert started == [OURS]

    asyncio.run(scenario())


def test_what_is_left_out_says_why():
    for handler in unserved().values():
        with pytest.raises(CriError, match="criu") as caught:
            asyncio.run(handler(None))
        assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED
