"""Non-blocking descriptors on the event loop: wait only when the kernel says so, copy nothing twice."""

from __future__ import annotations

import asyncio
import errno
import os


async def read_some(fd: int, size: int) -> bytes:
    """Up to ``size`` bytes as soon as there are any; empty at the end of file, which a terminal reports as EIO."""
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            await _ready(fd, write=False)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise


def read_now(fd: int, size: int) -> bytes:
    """What lies ready, without waiting."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return b""
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


async def write_all(fd: int, data: bytes) -> bool:
    """Write everything, as fast as the reader takes it; ``False`` if there is no reader any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await _ready(fd, write=True)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.EIO, errno.ECONNRESET):
                return False
            raise
    return True


async def _ready(fd: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    if write:
        loop.add_writer(fd, wake)
    else:
        loop.add_reader(fd, wake)
    try:
        await ready
    finally:
        if write:
            loop.remove_writer(fd)
        else:
            loop.remove_reader(fd)
