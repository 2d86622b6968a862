"""A connection to processes in a container: one exec, or an attachment to the container's own process."""

from __future__ import annotations

import contextlib
import os
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

    All descriptors are non-blocking and close-on-exec; those not asked for are ``None``. With a terminal, ``stdin``
    and ``stdout`` lead to the same terminal and ``stderr`` is ``None``; reading an exec's terminal answers EIO when
    its last process has let go.
    """

    __slots__ = ("_close_stdin", "_resize", "_wait", "pid", "stderr", "stdin", "stdout", "tty")

    def __init__(
        self,
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        tty: bool,
        wait: Callable[[], Awaitable[int]],
        resize: Callable[[int, int], None] | None = None,
        close_stdin: Callable[[], None] | None = None,
        pid: int = 0,
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.tty = tty
        self.pid = pid
        """Of the process in the host's PID namespace; 0 if unknown."""
        self._wait = wait
        self._resize = resize
        self._close_stdin = close_stdin

    def on_resize(self, resize: Callable[[int, int], None]) -> None:
        """Set what carries out :meth:`resize`, where that needs the session itself."""
        self._resize = resize

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; nothing happens without a terminal."""
        if self.tty and self._resize is not None:
            self._resize(rows, columns)

    def close_stdin(self) -> None:
        """Let the process read end of file. With a terminal only our descriptor goes: others may still type."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None
            if self._close_stdin is not None:
                self._close_stdin()

    async def wait(self) -> int:
        """The exit code (128 + signal number for a killed process), once the process has ended."""
        return await self._wait()

    def close(self) -> None:
        """Close every descriptor that is left. The process is not killed."""
        for name in ("stdin", "stdout", "stderr"):
            fd = getattr(self, name)
            if fd is not None:
                setattr(self, name, None)
                with contextlib.suppress(OSError):
                    os.close(fd)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()
