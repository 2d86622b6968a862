"""Waiting for files to change, without polling: inotify(7) on the event loop.

Only the two calls that asyncio lacks are bound, both of plain integers and one path, so that no structure has to be
described by hand; the events are read from the descriptor as bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

IN_MODIFY: Final = 0x2
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_CLOEXEC: Final = os.O_CLOEXEC
IN_NONBLOCK: Final = os.O_NONBLOCK

_libc: Final = ctypes.CDLL(None, use_errno=True)


class DirectoryWatch:
    """Sets :attr:`changed` whenever a file in ``directory`` is written, made, renamed or removed.

    Raises
    ------
    OSError: the directory does not exist, or the user has too many inotify instances (EMFILE).
    """

    def __init__(self, directory: Path) -> None:
        self.changed = asyncio.Event()
        self._fd = _libc.inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
        mask = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF
        if _libc.inotify_add_watch(self._fd, os.fsencode(directory), mask) < 0:
            number = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(number, os.strerror(number), str(directory))
        asyncio.get_running_loop().add_reader(self._fd, self._drain)

    def _drain(self) -> None:
        # Which file it was does not matter to anyone here; only that the queue gets empty.
        with contextlib.suppress(BlockingIOError):
            while os.read(self._fd, 65536):
                pass
        self.changed.set()

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
