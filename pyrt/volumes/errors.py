"""What the volume layer answers."""

from __future__ import annotations

from pyrt.errors import PyrtError


class VolumeError(PyrtError):
    """A volume could not be prepared or taken down; ``subject`` is ``volume <name>``."""


class UnsupportedVolumeError(VolumeError):
    """The volume's type (or medium) is known to Kubernetes but not to pyrt yet."""
