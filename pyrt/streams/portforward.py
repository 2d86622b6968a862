"""Port forwarding over a WebSocket: each port has a channel for data (2i) and one for the text of an error (2i + 1).

The first message on each is the port, two bytes, little-endian (kubelet,
``pkg/kubelet/.../portforward/websocket.go``). A message without data from the client means that it sends no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from pyrt.errors import PyrtError
from pyrt.streams.channels import ChannelProtocol
from pyrt.streams.descriptors import read_some, write_all
from pyrt.streams.websocket import Frames

CHUNK: Final = 32 * 1024
"""Bytes read from a pod at a time."""

Connect = Callable[[int], Awaitable[socket.socket]]
"""Open a non-blocking connection to a port inside the pod. Raises PyrtError or OSError."""


def complaint(port: int, error: Exception) -> bytes:
    """What the client reads about a port that cannot be forwarded."""
    return f"error forwarding port {port} to pod: {error}".encode()


async def serve(frames: Frames, protocol: ChannelProtocol, ports: Sequence[int], connect: Connect) -> None:
    """Carry one connection for each port until all have ended or the client has gone."""
    forwards = [_Forward(frames, protocol, 2 * index, port) for index, port in enumerate(ports)]
    for forward in forwards:
        await forward.greet()
    client = asyncio.create_task(_from_client(frames, protocol, forwards))
    carriers = [asyncio.create_task(forward.carry(connect)) for forward in forwards]
    everything: asyncio.Future[Any] = asyncio.gather(*carriers)
    try:
        await asyncio.wait({client, everything}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (client, *carriers):
            task.cancel()
        try:
            # A client that goes now has this cancelled: then it ends by CancelledError, when all of them have ended.
            await asyncio.gather(client, *carriers, return_exceptions=True)
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await everything
        finally:
            for forward in forwards:
                forward.close()


async def _from_client(frames: Frames, protocol: ChannelProtocol, forwards: Sequence[_Forward]) -> None:
    while (message := await frames.receive()) is not None:
        decoded = protocol.decode(message)
        if decoded is None:
            continue
        channel, data = decoded
        if channel % 2 == 0 and channel // 2 < len(forwards):
            await forwards[channel // 2].send(data)


class _Forward:
    """One port."""

    def __init__(self, frames: Frames, protocol: ChannelProtocol, channel: int, port: int) -> None:
        self._frames = frames
        self._protocol = protocol
        self._channel = channel
        self._port = port
        self._connected = asyncio.Event()
        self._socket: socket.socket | None = None

    async def greet(self) -> None:
        number = struct.pack("<H", self._port)
        await self._frames.send(self._protocol.encode(self._channel, number))
        await self._frames.send(self._protocol.encode(self._channel + 1, number))

    async def carry(self, connect: Connect) -> None:
        """Connect, and send what comes from the pod until it ends."""
        try:
            try:
                self._socket = await connect(self._port)
            finally:
                self._connected.set()
            while data := await read_some(self._socket.fileno(), CHUNK):
                await self._frames.send(self._protocol.encode(self._channel, data))
        except ConnectionError as error:
            if self._socket is None:
                await self._complain(error)
        except (PyrtError, OSError) as error:
            await self._complain(error)

    async def _complain(self, error: Exception) -> None:
        with contextlib.suppress(ConnectionError):
            await self._frames.send(self._protocol.encode(self._channel + 1, complaint(self._port, error)))

    async def send(self, data: bytes) -> None:
        """Hand on what the client sent."""
        await self._connected.wait()
        if self._socket is None:
            return
        if data:
            await write_all(self._socket.fileno(), data)
        else:
            with contextlib.suppress(OSError):  # the pod's side has closed already
                self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the pod's side; nobody uses it any more."""
        if self._socket is not None:
            self._socket.close()
