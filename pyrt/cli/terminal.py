"""The user's terminal: raw mode, size, and news of its resizing."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key goes through as it is, Ctrl-C too; the old mode comes back whatever happens."""
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def size(fd: int) -> tuple[int, int] | None:
    """(columns, rows); ``None`` when ``fd`` is no terminal or does not know."""
    try:
        rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return None
    return (columns, rows) if columns and rows else None


@contextmanager
def resize_notices() -> Iterator[int]:
    """A descriptor that becomes readable when the terminal's size has changed (SIGWINCH)."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def notice(number: int, frame: FrameType | None) -> None:
        os.write(writer, b"w")

    before = signal.signal(signal.SIGWINCH, notice)
    try:
        yield reader
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)
