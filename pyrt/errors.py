"""The root of every error that pyrt raises on purpose, and the one way in which errors are printed.

Each layer derives its own family from :class:`PyrtError`. An error knows the object it is about (``pod
default/web``, ``container app``), the field or operation that failed, and the errno if the kernel said no;
``str(error)`` puts them together as ``object: operation: reason``, so that an outer layer adds its context by
wrapping and never by rewriting: ``pod default/web: container app: mount emptyDir cache on /cache: No space left
on device``.
"""

from __future__ import annotations

import os


class PyrtError(Exception):
    """An expected failure.

    Parameters
    ----------
    message: what went wrong, without the names below; empty when ``errno`` says it all.
    subject: the object concerned, in words a user knows (``container app``); empty if the caller will add it.
    operation: what was being done (``mount tmpfs on /cache``), or the field that is wrong.
    errno: the kernel's answer, if there was one.
    """

    def __init__(self, message: str = "", *, subject: str = "", operation: str = "", errno: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.operation = operation
        self.errno = errno

    def __str__(self) -> str:
        reason = os.strerror(self.errno) if self.errno is not None else ""
        parts = [self.subject, self.operation, self.message, reason]
        return ": ".join(part for part in parts if part)
