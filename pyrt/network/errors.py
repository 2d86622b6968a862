"""What goes wrong with pods' network."""

from __future__ import annotations

from pyrt.errors import PyrtError


class NetworkError(PyrtError):
    """The network could not be set up, for the machine or for one pod."""


class PoolExhausted(NetworkError):  # noqa: N818 - a state of the pool, named as such
    """Every address of the configured range is in use, or belonged to a pod whose link is not gone yet."""


class PortTaken(NetworkError):  # noqa: N818
    """A host port belongs to another pod, or to a process that listens on it."""
