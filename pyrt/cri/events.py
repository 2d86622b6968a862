"""GetContainerEvents: what happens to sandboxes and containers, as it happens, with the state that it left behind.

A kubelet with evented PLEG lives on these instead of lists, so an event is complete: the status of the sandbox and of
all its containers, taken at that moment. Events of a sandbox carry its id as ``container_id``, as under containerd.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from grpc import StatusCode

from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.container_status import container_status
from pyrt.cri.errors import CriError
from pyrt.cri.identity import World
from pyrt.cri.sandbox_status import sandbox_status
from pyrt.cri.services import Handlers
from pyrt.runtime import Runtime
from pyrt.runtime.config import Owner
from pyrt.runtime.errors import SandboxNotFoundError
from pyrt.runtime.status import EventKind, RuntimeEvent

WAITING_EVENTS: Final = 1000
"""For a client that does not read. Beyond that its stream ends, and it knows that it has to list anew."""

_KINDS: Final = {
    EventKind.CREATED: cri.CONTAINER_CREATED_EVENT,
    EventKind.STARTED: cri.CONTAINER_STARTED_EVENT,
    EventKind.STOPPED: cri.CONTAINER_STOPPED_EVENT,
    EventKind.DELETED: cri.CONTAINER_DELETED_EVENT,
}


class Events:
    """GetContainerEvents; any number of streams, each with all events from its beginning on."""

    def __init__(self, runtime: Runtime, world: World) -> None:
        self._runtime = runtime
        self._world = world

    def handlers(self) -> Handlers:
        """By method."""
        return {"GetContainerEvents": self.events}

    async def events(self, request: cri.GetEventsRequest) -> AsyncIterator[cri.ContainerEventResponse]:
        """Until the client hangs up. Raises :class:`CriError` (RESOURCE_EXHAUSTED) when it does not read them."""
        waiting: asyncio.Queue[cri.ContainerEventResponse] = asyncio.Queue(WAITING_EVENTS + 1)

        def note(event: RuntimeEvent) -> None:
            if waiting.full():
                return
            message = self._message(event)
            if message is not None:
                waiting.put_nowait(message)

        unsubscribe = self._runtime.subscribe(note)
        try:
            while not waiting.full():
                yield await waiting.get()
            raise CriError(f"{WAITING_EVENTS} events were not read", code=StatusCode.RESOURCE_EXHAUSTED)
        finally:
            unsubscribe()

    def _message(self, event: RuntimeEvent) -> cri.ContainerEventResponse | None:
        try:
            sandbox = self._runtime.sandbox_status(event.sandbox_id)
        except SandboxNotFoundError:
            return None
        if sandbox.config.owner is not Owner.CRI:
            return None
        return cri.ContainerEventResponse(
            container_id=event.container_id or event.sandbox_id,
            container_event_type=_KINDS[event.kind],
            created_at=time.time_ns(),  # of the statuses: a kubelet drops what is older than what it knows
            pod_sandbox_status=sandbox_status(sandbox),
            containers_statuses=[container_status(one, sandbox.config) for one in self._world.containers(sandbox.id)],
        )
