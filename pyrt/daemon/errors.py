"""Why the daemon does not start."""

from __future__ import annotations

from pyrt.errors import PyrtError


class DaemonError(PyrtError):
    """Something that the daemon needs is not there, or belongs to another."""
