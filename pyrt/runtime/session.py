"""A connection to processes in a container: one exec, or an attachment to the container's own process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What :meth:`pyrt.runtime.Runtime.exec_sync` answers. Output beyond the limit is dropped and ``truncated`` set."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


class Session:
    """Descriptors of a running exec or attachment; the session owns them and :meth:`close` closes what is left.

    All descriptors are non-blocking and close-on-exec. With a terminal, ``stdin`` and ``stdout`` are two descriptors of the same
    terminal (its master side) and ``stderr`` is ``None``; reading it answers EIO when the last process has let go of it.
    """

    __slots__ = ("_terminal", "_wait", "pid", "stderr", "stdin", "stdout", "tty")

    def __init__(
        self,
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        tty: bool,
        wait: Callable[[], Awaitable[int]],
        pid: int = 0,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.tty = tty
        self.pid = pid
        """Of the process in the host's PID namespace; 0 if unknown."""
        self._wait = wait

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size (TIOCSWINSZ); nothing happens without a terminal."""
        fd = self.stdout if self.stdout is not None else self.stdin
        if self.tty and fd is not None:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close_stdin(self) -> None:
        """Let the process read end of file."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    async def wait(self) -> int:
        """The exit code (128 + signal number for a killed process), once the process has ended."""
        return await self._wait()

    def close(self) -> None:
        """Close every descriptor that is left. The process is not killed."""
        for name in ("stdin", "stdout", "stderr"):
            fd = getattr(self, name)
            if fd is not None:
                os.close(fd)
                setattr(self, name, None)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()
        await asyncio.sleep(0)
