"""Port forwarding over SPDY: every forwarded connection is a pair of streams, data and error (portforward.k8s.io).

A pair is known by the ``requestid`` header; clients from before it existed number the error stream two below the data
stream. A pair that does not become whole in time is given up. Connections are carried independently of each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from pyrt.errors import PyrtError
from pyrt.streams.descriptors import read_some, write_all
from pyrt.streams.portforward import CHUNK, Connect, complaint
from pyrt.streams.spdy.connection import Connection, Pipe, Stream

PROTOCOL: Final = "portforward.k8s.io"
_STREAM_TYPE: Final = "streamtype"
_PORT: Final = "port"
_REQUEST: Final = "requestid"
_MAX_STREAMS: Final = 512
"""256 connections at a time; a client that wants more is refused until one has ended."""


async def serve(pipe: Pipe, connect: Connect, *, creation_timeout: float) -> None:
    """Forward until the client leaves. ``creation_timeout``: seconds for the second stream of a pair."""
    await _Forwards(pipe, connect, creation_timeout).serve()


@dataclass(slots=True)
class _Pair:
    port: int
    timer: asyncio.TimerHandle
    data: Stream | None = None
    error: Stream | None = None


class _Forwards:
    def __init__(self, pipe: Pipe, connect: Connect, creation_timeout: float) -> None:
        self._connect = connect
        self._creation_timeout = creation_timeout
        self._pairs: dict[str, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = Connection(pipe, self._accept, max_streams=_MAX_STREAMS)

    async def serve(self) -> None:
        cut_off = True
        try:
            await self._connection.run()
            cut_off = False
        finally:
            for pair in self._pairs.values():
                pair.timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._connection.close(linger=not cut_off)

    def _accept(self, stream: Stream) -> bool:
        kind, text = stream.headers.get(_STREAM_TYPE), stream.headers.get(_PORT, "")
        port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
        if kind not in ("data", "error") or not 0 < port < 65536:
            return False
        request = stream.headers.get(_REQUEST) or str(stream.number - (2 if kind == "data" else 0))
        pair = self._pairs.get(request)
        if pair is None:
            if len(self._pairs) >= _MAX_STREAMS:
                return False  # halves of pairs whose streams were reset again
            timer = asyncio.get_running_loop().call_later(self._creation_timeout, self._give_up, request)
            pair = self._pairs[request] = _Pair(port, timer)
        if getattr(pair, kind) is not None or pair.port != port:
            return False
        setattr(pair, kind, stream)
        if kind == "error":
            stream.ignore_input()
        if pair.data is not None and pair.error is not None:
            pair.timer.cancel()
            del self._pairs[request]
            self._start(self._carry(pair.data, pair.error, port))
        return True

    def _give_up(self, request: str) -> None:
        pair = self._pairs.pop(request)
        for stream in (pair.data, pair.error):
            if stream is not None:
                self._start(stream.reset())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, data: Stream, error: Stream, port: int) -> None:
        """One connection. The client gets what the pod sent, then the end of both streams; or why it failed."""
        try:
            sock = await self._connect(port)
        except (PyrtError, OSError) as failure:
            with contextlib.suppress(ConnectionError):
                await error.write(complaint(port, failure))
            await error.finish()
        else:
            with contextlib.closing(sock), contextlib.suppress(ConnectionError):
                await _both_ways(data, sock)
                await data.finish()
                await error.finish()
        # What is still open when all went well is the client's direction, from which nobody takes anything any more.
        await data.reset()
        await error.reset()


async def _both_ways(data: Stream, sock: socket.socket) -> None:
    """Until the pod's side has sent everything. Raises ConnectionError when the client's stream has gone."""
    upward = asyncio.create_task(_to_pod(data, sock))
    downward = asyncio.create_task(_from_pod(data, sock))
    try:
        await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
        if upward.done() and not downward.done():
            if upward.result():
                await asyncio.wait((downward,))
            else:
                raise ConnectionResetError("the client gave the stream up")
        downward.result()
    finally:
        for task in (upward, downward):
            task.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)


async def _to_pod(data: Stream, sock: socket.socket) -> bool:
    """Until the client sends no more; whether that was its will."""
    while piece := await data.read():
        if not await write_all(sock.fileno(), piece):
            # The pod's side takes no more, but may still send.
            data.ignore_input()
    if data.aborted:
        return False
    with contextlib.suppress(OSError):  # the pod's side has closed already
        sock.shutdown(socket.SHUT_WR)
    return True


async def _from_pod(data: Stream, sock: socket.socket) -> None:
    while piece := await read_some(sock.fileno(), CHUNK):
        await data.write(piece)
