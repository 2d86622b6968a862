"""Lists of sandboxes and containers: who is in them, and their bytes.

A kubelet asks for all of both every second. A line of a list changes twice in its life, with the state; so it is
encoded once for each and kept, and a list is these lines one after the other. That is what protobuf makes of a repeated
field: tag, length, message (protobuf.dev, "Encoding").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.container_status import container_item
from pyrt.cri.container_status import state_of as container_state
from pyrt.cri.identity import World
from pyrt.cri.sandbox_status import sandbox_item
from pyrt.cri.sandbox_status import state_of as sandbox_state
from pyrt.cri.services import Handlers
from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.status import ContainerStatus, EventKind, RuntimeEvent, SandboxStatus

BATCH: Final = 500
"""Lines in one message of a stream: some 500 KiB of the 16 MiB that it may have."""
_FIRST_FIELD: Final = b"\x0a"
"""Field 1, length-delimited: where all four answers have their lines."""

Status = TypeVar("Status", SandboxStatus, ContainerStatus)


class Lines(Generic[Status]):
    """Encoded lines by id, as long as what they tell is true."""

    def __init__(self, message: Callable[[Status], Message]) -> None:
        self._message: Callable[[Status], Message] = message
        self._known: dict[str, tuple[object, object, bytes]] = {}

    def line(self, status: Status) -> bytes:
        """One line, with its tag and length."""
        found = self._known.get(status.id)
        if found is not None and found[0] is status.config and found[1] is status.state:
            return found[2]
        encoded = self._message(status).SerializeToString()
        framed = b"".join((_FIRST_FIELD, _varint(len(encoded)), encoded))
        self._known[status.id] = (status.config, status.state, framed)
        return framed

    def forget(self, key: str) -> None:
        """It is gone."""
        self._known.pop(key, None)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class Listing:
    """ListPodSandbox, ListContainers and their streams."""

    def __init__(self, world: World, subscribe: Callable[[Callable[[RuntimeEvent], None]], object]) -> None:
        self._world = world
        self._sandboxes: Lines[SandboxStatus] = Lines(sandbox_item)
        self._containers: Lines[ContainerStatus] = Lines(container_item)
        subscribe(self._on_event)

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "ListPodSandbox": self.list_sandboxes,
            "StreamPodSandboxes": self.stream_sandboxes,
            "ListContainers": self.list_containers,
            "StreamContainers": self.stream_containers,
        }

    def _on_event(self, event: RuntimeEvent) -> None:
        if event.kind is EventKind.DELETED:
            (self._containers if event.container_id else self._sandboxes).forget(event.container_id or event.sandbox_id)

    async def list_sandboxes(self, request: cri.ListPodSandboxRequest) -> bytes:
        """A ListPodSandboxResponse."""
        return b"".join(map(self._sandboxes.line, chosen_sandboxes(self._world, request.filter)))

    async def list_containers(self, request: cri.ListContainersRequest) -> bytes:
        """A ListContainersResponse."""
        return b"".join(map(self._containers.line, chosen_containers(self._world, request.filter)))

    async def stream_sandboxes(self, request: cri.StreamPodSandboxesRequest) -> AsyncIterator[bytes]:
        """StreamPodSandboxesResponses; the list is that of the moment of the request."""
        for batch in _batches([self._sandboxes.line(one) for one in chosen_sandboxes(self._world, request.filter)]):
            yield batch

    async def stream_containers(self, request: cri.StreamContainersRequest) -> AsyncIterator[bytes]:
        """StreamContainersResponses; the list is that of the moment of the request."""
        for batch in _batches([self._containers.line(one) for one in chosen_containers(self._world, request.filter)]):
            yield batch


def _batches(lines: list[bytes]) -> Iterable[bytes]:
    return (b"".join(lines[start : start + BATCH]) for start in range(0, len(lines), BATCH))


def chosen_sandboxes(world: World, chosen: cri.PodSandboxFilter) -> list[SandboxStatus]:
    """Those for which everything in the filter holds; an id may be the beginning of one."""
    found = world.sandboxes()
    if chosen.id:
        found = [one for one in found if one.id.startswith(chosen.id)]
    if chosen.HasField("state"):
        found = [one for one in found if sandbox_state(one) == chosen.state.state]
    return [one for one in found if carries(one.config.labels, chosen.label_selector)]


def chosen_containers(world: World, chosen: cri.ContainerFilter) -> list[ContainerStatus]:
    """Those for which everything in the filter holds; ids may be the beginnings of some."""
    found = world.containers(SandboxId(chosen.pod_sandbox_id) if len(chosen.pod_sandbox_id) == 64 else None)
    if chosen.pod_sandbox_id:
        found = [one for one in found if one.sandbox_id.startswith(chosen.pod_sandbox_id)]
    if chosen.id:
        found = [one for one in found if one.id.startswith(ContainerId(chosen.id))]
    if chosen.HasField("state"):
        found = [one for one in found if container_state(one) == chosen.state.state]
    return [one for one in found if carries(one.config.labels, chosen.label_selector)]


def carries(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether all labels of the selector are there, with these values."""
    return not selector or all(labels.get(name) == value for name, value in selector.items())
