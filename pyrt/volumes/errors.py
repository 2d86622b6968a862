"""What the volume layer answers."""

from __future__ import annotations

from pyrt.errors import PyrtError


class VolumeError(PyrtError):
    """A volume could not be prepared or taken down; ``subject`` is ``volume <name>``."""

    @property
    def volume(self) -> str:
        """The volume's name."""
        return self.subject.removeprefix("volume ")

    @property
    def detail(self) -> str:
        """What is wrong, without the volume's name."""
        return str(self).removeprefix(f"{self.subject}: ")


class UnsupportedVolumeError(VolumeError):
    """The volume's type (or medium) is known to Kubernetes but not to pyrt yet."""
