"""What a caller of CRI is told when something fails: a gRPC status code, and one line.

A kubelet acts on three codes: NOT_FOUND (gone is as good as removed), DEADLINE_EXCEEDED (an exec probe that took too
long) and UNIMPLEMENTED (do without); everything else it shows to its user and tries again.
"""

from __future__ import annotations

from grpc import StatusCode

from pyrt.errors import PyrtError
from pyrt.images.errors import NotFoundError as ImageNotFoundError
from pyrt.runtime.errors import (
    ContainerNotFoundError,
    ExecTimeoutError,
    InvalidConfigError,
    SandboxNotFoundError,
    SandboxStoppedError,
    StateError,
)


class CriError(PyrtError):
    """A request that cannot be served; ``code`` says why in gRPC's words."""

    def __init__(
        self,
        message: str = "",
        *,
        code: StatusCode = StatusCode.UNKNOWN,
        subject: str = "",
        operation: str = "",
        errno: int | None = None,
    ) -> None:
        super().__init__(message, subject=subject, operation=operation, errno=errno)
        self.code = code


def invalid(field: str, message: str) -> CriError:
    """A field of the request (``config.linux.resources.cpu_quota``) that cannot be honoured."""
    return CriError(message, code=StatusCode.INVALID_ARGUMENT, operation=field)


def not_found(subject: str) -> CriError:
    """``subject`` (``container 0123``) does not exist."""
    return CriError("not found", code=StatusCode.NOT_FOUND, subject=subject)


_CODES: tuple[tuple[type[PyrtError], StatusCode], ...] = (
    (SandboxNotFoundError, StatusCode.NOT_FOUND),
    (ContainerNotFoundError, StatusCode.NOT_FOUND),
    (ImageNotFoundError, StatusCode.NOT_FOUND),
    (InvalidConfigError, StatusCode.INVALID_ARGUMENT),
    (ExecTimeoutError, StatusCode.DEADLINE_EXCEEDED),
    (SandboxStoppedError, StatusCode.ALREADY_EXISTS),
    (StateError, StatusCode.FAILED_PRECONDITION),
)


def code_of(error: PyrtError) -> StatusCode:
    """The status code of a failure that a lower layer told of."""
    if isinstance(error, CriError):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), StatusCode.UNKNOWN)
