"""exec and attach: a session's descriptors on one side, channels of a WebSocket on the other.

Both directions have back-pressure: a process is not read while the client does not take what it wrote, and a client
is not read while the process does not take its stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from pyrt.streams.channels import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, ChannelProtocol
from pyrt.streams.descriptors import read_now, read_some, write_all

_CHUNK: Final = 32 * 1024
_LINGER: Final = 0.2
"""Seconds that output may still come after the process has ended, if something it left behind keeps the pipe open."""


class Frames(Protocol):
    """A WebSocket as this module needs it."""

    async def send(self, message: bytes | str) -> None:
        """Send one message; returns when the client is ready for more. Raises ConnectionError when it is gone."""

    async def receive(self) -> bytes | str | None:
        """The next message, ``None`` at the end."""


class Process(Protocol):
    """A running exec or attachment (:class:`pyrt.runtime.session.Session`)."""

    stdin: int | None
    stdout: int | None
    stderr: int | None

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the terminal."""

    def close_stdin(self) -> None:
        """Let the process read end of file."""

    async def wait(self) -> int:
        """The exit code, once the process has ended."""


class TerminalSize(msgspec.Struct, frozen=True):
    """Channel 4 (client-go's ``TerminalSize``)."""

    Width: int = 0
    Height: int = 0


async def serve(frames: Frames, protocol: ChannelProtocol, process: Process, *, report: Callable[[int], Any]) -> None:
    """Carry a session until its process has ended and all output is delivered, or the client has gone.

    ``report`` makes the last word on channel 3 from the exit code: a ``Status``, or ``None`` for a protocol without.
    """
    client = asyncio.create_task(_from_client(frames, protocol, process))
    outputs = [
        asyncio.create_task(_from_process(frames, protocol, channel, fd))
        for channel, fd in ((STDOUT, process.stdout), (STDERR, process.stderr))
        if fd is not None
    ]
    ended = asyncio.ensure_future(process.wait())
    tasks: list[asyncio.Future[Any]] = [client, ended, *outputs]
    try:
        await asyncio.wait([client, ended], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            client.result()
            return
        code = ended.result()
        with contextlib.suppress(ConnectionError):
            if outputs:
                await _finish(frames, protocol, process, outputs, client)
            await frames.send(protocol.encode(ERROR, _last_word(protocol, code, report)))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refuse(
    frames: Frames, protocol: ChannelProtocol, status: Any, text: str, *, shown_on: int | None = None
) -> None:
    """Say on the error channel that there will be no session.

    Clients show no more than the code of a status that has an exit code: ``shown_on`` is the output channel on which
    the person behind the client reads why (stdout is that of a terminal, which wants carriage returns).
    """
    if shown_on is not None:
        end = "\r\n" if shown_on == STDOUT else "\n"
        await frames.send(protocol.encode(shown_on, (text + end).encode()))
    data = msgspec.json.encode(status) if protocol.structured_errors else text.encode()
    await frames.send(protocol.encode(ERROR, data))


def _last_word(protocol: ChannelProtocol, code: int, report: Callable[[int], Any]) -> bytes:
    if protocol.structured_errors:
        return msgspec.json.encode(report(code))
    return f"command terminated with non-zero exit code: exit status {code}".encode() if code else b""


async def _finish(
    frames: Frames,
    protocol: ChannelProtocol,
    process: Process,
    outputs: list[asyncio.Task[None]],
    client: asyncio.Task[None],
) -> None:
    """Deliver what the process wrote before it ended, however slow the client; what its descendants still write is
    waited for shortly.
    """
    done, pending = await asyncio.wait(outputs, timeout=_LINGER)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()
    if not pending or client.done():
        return
    for channel, fd in ((STDOUT, process.stdout), (STDERR, process.stderr)):
        if fd is not None:
            # A pipe holds at most 1 MiB (pipe(7)); beyond that someone else goes on writing.
            left = 1 << 20
            while left > 0 and (data := read_now(fd, _CHUNK)):
                left -= len(data)
                await frames.send(protocol.encode(channel, data))


async def _from_process(frames: Frames, protocol: ChannelProtocol, channel: int, fd: int) -> None:
    while data := await read_some(fd, _CHUNK):
        await frames.send(protocol.encode(channel, data))


async def _from_client(frames: Frames, protocol: ChannelProtocol, process: Process) -> None:
    while (message := await frames.receive()) is not None:
        decoded = protocol.decode(message)
        if decoded is None:
            continue
        channel, data = decoded
        if channel == STDIN and process.stdin is not None and data:
            if not await write_all(process.stdin, data):
                process.close_stdin()
        elif channel == RESIZE:
            with contextlib.suppress(msgspec.DecodeError, OSError):
                size = msgspec.json.decode(data, type=TerminalSize)
                if 0 < size.Height < 65536 and 0 < size.Width < 65536:
                    process.resize(size.Height, size.Width)
        elif channel == CLOSE and protocol.half_close and data[:1] == bytes((STDIN,)):
            process.close_stdin()
