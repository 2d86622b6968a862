"""Taking a connection over from the HTTP server once it speaks another protocol (RFC 9110, section 7.8).

aiohttp itself knows only WebSocket as another protocol. The transport gets a new protocol object; the HTTP server is
told when the connection is lost, so that it ends the handler, and sends nothing after the handler has returned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pyrt.streams.idle import IdleWatch

_HELD: Final = 64 * 1024
"""Bytes that wait to be received before the kernel is asked for no more."""
_LINGER: Final = 30.0
"""Seconds that a peer has to hang up after the last word has left our buffers; a Kubernetes client does at once."""


class Upgraded(web.StreamResponse):
    """What a handler returns that has used its connection up: there is nothing to send."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing: the status line went out long ago."""
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Nothing."""


class RawPipe(asyncio.Protocol):
    """The bytes of a connection (:class:`pyrt.streams.spdy.connection.Pipe`)."""

    def __init__(self, transport: asyncio.Transport, previous: asyncio.BaseProtocol, idle: float) -> None:
        self._transport = transport
        self._previous = previous
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._reading = True
        self._ended = False
        self._lost = False
        self._discarding = False
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._idle = IdleWatch(idle, transport.abort)

    # --- for the event loop ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Keep it, and hold the peer back when there is enough."""
        self._idle.touch()
        if self._discarding:
            return
        self._pieces.append(bytes(data))
        self._held += len(data)
        self._arrived.set()
        if self._held >= _HELD and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more; what we send may still arrive."""
        self._ended = True
        self._arrived.set()
        return self._transport.get_extra_info("sslcontext") is None  # TLS has no half-closed connections here

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._idle.close()
        self._ended = self._lost = True
        self._arrived.set()
        self._writable.set()
        self._previous.connection_lost(error)

    def pause_writing(self) -> None:
        """The peer does not take what we send."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    # --- for us ---------------------------------------------------------------------------------------------------

    async def receive(self) -> bytes:
        """Some bytes; empty at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if not self._reading and self._held < _HELD and not self._lost:
            self._reading = True
            self._transport.resume_reading()
        return piece

    async def send(self, data: bytes) -> None:
        """Returns when the peer is ready for more. Raises ConnectionError."""
        if self._lost:
            raise ConnectionResetError("the client has gone")
        self._idle.touch()
        self._transport.write(data)
        await self._writable.wait()
        if self._lost:
            raise ConnectionResetError("the client has gone")

    async def close(self, *, linger: bool = True) -> None:
        """Deliver what was sent, and hang up when the peer has, or soon after; at once without ``linger``.

        Closing a socket in which something lies unread makes the kernel reset the connection, and the peer lose the
        end of what was sent: so read on, and drop it.
        """
        self._discarding = True
        self._pieces.clear()
        self._held = 0
        if not self._lost:
            if not self._reading:
                self._reading = True
                self._transport.resume_reading()
            try:
                if linger and not self._ended:
                    await self._delivered()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LINGER):
                            await self._hung_up()
            finally:
                self._transport.close()

    async def _delivered(self) -> None:
        """However slow the peer is; the idle watch ends it if it takes nothing at all."""
        self._transport.set_write_buffer_limits(high=0)
        await self._writable.wait()
        if not self._lost and self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the peer has reset the connection, of which we hear in a moment
                self._transport.write_eof()

    async def _hung_up(self) -> None:
        while not self._ended:
            self._arrived.clear()
            await self._arrived.wait()


def take_over(request: web.BaseRequest, protocol: str, headers: dict[str, str], *, idle: float) -> RawPipe:
    """Answer 101 and take the connection. Raises ConnectionResetError: the client has gone already."""
    previous = request.protocol
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    previous.keep_alive(False)
    pipe = RawPipe(transport, previous, idle)
    transport.set_protocol(pipe)
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {protocol}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    return pipe
