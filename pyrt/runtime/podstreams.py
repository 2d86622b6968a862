"""The streams of a pod's processes: where a container's lead, and the ends of an exec's and an attachment's."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pyrt.runtime.podfiles import ExitRecord


@dataclass(frozen=True, slots=True)
class ContainerIo:
    """Where a container's input comes from and its output goes. Sizes in bytes; 0 means no limit."""

    log_path: Path | None = None
    """In an existing directory, absolute; ``None`` drops the output (attached clients still see it)."""
    stdin: bool = False
    """Keep a pipe open for :meth:`PodProcess.attach`; else stdin is /dev/null."""
    stdin_once: bool = False
    """Close it when the first attachment with stdin ends."""
    tty: bool = False
    """The plan opens a terminal (its ``console_slot``)."""
    log_max_size: int = 10 * 1024 * 1024
    log_max_files: int = 5
    """The current file included."""


class StartedProcess(NamedTuple):
    """A process whose execve has succeeded."""

    pid: int
    """In the host's PID namespace."""
    started_at: int
    """Unix time in ns."""
    start_ticks: int
    """/proc/PID/stat, field 22."""


@dataclass(slots=True)
class ExecProcess:
    """A process started in a running container.

    The caller owns the descriptors, which are non-blocking; ``None`` was not asked for. With a terminal, ``stdin`` and
    ``stdout`` are two descriptors of its master.
    """

    id: str
    pid: int
    started_at: int
    stdin: int | None
    stdout: int | None
    stderr: int | None
    exited: asyncio.Future[ExitRecord] = field(repr=False)

    async def wait(self) -> ExitRecord:
        """Its end. Raises :class:`PodGoneError` when the pod process has died first."""
        return await asyncio.shield(self.exited)


class Attachment(NamedTuple):
    """Descriptors of an attachment, the caller's own, non-blocking: write ``stdin``, read the others to end of file."""

    stdin: int | None
    stdout: int | None
    stderr: int | None


def pipe(
    wanted: bool, into_process: bool, ours: contextlib.ExitStack, theirs: contextlib.ExitStack
) -> tuple[int | None, int]:
    """Our end (non-blocking; ``None`` if unwanted) and the process's end of a new pipe, each closed by its stack."""
    if not wanted:
        far = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        theirs.callback(os.close, far)
        return None, far
    read, write = os.pipe()
    near, far = (write, read) if into_process else (read, write)
    ours.callback(os.close, near)
    theirs.callback(os.close, far)
    os.set_blocking(near, False)
    return near, far
