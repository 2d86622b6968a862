"""Waiting for many short-lived sockets at little cost.

asyncio's own reader and writer callbacks cost a selector key, a handle and two changes of the loop's set for each
wait. Probes open hundreds of connections a second that live for a millisecond: their sockets are watched by an epoll
of their own (one-shot, forgotten by the kernel with the socket), and the loop watches only that one descriptor. See
docs/decisions/0030.
"""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
_AT_ONCE: Final = 256


class Poller:
    """One event loop; made when it is first needed."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None] | None] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, fd: int, events: int, callback: Callable[[], None]) -> None:
        """Call back once when ``fd`` is ready, or seems to be: a callback may find nothing to do."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events | select.EPOLLONESHOT)
        else:
            self._epoll.register(fd, events | select.EPOLLONESHOT)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """``fd`` is about to be closed."""
        self._callbacks.pop(fd, None)

    def close(self) -> None:
        """Stop watching; the sockets are their owners'."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._callbacks.clear()

    def _ready(self) -> None:
        for fd, _ in self._epoll.poll(0, _AT_ONCE):
            callback = self._callbacks.get(fd)
            if callback is not None:
                self._callbacks[fd] = None
                try:
                    callback()
                except Exception:
                    log.exception("probe: internal error")  # of one connection; the others are not to suffer
