"""exec and attach: a session's descriptors on one side, a client's channels on the other, whatever carries them.

Both directions have back-pressure: a process is not read while the client does not take what it wrote, and a client
is not read while the process does not take its stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from pyrt.streams.channels import ERROR, STDERR, STDOUT
from pyrt.streams.descriptors import read_now, read_some, write_all
from pyrt.streams.resize import Sizes

_CHUNK: Final = 32 * 1024
_LINGER: Final = 0.2
"""Seconds that output may still come after the process has ended, if something it left behind keeps the pipe open."""


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


class Input:
    """What a client can do to a process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sizes = Sizes()

    async def write(self, data: bytes) -> None:
        """Its stdin; returns when the process is ready for more. Dropped when nobody reads it."""
        stdin = self._process.stdin
        if stdin is not None and data and not await write_all(stdin, data):
            self._process.close_stdin()

    def close(self) -> None:
        """The end of its stdin."""
        self._process.close_stdin()

    def resize(self, data: bytes) -> None:
        """Its terminal: JSON, in pieces of any size."""
        for size in self._sizes.feed(data):
            with contextlib.suppress(OSError):
                self._process.resize(size.Height, size.Width)


class Client(Protocol):
    """Who runs the command, behind a WebSocket or SPDY streams."""

    structured_errors: bool
    """The last word is a ``Status``, also when all went well; otherwise the text of an error."""

    async def send(self, channel: int, data: bytes) -> None:
        """Send to one channel; returns when the client is ready for more. Raises ConnectionError when it is gone."""

    async def carry_input(self, process: Input) -> None:
        """Hand on what the client sends until it has gone."""


async def serve(client: Client, process: Process, *, report: Callable[[int], Any]) -> None:
    """Carry a session until its process has ended and all output is delivered, or the client has gone.

    ``report`` makes the ``Status`` that is the last word from the exit code.
    """
    carrier = asyncio.create_task(client.carry_input(Input(process)))
    outputs = [
        asyncio.create_task(_from_process(client, channel, fd))
        for channel, fd in ((STDOUT, process.stdout), (STDERR, process.stderr))
        if fd is not None
    ]
    ended = asyncio.ensure_future(process.wait())
    tasks: list[asyncio.Future[Any]] = [carrier, ended, *outputs]
    try:
        await asyncio.wait([carrier, ended], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            carrier.result()
            return
        code = ended.result()
        with contextlib.suppress(ConnectionError):
            if outputs:
                await _finish(client, process, outputs, carrier)
            await client.send(ERROR, _last_word(client, code, report))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refuse(client: Client, status: Any, text: str, *, shown_on: int | None = None) -> None:
    """Say on the error channel that there will be no session.

    Clients show no more than the code of a status that has an exit code: ``shown_on`` is the output channel on which
    the person behind the client reads why (stdout is that of a terminal, which wants carriage returns).
    """
    if shown_on is not None:
        end = "\r\n" if shown_on == STDOUT else "\n"
        await client.send(shown_on, (text + end).encode())
    await client.send(ERROR, msgspec.json.encode(status) if client.structured_errors else text.encode())


def _last_word(client: Client, code: int, report: Callable[[int], Any]) -> bytes:
    if client.structured_errors:
        return msgspec.json.encode(report(code))
    return f"command terminated with non-zero exit code: exit status {code}".encode() if code else b""


async def _finish(
    client: Client, process: Process, outputs: list[asyncio.Task[None]], carrier: asyncio.Task[None]
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
    if not pending or carrier.done():
        return
    for channel, fd in ((STDOUT, process.stdout), (STDERR, process.stderr)):
        if fd is not None:
            # A pipe holds at most 1 MiB (pipe(7)); beyond that someone else goes on writing.
            left = 1 << 20
            while left > 0 and (data := read_now(fd, _CHUNK)):
                left -= len(data)
                await client.send(channel, data)


async def _from_process(client: Client, channel: int, fd: int) -> None:
    while data := await read_some(fd, _CHUNK):
        await client.send(channel, data)
