"""Carry standard input and output between this process and a remote one."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from pyrt.cli import terminal
from pyrt.client.remotecommand import STDOUT, RemoteStream

CHUNK = 32 * 1024
READABLE = select.POLLIN | select.POLLHUP | select.POLLERR

Sink = Callable[[bytes], None]
Status = dict[str, Any]


def to_fd(fd: int) -> Sink:
    """A sink that writes everything to ``fd``."""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    return write


def pump(
    stream: RemoteStream, *, stdin: int | None, stdout: Sink, stderr: Sink, resizes: int | None = None
) -> Status | None:
    """Carry data until the remote side ends; its last ``Status``, ``None`` if the connection broke before one.

    ``stdin`` is a descriptor to read from. ``resizes`` becomes readable when the size of the terminal on stdin changes.
    One thread, one poll(2): input is read only when what was read before has been sent.
    """
    if resizes is not None and stdin is not None:
        _tell_size(stream, stdin)
    ready = stream.pending
    while not stream.closed:
        poller = select.poll()
        poller.register(stream, select.POLLIN | (select.POLLOUT if stream.unsent else 0))
        if stdin is not None and not stream.unsent:
            poller.register(stdin, select.POLLIN)
        if resizes is not None:
            poller.register(resizes, select.POLLIN)
        events = dict(poller.poll(0 if ready else None))
        stream.flush()
        if ready or events.get(stream.fileno(), 0) & READABLE:
            ready = False
            for channel, data in stream.receive():
                (stdout if channel == STDOUT else stderr)(data)
        if stdin is not None and events.get(stdin, 0) & READABLE:
            data = os.read(stdin, CHUNK)
            if data:
                stream.send_stdin(data)
            else:
                stream.close_stdin()
                stdin = None
        if resizes is not None and resizes in events:
            os.read(resizes, 4096)
            if stdin is not None:
                _tell_size(stream, stdin)
    return stream.status


def interact(stream: RemoteStream, *, stdin: bool, tty: bool) -> Status | None:
    """:func:`pump` with this process's own streams, the terminal in raw mode if the remote side has one too."""
    sys.stdout.flush()
    fd = sys.stdin.fileno() if stdin else None
    with ExitStack() as stack:
        resizes = None
        if tty and fd is not None and os.isatty(fd):
            resizes = stack.enter_context(terminal.resize_notices())
            stack.enter_context(terminal.raw(fd))
        return pump(stream, stdin=fd, stdout=to_fd(1), stderr=to_fd(2), resizes=resizes)


def _tell_size(stream: RemoteStream, fd: int) -> None:
    found = terminal.size(fd)
    if found is not None:
        stream.resize(*found)
