"""WebSocket, from aiohttp's to what the streams need: messages, a command's channels, or a pipe for tunnelled SPDY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiohttp import WSMsgType, web

from pyrt.streams.channels import CLOSE, RESIZE, STDIN, ChannelProtocol
from pyrt.streams.errors import UpgradeRefusedError
from pyrt.streams.idle import IdleWatch
from pyrt.streams.remotecommand import Input

_MAX_MESSAGE: Final = 1 << 20
"""Bytes in one message from a client."""
_GOODBYE: Final = 2.0
"""Seconds for a client to answer the closing handshake."""


class Frames(Protocol):
    """A WebSocket as this package needs it."""

    async def send(self, message: bytes | str) -> None:
        """Send one message; returns when the client is ready for more. Raises ConnectionError when it is gone."""

    async def receive(self) -> bytes | str | None:
        """The next message, ``None`` at the end."""


class WebSocketFrames:
    """aiohttp's WebSocket as :class:`Frames`."""

    def __init__(self, socket: web.WebSocketResponse, idle: IdleWatch) -> None:
        self._socket = socket
        self._idle = idle

    async def send(self, message: bytes | str) -> None:
        """One message, binary or text. Raises ConnectionError."""
        self._idle.touch()
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def receive(self) -> bytes | str | None:
        """The next message; ``None`` when the client has closed."""
        message = await self._socket.receive()
        self._idle.touch()
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            data: bytes | str = message.data
            return data
        return None

    async def close(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await self._socket.close()
        self._idle.close()

    @property
    def response(self) -> web.StreamResponse:
        """What the handler returns."""
        return self._socket


async def upgrade(request: web.BaseRequest, protocol: str, *, idle: float) -> WebSocketFrames:
    """Shake hands. Raises UpgradeRefusedError."""
    socket = web.WebSocketResponse(protocols=(protocol,), max_msg_size=_MAX_MESSAGE, compress=False, timeout=_GOODBYE)
    try:
        await socket.prepare(request)
    except web.HTTPException as error:
        raise UpgradeRefusedError(error.text or error.reason) from error

    def expired() -> None:
        if request.transport is not None:
            request.transport.abort()

    return WebSocketFrames(socket, IdleWatch(idle, expired))


def offered(request: web.BaseRequest) -> Sequence[str]:
    """The subprotocols that a client names, best first."""
    header = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return [name for part in header.split(",") if (name := part.strip())]


class WebSocketClient:
    """A command's client behind a WebSocket (:class:`pyrt.streams.remotecommand.Client`)."""

    def __init__(self, frames: Frames, protocol: ChannelProtocol) -> None:
        self._frames = frames
        self._protocol = protocol
        self.structured_errors = protocol.structured_errors

    async def send(self, channel: int, data: bytes) -> None:
        """One message. Raises ConnectionError."""
        await self._frames.send(self._protocol.encode(channel, data))

    async def carry_input(self, process: Input) -> None:
        """Hand on what the client sends until it has gone. What means nothing is passed over."""
        while (message := await self._frames.receive()) is not None:
            decoded = self._protocol.decode(message)
            if decoded is None:
                continue
            channel, data = decoded
            if channel == STDIN:
                await process.write(data)
            elif channel == RESIZE:
                process.resize(data)
            elif channel == CLOSE and self._protocol.half_close and data[:1] == bytes((STDIN,)):
                process.close()


class TunnelPipe:
    """Bytes as the binary messages of a WebSocket (KEP-4006; :class:`pyrt.streams.spdy.connection.Pipe`)."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames

    async def receive(self) -> bytes:
        """Some bytes; empty at the end, and for a text message, which has no place here."""
        while (message := await self._frames.receive()) is not None:
            if isinstance(message, str):
                return b""
            if message:
                return bytes(message)
        return b""

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError."""
        await self._frames.send(data)

    async def close(self, *, linger: bool = True) -> None:
        """Say goodbye; how a WebSocket ends leaves no room for more."""
        await self._frames.close()
