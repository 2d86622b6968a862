"""Requests to a pod process and their answers, in any number at a time; ends of its processes come in between."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyrt.runtime import protocol
from pyrt.runtime.podchannel import PodChannel
from pyrt.runtime.poderrors import PlanFailedError, PodGoneError, PodProcessError
from pyrt.runtime.podfiles import ExitRecord
from pyrt.runtime.protocol import NO_SLOT, ProcessItem, Reply

T = TypeVar("T")
_Convert = Callable[[Reply, list[int]], Any]


class PodRequests:
    """One connection. ``on_exit(record)`` is called for every process that ends, ``on_end()`` once, when the other side
    has closed; ``gone()`` makes the error of a request that cannot be sent or answered any more.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_exit: Callable[[ExitRecord], None],
        on_end: Callable[[], None],
        gone: Callable[[], PodGoneError],
    ) -> None:
        self.gone = gone
        self._on_exit = on_exit
        self._seq = 0
        self._pending: dict[int, tuple[asyncio.Future[Any], _Convert]] = {}
        self._items: dict[int, list[ProcessItem]] = {}
        self._loop = asyncio.get_running_loop()
        self._channel = PodChannel(sock, self._packet, on_end)

    def request(
        self,
        encode: Callable[[int], bytes],
        convert: Callable[[Reply, list[int]], T],
        fds: Sequence[int] = (),
        *,
        items: list[ProcessItem] | None = None,
    ) -> asyncio.Future[T]:
        """Send a request now; ``convert`` makes the result of its answer, and owns the answer's descriptors.

        ``items`` gets what comes before the answer. Fails with :class:`PodProcessError`.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._seq = seq = self._seq % 0xFFFFFFFF + 1  # 0 asks for no answer
        packet = encode(seq)
        if self._channel.closed:
            future.set_exception(self.gone())
            return future
        self._pending[seq] = future, convert
        if items is not None:
            self._items[seq] = items
        try:
            self._channel.send(packet, fds)
        except OSError as error:
            del self._pending[seq]
            self._items.pop(seq, None)
            future.set_exception(PodGoneError(operation="send a request", errno=error.errno))
        return future

    def _packet(self, packet: bytes, fds: list[int]) -> None:
        message = protocol.decode(packet)
        if isinstance(message, Reply):
            self._replied(message, fds)
            return
        kind, item = message
        if kind == protocol.ITEM:
            items = self._items.get(item.seq)
            if items is not None:
                items.append(item)
            return
        self._on_exit(ExitRecord(item.id, item.is_exec, item.pid, item.status, item.started, item.finished))

    def _replied(self, reply: Reply, fds: list[int]) -> None:
        future, convert = self._pending.pop(reply.seq, (None, nothing))
        self._items.pop(reply.seq, None)
        if future is None or future.done():
            for fd in fds:
                os.close(fd)
        elif reply.errno:
            failed = reply.operation != NO_SLOT
            future.set_exception(
                PlanFailedError(reply.operation, reply.errno) if failed else PodProcessError(errno=reply.errno)
            )
        else:
            future.set_result(convert(reply, fds))

    def tell(self, packet: bytes) -> None:
        """Send a request that asks for no answer."""
        self._channel.send(packet)

    def drain(self) -> None:
        """Deliver everything that has already arrived."""
        self._channel.drain()

    def close(self) -> None:
        """Close the connection; what was not answered fails with ``gone()``."""
        self._channel.close()
        pending = [future for future, _ in self._pending.values()]
        self._pending.clear()
        self._items.clear()
        fail(pending, self.gone)


def fail(futures: Sequence[asyncio.Future[Any]], gone: Callable[[], PodGoneError]) -> None:
    """Fail what is still open."""
    for future in futures:
        if not future.done():
            future.set_exception(gone())
            future.exception()  # a request whose answer nobody awaits is not worth a warning


def nothing(_reply: Reply, _fds: list[int]) -> None:
    """The result of a request that has none."""
    return


def unread(future: asyncio.Future[Any]) -> None:
    """A callback for a request whose answer does not matter: what it was about may have ended meanwhile."""
    if not future.cancelled():
        future.exception()
