"""exec and attach over SPDY: one stream for each of error, stdin, stdout, stderr and resize, named by a header."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pyrt.streams.channels import ERROR, RESIZE, STDERR, STDIN, STDOUT
from pyrt.streams.remotecommand import Input
from pyrt.streams.spdy.connection import Connection, Pipe, Stream

STREAM_TYPE: Final = "streamtype"
_CHANNELS: Final = {"error": ERROR, "stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "resize": RESIZE}


@dataclass(frozen=True, slots=True)
class CommandProtocol:
    """One version of the protocol above SPDY (``k8s.io/streaming`` calls them v1 to v4)."""

    name: str
    structured_errors: bool
    resize: bool


COMMAND_PROTOCOLS: Final = (
    CommandProtocol("v4.channel.k8s.io", structured_errors=True, resize=True),
    CommandProtocol("v3.channel.k8s.io", structured_errors=False, resize=True),
    CommandProtocol("v2.channel.k8s.io", structured_errors=False, resize=False),
    CommandProtocol("channel.k8s.io", structured_errors=False, resize=False),
)
"""What exec and attach speak, best first."""


class SpdyClient:
    """A command's client behind SPDY (:class:`pyrt.streams.remotecommand.Client`).

    The streams wanted are those the request named; others are refused. Use it as a context: on leaving, every stream
    is ended and the connection closed.
    """

    def __init__(self, pipe: Pipe, protocol: CommandProtocol, channels: Collection[int]) -> None:
        self.structured_errors = protocol.structured_errors
        self._wanted = {ERROR, *channels}
        if not protocol.resize:
            self._wanted.discard(RESIZE)
        self._streams: dict[int, Stream] = {}
        self._complete = asyncio.Event()
        self._connection = Connection(pipe, self._accept)
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SpdyClient:
        self._running = asyncio.create_task(self._connection.run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        told = kind is not asyncio.CancelledError  # otherwise the daemon ends, or the client has gone
        try:
            if told and not self._connection.gone.is_set():
                for stream in self._streams.values():
                    await stream.finish()
            await self._stop()
            await self._connection.close(linger=told)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def _accept(self, stream: Stream) -> bool:
        channel = _CHANNELS.get(stream.headers.get(STREAM_TYPE, ""))
        if channel is None or channel not in self._wanted or channel in self._streams:
            return False
        self._streams[channel] = stream
        if channel not in (STDIN, RESIZE):
            stream.ignore_input()
        if len(self._streams) == len(self._wanted):
            self._complete.set()
        return True

    async def ready(self, timeout: float) -> None:  # noqa: ASYNC109 - the caller's limit is a number in its config
        """Wait for the client to make its streams. Raises ConnectionError: it has gone; TimeoutError: it has not."""
        gone = asyncio.create_task(self._connection.gone.wait())
        complete = asyncio.create_task(self._complete.wait())
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait((gone, complete), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            complete.cancel()
        if not self._complete.is_set():
            raise ConnectionResetError("the client has gone")

    async def send(self, channel: int, data: bytes) -> None:
        """Send to one of the streams; nothing happens to what has none. Raises ConnectionError."""
        stream = self._streams.get(channel)
        if stream is not None:
            await stream.write(data)

    async def carry_input(self, process: Input) -> None:
        """Hand on what the client sends until it has gone."""
        async with asyncio.TaskGroup() as group:
            # A size that the client has sent before it sent input is to hold when the input is read.
            inputs = [group.create_task(self._resize(process)), group.create_task(self._stdin(process))]
            await self._connection.gone.wait()
            for task in inputs:
                task.cancel()

    async def _stdin(self, process: Input) -> None:
        stream = self._streams.get(STDIN)
        if stream is None:
            return
        while data := await stream.read():
            await process.write(data)
        process.close()

    async def _resize(self, process: Input) -> None:
        stream = self._streams.get(RESIZE)
        while stream is not None and (data := await stream.read()):
            process.resize(data)
