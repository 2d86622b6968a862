"""The gRPC server on its unix socket, and the one table of what answers what."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import grpc

from pyrt.config import Config
from pyrt.cri.containers import Containers
from pyrt.cri.errors import CriError
from pyrt.cri.events import Events
from pyrt.cri.exec import Exec
from pyrt.cri.identity import World
from pyrt.cri.images import Images
from pyrt.cri.layers import WritableLayers
from pyrt.cri.listing import Listing
from pyrt.cri.metrics import Metrics
from pyrt.cri.sandboxes import Sandboxes
from pyrt.cri.services import Handlers, generic_handlers
from pyrt.cri.stats import Stats
from pyrt.cri.status import Identity
from pyrt.cri.streaming.server import StreamingServer
from pyrt.cri.unserved import unserved
from pyrt.images.service import ImageService
from pyrt.runtime import Runtime
from pyrt.store import Store

MESSAGE_LIMIT = 16 * 2**20
"""Bytes of a request or an answer: what kubelets and containerd agree on."""
SHUTDOWN_SECONDS = 2.0
"""How long calls may take to end."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with."""

    config: Config
    store: Store
    runtime: Runtime
    images: ImageService


def handlers(parts: Parts, streaming: StreamingServer) -> Handlers:
    """Every method that is served. One line for each module that answers."""
    world = World(parts.runtime)
    layers = WritableLayers()
    return {
        **Identity(parts.config, parts.runtime.cni).handlers(),
        **Sandboxes(parts.runtime, world).handlers(),
        **Containers(parts.runtime, parts.images, world).handlers(),
        **Exec(parts.config.cri, parts.runtime, world, streaming).handlers(),
        **Listing(world, parts.runtime.subscribe).handlers(),
        **Events(parts.runtime, world).handlers(),
        **Images(parts.config, parts.runtime, parts.images).handlers(),
        **Stats(parts.config, parts.runtime, world, layers).handlers(),
        **Metrics(parts.config, parts.runtime, world, layers).handlers(),
        **unserved(),
    }


logging.getLogger("grpc").setLevel(logging.INFO)  # its debug lines are about gRPC's own loops, for every call


class CriServer:
    """Serves from :meth:`start` to :meth:`stop`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._path = parts.config.cri_socket
        self._streaming = StreamingServer(parts.config.cri)
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ]
        )
        self._server.add_generic_rpc_handlers(generic_handlers(handlers(parts, self._streaming)))

    async def start(self) -> None:
        """Listen. Raises :class:`CriError` when the socket cannot be made."""
        await self._streaming.start()
        # gRPC makes the socket with the process' umask. In a directory that only root may enter it is nobody's until
        # its mode is right; then it takes the place of what an earlier daemon left.
        nursery = self._path.with_name(f".{self._path.name}.new")
        new = nursery / "socket"
        try:
            nursery.mkdir(mode=0o700, exist_ok=True)
            new.unlink(missing_ok=True)
            self._listen(new)
            new.chmod(0o600)
            os.rename(new, self._path)
            nursery.rmdir()
        except OSError as error:
            raise CriError(subject=f"socket {self._path}", operation="listen", errno=error.errno) from error
        await self._server.start()

    def _listen(self, path: Path) -> None:
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise CriError(str(error), subject=f"socket {self._path}", operation="listen") from error

    async def stop(self) -> None:
        """Let calls end for a moment, then cut them off."""
        await asyncio.gather(self._server.stop(SHUTDOWN_SECONDS), self._streaming.stop())
        self._path.unlink(missing_ok=True)
