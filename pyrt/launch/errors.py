"""What can go wrong between a spec and a running process."""

from __future__ import annotations

from pyrt.errors import PyrtError


class LaunchError(PyrtError):
    """A spec that cannot be compiled, or an operation of a plan that the kernel refused.

    ``exit_code`` is what a shell would answer if this is about the program itself: 127 when it is not there, 126
    when it may not or cannot be executed; otherwise ``None``.
    """

    def __init__(
        self,
        message: str = "",
        *,
        subject: str = "",
        operation: str = "",
        errno: int | None = None,
        index: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message, subject=subject, operation=operation, errno=errno)
        self.index = index
        """The place of the failed operation in its plan."""
        self.exit_code = exit_code
