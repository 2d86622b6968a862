"""A session on the event loop: streams that are read and written, over anything that carries bytes.

Bounds: a stream keeps at most 256 KiB that nobody has read yet, all streams together 1 MiB; beyond that nothing more
is read from the peer, which is the only back-pressure there is (see :mod:`.session`). What is sent waits for the
peer to take it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from pyrt.streams.spdy.errors import SpdyError
from pyrt.streams.spdy.frames import GoAwayStatus, ResetStatus
from pyrt.streams.spdy.session import (
    Event,
    Finished,
    Opened,
    PeerLeaves,
    Received,
    Session,
    WasReset,
    WindowsGrew,
)

STREAM_BUFFER: Final = 256 * 1024
TOTAL_BUFFER: Final = 1024 * 1024
_FRAME: Final = 32 * 1024
"""Bytes of data in one frame of ours."""


class Pipe(Protocol):
    """What carries the session's bytes."""

    async def receive(self) -> bytes:
        """Some bytes; empty at the end."""

    async def send(self, data: bytes) -> None:
        """Returns when the peer is ready for more. Raises ConnectionError when it is gone."""

    async def close(self, *, linger: bool = True) -> None:
        """Hang up, after what was sent has been delivered; without ``linger`` that is not waited for."""


class Stream:
    """One stream of a :class:`Connection`."""

    def __init__(self, connection: Connection, number: int, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self.number = number
        self.headers = headers
        self.aborted = False
        """The stream was reset, or the connection is gone: what was read may not be all."""
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._ended = False
        self._ignoring = False
        self._changed = asyncio.Event()

    def ignore_input(self) -> None:
        """Drop whatever the peer sends on it: nobody will read."""
        self._ignoring = True

    async def read(self) -> bytes:
        """What has come; empty at the end, of whatever kind (see :attr:`aborted`)."""
        while not self._pieces:
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        await self._connection._taken(self.number, len(piece))
        return piece

    async def write(self, data: bytes) -> None:
        """Send it, as fast as the peer takes it. Raises ConnectionError: the peer has gone, or gave the stream up."""
        view = memoryview(data)
        while view:
            count = await self._connection._room(self)
            await self._connection._send(self.number, bytes(view[: min(count, _FRAME)]))
            view = view[min(count, _FRAME) :]

    async def finish(self) -> None:
        """Send no more. A peer that has gone is no error."""
        await self._connection._finish(self.number)

    async def reset(self, status: ResetStatus = ResetStatus.CANCEL) -> None:
        """Give the stream up in both directions. A peer that has gone is no error."""
        await self._connection._reset(self, status)

    def _feed(self, data: bytes) -> int:
        """Keep what has come; how much of it waits to be read now."""
        if self._ended or self._ignoring:
            return 0
        self._pieces.append(data)
        self._buffered += len(data)
        self._changed.set()
        return self._buffered

    def _end(self, *, aborted: bool) -> int:
        """Nothing more will come; how much was dropped."""
        dropped = 0
        if aborted:
            self.aborted = True
            dropped, self._buffered = self._buffered, 0
            self._pieces.clear()
        self._ended = True
        self._changed.set()
        return dropped


class Connection:
    """A server's side. :meth:`run` reads until the end; ``accept`` decides about each new stream, and says whether it
    is taken.
    """

    def __init__(self, pipe: Pipe, accept: Callable[[Stream], bool], *, max_streams: int = 256) -> None:
        self._pipe = pipe
        self._accept = accept
        self._session = Session(max_streams=max_streams)
        self._streams: dict[int, Stream] = {}
        self._unread = 0
        self._drained = asyncio.Event()
        self._windows = asyncio.Event()
        self._leaving = False
        self._goodbye = GoAwayStatus.OK
        self.gone = asyncio.Event()
        """Nothing more can come."""

    async def run(self) -> None:
        """Serve the peer until it leaves or breaks the protocol; then every stream has ended."""
        try:
            while data := await self._pipe.receive():
                for event in self._session.receive(data):
                    self._handle(event)
                if self._leaving and not self._session.streams:
                    break
                await self._flush()
                await self._room_for_more()
        except SpdyError:
            self._goodbye = GoAwayStatus.PROTOCOL_ERROR
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            for stream in tuple(self._streams.values()):
                stream._end(aborted=True)
            self._streams.clear()
            self._windows.set()

    async def close(self, *, linger: bool = True) -> None:
        """Give up what streams there are, say goodbye and hang up; without ``linger`` the peer is not waited for."""
        for number in self._session.streams:
            self._session.reset(number)
        self._session.leave(self._goodbye)
        with contextlib.suppress(ConnectionError):
            await self._flush()
        await self._pipe.close(linger=linger)

    # --- in -------------------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case Opened(number, headers):
                self._open(Stream(self, number, headers))
            case Received(number, data):
                stream = self._streams.get(number)
                if stream is None or not stream._feed(data):
                    self._session.taken(number, len(data))
                else:
                    self._unread += len(data)
            case Finished(number):
                if (stream := self._streams.get(number)) is not None:
                    stream._end(aborted=False)
                    self._forget_if_closed(number)
            case WasReset(number):
                if (stream := self._streams.pop(number, None)) is not None:
                    self._unread -= stream._end(aborted=True)
                self._windows.set()
            case WindowsGrew():
                self._windows.set()
            case PeerLeaves():
                self._leaving = True

    def _open(self, stream: Stream) -> None:
        if self._accept(stream):
            self._streams[stream.number] = stream
            # Before anything else of the stream: a client drops what comes earlier.
            self._session.reply(stream.number)
        else:
            self._session.reset(stream.number, ResetStatus.REFUSED_STREAM)

    async def _room_for_more(self) -> None:
        while self._unread > TOTAL_BUFFER or any(s._buffered > STREAM_BUFFER for s in self._streams.values()):
            self._drained.clear()
            await self._drained.wait()

    # --- for streams ----------------------------------------------------------------------------------------------

    async def _taken(self, number: int, size: int) -> None:
        self._unread -= size
        self._drained.set()
        if self._session.taken(number, size):
            with contextlib.suppress(ConnectionError):
                await self._flush()

    async def _room(self, stream: Stream) -> int:
        while not (count := self._session.may_send(stream.number)):
            if self.gone.is_set() or not self._session.open_for_sending(stream.number):
                raise ConnectionResetError(f"stream {stream.number} is closed")
            self._windows.clear()
            await self._windows.wait()
        return count

    async def _send(self, number: int, data: bytes) -> None:
        self._session.send(number, data)
        await self._flush()

    async def _finish(self, number: int) -> None:
        self._session.finish(number)
        self._forget_if_closed(number)
        with contextlib.suppress(ConnectionError):
            await self._flush()

    async def _reset(self, stream: Stream, status: ResetStatus) -> None:
        self._unread -= stream._end(aborted=True)
        self._drained.set()
        self._session.reset(stream.number, status)
        self._forget_if_closed(stream.number)
        with contextlib.suppress(ConnectionError):
            await self._flush()

    def _forget_if_closed(self, number: int) -> None:
        if number not in self._session.streams:
            self._streams.pop(number, None)

    async def _flush(self) -> None:
        data = self._session.outgoing()
        if data:
            await self._pipe.send(data)
