"""What can go wrong between the daemon and a pod process."""

from __future__ import annotations

from pyrt.errors import PyrtError


class PodProcessError(PyrtError):
    """The pod process refused a request; ``errno`` says why."""


class PlanFailedError(PodProcessError):
    """An operation of a plan failed. ``index`` is its place in the plan; one past the last: clone3 itself."""

    def __init__(self, index: int, errno: int, *, subject: str = "") -> None:
        super().__init__(subject=subject, operation=f"operation {index} of the plan", errno=errno)
        self.index = index


class PodGoneError(PodProcessError):
    """There is no pod process to talk to: it has ended, or the connection is closed."""


class PodTooOldError(PodProcessError):
    """The pod process is of an earlier version of pyrt, and does not know an operation of the plan."""

    def __init__(self, operation: str) -> None:
        super().__init__(
            "the pod was started by an earlier version of pyrt, whose pod process cannot do this; "
            f"create the pod anew ({operation})"
        )
