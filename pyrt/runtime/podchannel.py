"""One connection to a pod process: packets out, packets in, file descriptors beside them, on the event loop."""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

_RECEIVE_BYTES: Final = 4096
"""More than the longest answer (an item with two ids)."""
_RECEIVE_FDS: Final = socket.CMSG_SPACE(4 * array.array("i").itemsize)
_BATCH: Final = 64
"""Packets read before other callbacks of the loop get their turn."""


class PodChannel:
    """A connected SOCK_SEQPACKET socket.

    ``on_packet(packet, fds)`` is called for every packet, and owns the descriptors; ``on_end()`` once, when the other
    side has closed or the connection is broken.
    """

    __slots__ = ("_backlog", "_fd", "_loop", "_on_end", "_on_packet", "_sock")

    def __init__(
        self,
        sock: socket.socket,
        on_packet: Callable[[bytes, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._on_packet = on_packet
        self._on_end = on_end
        self._backlog: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, from either side."""
        return self._fd < 0

    def send(self, packet: bytes, fds: Sequence[int] = ()) -> None:
        """Send at once, or as soon as the other side reads. The descriptors may be closed when this returns."""
        if not self._backlog:
            try:
                self._transmit(packet, fds)
            except BlockingIOError:
                self._loop.add_writer(self._fd, self._writable)
            else:
                return
        self._backlog.append((packet, [os.dup(fd) for fd in fds]))

    def close(self) -> None:
        """Close without telling ``on_end``."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._fd = -1
        self._sock.close()
        while self._backlog:
            for fd in self._backlog.popleft()[1]:
                os.close(fd)

    def drain(self) -> None:
        """Deliver everything that has already arrived."""
        while self._fd >= 0 and self._receive():
            pass

    def _transmit(self, packet: bytes, fds: Sequence[int]) -> None:
        if fds:
            self._sock.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        else:
            self._sock.send(packet)

    def _writable(self) -> None:
        try:
            while self._backlog:
                packet, fds = self._backlog[0]
                self._transmit(packet, fds)
                self._backlog.popleft()
                for fd in fds:
                    os.close(fd)
        except BlockingIOError:
            return
        except OSError:
            self._ended()
            return
        self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        for _ in range(_BATCH):
            if self._fd < 0 or not self._receive():
                return

    def _receive(self) -> bool:
        """Deliver one packet; ``False`` when there is none, now or for good."""
        try:
            packet, ancillary, _flags, _address = self._sock.recvmsg(
                _RECEIVE_BYTES, _RECEIVE_FDS, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError:
            self._ended()
            return False
        if not packet:
            self._ended()
            return False
        fds: list[int] = []
        for _level, _kind, data in ancillary:
            numbers = array.array("i")
            numbers.frombytes(data)
            fds.extend(numbers)
        self._on_packet(packet, fds)
        return True

    def _ended(self) -> None:
        self.close()
        self._on_end()
