"""What can go wrong with storage."""

from __future__ import annotations

from pyrt.errors import PyrtError


class StorageError(PyrtError):
    """``subject`` is ``volume <name>``."""


class ProvisionError(StorageError):
    """The directory of a new volume could not be made."""


class ReclaimError(StorageError):
    """The directory of a volume could not be removed."""
