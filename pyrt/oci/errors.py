"""What ``pyrt-oci`` answers. The texts that callers look for (containerd's shim, conmon, podman) are runc's."""

from __future__ import annotations

import errno as numbers
import os

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


def in_words_of_go(text: str) -> str:
    """The message with its reason, if that is the kernel's, in lower case: Go has it so, and callers look for "no such
    file or directory" and "permission denied" (kubectl, podman, docker).
    """
    for number in numbers.errorcode:
        reason = os.strerror(number)
        if text.endswith(reason):
            return text.removesuffix(reason) + reason[:1].lower() + reason[1:]
    return text
