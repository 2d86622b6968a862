"""One daemon per root directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pyrt.store.errors import StoreError, StoreLocked


class RootLock:
    """An exclusive flock(2) on ``<root>/pyrt.lock``, held until :meth:`close` or the end of the process.

    The lock belongs to the open file description, which is close-on-exec: pod processes do not inherit it, so they
    outlive the daemon without locking its successor out. The file stays (removing it would race with the next
    owner); it holds the owner's process id, for the error message only.
    """

    def __init__(self, root: Path) -> None:
        path = root / "pyrt.lock"
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(subject=f"lock {path}", errno=error.errno) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            message = (
                f"in use by another pyrt daemon (process {owner or 'unknown'}); stop it, or use another paths.root"
            )
            raise StoreLocked(message, subject=f"root directory {root}") from error
        except OSError as error:
            os.close(self._fd)
            raise StoreError(subject=f"lock {path}", errno=error.errno) from error

    def close(self) -> None:
        """Let another process have the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
