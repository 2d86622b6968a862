"""Reading a container's log: from anywhere in it, across rotated files, and following it while it grows.

Rotation renames ``0.log`` to ``0.log.<suffix>`` and opens a new ``0.log``; older files may be gzipped. A reader that
was in the old file finishes it before it goes on, so that nothing is lost and nothing is read twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrt.streams.inotify import DirectoryWatch
from pyrt.streams.logformat import BLOCK, LogFormatter, LogOptions, ReadAt, record_time, since_offset, tail_offset

_READ: Final = 1 << 18
_UNZIPPED_MAX: Final = 256 << 20
"""Bytes of one compressed file, far above any rotation limit: it may be a bomb."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a log: the live one or a rotated one."""

    path: Path
    inode: int
    modified: int
    """Unix nanoseconds."""


def segments(log: Path) -> list[Segment]:
    """The files of a log that exist, oldest first, the live one last."""
    found: list[Segment] = []
    live: Segment | None = None
    try:
        entries = list(os.scandir(log.parent))
    except FileNotFoundError:
        return []
    for entry in entries:
        if not entry.name.startswith(log.name):
            continue
        rest = entry.name[len(log.name) :]
        if rest and (not rest.startswith(".") or rest.endswith(".tmp")):
            continue
        try:
            info = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        segment = Segment(Path(entry.path), info.st_ino, info.st_mtime_ns)
        if rest:
            found.append(segment)
        else:
            live = segment
    found.sort(key=lambda segment: (segment.modified, segment.path.name))
    return [*found, live] if live is not None else found


def open_log(path: Path) -> int:
    """A descriptor of a log file, opened for reading.

    Pods that have the log directory mounted may put anything there: the file and the two directories that it lies in
    (``<pod>/<container>/``) must not be symbolic links, which would lead to any file of the host, and the file must be
    a regular one. Raises OSError; ELOOP or ENOTDIR for a link, EINVAL for what is no file.
    """
    with contextlib.ExitStack() as stack:
        at = os.open(path.parents[2], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, at)
        for name in path.parts[-3:-1]:
            at = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            stack.callback(os.close, at)
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        fd = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=at)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def _decompressed(path: Path) -> bytes:
    with os.fdopen(open_log(path), "rb") as file, gzip.GzipFile(fileobj=file) as unzipped:
        return unzipped.read(_UNZIPPED_MAX)


async def read_log(log: Path, options: LogOptions, stopped: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield the log's text in pieces as they come.

    With ``follow`` it goes on until ``stopped`` is set (the container has ended) and everything written before that
    has been read; without, it ends at the end of the file. The caller's pace is the reader's pace.

    Raises
    ------
    OSError: a log file cannot be read.
    """
    formatter = LogFormatter(options)
    if not options.follow:
        for piece in _existing(log, options):
            if text := formatter.feed(piece):
                yield text
                if formatter.exhausted:
                    return
                await asyncio.sleep(0)
        return
    with DirectoryWatch(log.parent) as watch:
        cursor = _Cursor(log, options)
        try:
            while True:
                watch.changed.clear()
                ending = stopped.is_set()  # before the read: what was written before the end is then in the file
                for piece in cursor.pieces(formatter):
                    if text := formatter.feed(piece):
                        yield text
                        if formatter.exhausted:
                            return
                if ending:
                    return
                await _either(watch.changed, stopped)
        finally:
            cursor.close()


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(first.wait()), asyncio.ensure_future(second.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _existing(log: Path, options: LogOptions) -> Iterator[bytes]:
    for path, offset in _starting_points(segments(log), options):
        if path.suffix == ".gz":
            yield _decompressed(path)[offset:]
            continue
        with os.fdopen(open_log(path), "rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(_READ):
                yield piece


def _starting_points(files: list[Segment], options: LogOptions) -> list[tuple[Path, int]]:
    """The files to read, oldest first, each with the offset to begin at."""
    chosen: list[tuple[Path, int]] = []
    want = options.tail
    for segment in reversed(files):
        try:
            read, size = _reader(segment.path)
        except FileNotFoundError:
            continue
        offset = 0
        if want is not None:
            offset, lines = tail_offset(read, size, want, options.streams)
            want -= lines
        older_needed = offset == 0
        if options.since is not None and size:
            first = record_time(read(BLOCK, 0))
            if first is not None and first < options.since:
                offset = max(offset, since_offset(read, size, options.since))
                older_needed = False
        chosen.append((segment.path, offset))
        if not older_needed or want == 0:
            break
    return chosen[::-1]


def _reader(path: Path) -> tuple[ReadAt, int]:
    if path.suffix == ".gz":
        data = _decompressed(path)
        return (lambda size, offset: data[offset : offset + size]), len(data)
    file = os.fdopen(open_log(path), "rb", buffering=0)
    return (lambda size, offset: os.pread(file.fileno(), size, offset)), os.fstat(file.fileno()).st_size


class _Cursor:
    """A place in a log that grows and rotates."""

    def __init__(self, log: Path, options: LogOptions) -> None:
        self._log = log
        self._fd = -1
        self._backlog = _starting_points(segments(log), options)

    def pieces(self, formatter: LogFormatter) -> Iterator[bytes]:
        """Everything there is to read now."""
        while True:
            if self._fd < 0 and not self._open_next():
                return
            while piece := os.read(self._fd, _READ):
                yield piece
            if not self._superseded():
                return
            # Once a newer file exists the writer has left this one; what it wrote in between is still ours to read.
            while piece := os.read(self._fd, _READ):
                yield piece
            self._leave()
            formatter.reopen()

    def _superseded(self) -> bool:
        if self._backlog:
            return True
        try:
            return os.stat(self._log).st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False

    def _leave(self) -> None:
        left = os.fstat(self._fd)
        self.close()
        if self._backlog:
            return
        files = segments(self._log)
        inodes = [segment.inode for segment in files]
        if left.st_ino in inodes:
            newer = files[inodes.index(left.st_ino) + 1 :]
        else:  # compressed or pruned meanwhile
            newer = [segment for segment in files if segment.modified > left.st_mtime_ns]
        self._backlog = [(segment.path, 0) for segment in newer]

    def _open_next(self) -> bool:
        while self._backlog:
            path, offset = self._backlog.pop(0)
            if self._open(path, offset):
                return True
        return self._open(self._log, 0)

    def _open(self, path: Path, offset: int) -> bool:
        try:
            if path.suffix == ".gz":
                self._fd = _unzipped(path)
            else:
                self._fd = open_log(path)
        except FileNotFoundError:
            return False
        os.lseek(self._fd, offset, os.SEEK_SET)
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _unzipped(path: Path) -> int:
    fd = os.memfd_create("log", os.MFD_CLOEXEC)
    data = memoryview(_decompressed(path))
    while data:
        data = data[os.write(fd, data) :]
    return fd
