"""What the cgroup layer answers when the kernel refuses."""

from __future__ import annotations

from pyrt.errors import PyrtError


class CgroupError(PyrtError):
    """A cgroup file or directory could not be made, written, read or removed; ``operation`` names it."""


class UnsupportedControllerError(CgroupError):
    """A limit was asked for whose controller this machine does not have."""
