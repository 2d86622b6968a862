"""What ``pyrt-oci`` answers. The texts that callers look for (containerd's shim, conmon, podman) are runc's."""

from __future__ import annotations

from pyrt.errors import PyrtError


class OciError(PyrtError):
    """A command that could not be carried out; ``exit_code`` is the process's."""

    def __init__(
        self, message: str = "", *, subject: str = "", operation: str = "", errno: int | None = None, exit_code: int = 1
    ) -> None:
        super().__init__(message, subject=subject, operation=operation, errno=errno)
        self.exit_code = exit_code


class UsageError(OciError):
    """A command line that is none."""


class NotFoundError(OciError):
    """There is no such container."""

    def __init__(self) -> None:
        super().__init__("container does not exist")


class NotRunningError(OciError):
    """The container has no process any more."""

    def __init__(self) -> None:
        super().__init__("container not running")
