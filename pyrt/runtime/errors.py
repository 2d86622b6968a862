"""What the runtime answers when it cannot do what was asked."""

from __future__ import annotations

from pyrt.errors import PyrtError


class RuntimeFailure(PyrtError):  # noqa: N818 - the root of a family; RuntimeError is Python's
    """The root of the runtime's errors. ``reason`` is the word that a status carries (``CreateContainerError``)."""

    reason = "RuntimeError"


class SandboxNotFoundError(RuntimeFailure):
    """No sandbox has this id (CRI: NotFound)."""

    reason = "NotFound"


class ContainerNotFoundError(RuntimeFailure):
    """No container has this id (CRI: NotFound)."""

    reason = "NotFound"


class StateError(RuntimeFailure):
    """The object is in a state in which the operation means nothing (CRI: FailedPrecondition): exec in an exited
    container.
    """

    reason = "FailedPrecondition"


class InvalidConfigError(RuntimeFailure):
    """A value can never work, whatever the machine does (CRI: InvalidArgument); ``operation`` names the field."""

    reason = "CreateContainerConfigError"


class SandboxError(RuntimeFailure):
    """A sandbox could not be made; everything half-made has been taken back."""

    reason = "CreatePodSandboxError"


class SandboxStoppedError(SandboxError):
    """A sandbox of this identity is there, and has stopped: it is not brought back, and its name is not free yet."""


class CreateError(RuntimeFailure):
    """A container could not be made; everything half-made has been taken back."""

    reason = "CreateContainerError"


class StartError(RuntimeFailure):
    """A container was made but its process could not start.

    The container is then in state EXITED with this error's ``reason`` and ``exit_code``: 127 for a missing command,
    126 for one that may not be executed, 128 for everything else.
    """

    reason = "StartError"

    def __init__(
        self,
        message: str = "",
        *,
        subject: str = "",
        operation: str = "",
        errno: int | None = None,
        exit_code: int = 128,
    ) -> None:
        super().__init__(message, subject=subject, operation=operation, errno=errno)
        self.exit_code = exit_code


class ExecError(StartError):
    """A command could not be started in a running container; ``exit_code`` as for :class:`StartError`."""

    reason = "ExecError"


class ExecTimeoutError(RuntimeFailure):
    """The command was killed because it did not end in time (CRI: DeadlineExceeded)."""

    reason = "DeadlineExceeded"

    def __init__(
        self, message: str = "", *, subject: str = "", operation: str = "", stdout: bytes = b"", stderr: bytes = b""
    ) -> None:
        super().__init__(message, subject=subject, operation=operation)
        self.stdout = stdout
        self.stderr = stderr
