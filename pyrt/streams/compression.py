"""Rotated logs are compressed, but for the newest of each (kubelet, ``pkg/kubelet/logs/container_log_manager.go``).

The log pump writes and rotates; it counts a compressed file like any other, and the reader reads it. A directory of
logs may be mounted into a pod: nothing in it is followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_BLOCK: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_STAMP: Final = re.compile(r"\.[0-9]{8}-[0-9]{6}(-[0-9]{3})?")
_TEMPORARY: Final = ".tmp"


def compress(log: Path) -> int:
    """Compress the rotated files of a log (``.../app/0.log``) but the newest; how many. Blocks: call in a thread.

    Raises OSError.
    """
    with _directory(log) as at:
        names = [name for name in os.listdir(at) if name.startswith(log.name)]
        for name in names:
            if name.endswith(_TEMPORARY) and _STAMP.fullmatch(name[len(log.name) : -len(_TEMPORARY)]):
                os.unlink(name, dir_fd=at)  # of a daemon that died over it
        plain = sorted(name for name in names if _STAMP.fullmatch(name[len(log.name) :]))
        for name in plain[:-1]:
            _compress(at, name)
        return len(plain[:-1])


@contextlib.contextmanager
def _directory(log: Path) -> Iterator[int]:
    """The log's directory, ``<pod>/<container>``, neither of which may be a link."""
    with contextlib.ExitStack() as stack:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        at = os.open(log.parents[2], flags)
        stack.callback(os.close, at)
        for name in log.parts[-3:-1]:
            at = os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
            stack.callback(os.close, at)
        yield at


def _compress(at: int, name: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, source)
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            return
        temporary = name + _TEMPORARY
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(temporary, flags, stat.S_IMODE(found.st_mode), dir_fd=at)
        stack.callback(os.close, target)
        try:
            packer = zlib.compressobj(wbits=_GZIP)
            while block := os.read(source, _BLOCK):
                _write(target, packer.compress(block))
            _write(target, packer.flush())
            # The reader puts files into order by their times.
            os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.rename(temporary, name + ".gz", src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=at)
            raise
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=at)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
