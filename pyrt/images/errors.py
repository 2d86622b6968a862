"""The error family of images, and the reason each one has in a container's status.

Each message names the image and the registry that was asked: a user reads it in an event, far from where it happened.
"""

from __future__ import annotations

from typing import ClassVar

from pyrt.errors import PyrtError


class ImageError(PyrtError):
    """Something about an image failed.

    ``reason`` is the kubelet's word for it in ``status.containerStatuses[].state.waiting.reason``
    (kubelet, pkg/kubelet/images/types.go). ``temporary`` says whether trying again later can help.
    """

    reason: ClassVar[str] = "ErrImagePull"
    temporary: ClassVar[bool] = True


class InvalidReferenceError(ImageError):
    """The name is not an image reference."""

    reason = "InvalidImageName"
    temporary = False


class NeverPullError(ImageError):
    """Not present, and the policy forbids pulling."""

    reason = "ErrImageNeverPull"


class NotFoundError(ImageError):
    """The registry knows no such image, or this machine has none."""


class UnauthorizedError(ImageError):
    """The registry wants (other) credentials."""


class UnavailableError(ImageError):
    """The registry cannot be reached, answers nonsense, or the connection was cut too often."""


class DigestMismatchError(ImageError):
    """Content that is not what its digest or size says."""


class NoMatchingPlatformError(ImageError):
    """The index has no image for this machine."""

    temporary = False


class LimitError(ImageError):
    """Larger than the configuration allows."""

    temporary = False


class InvalidImageError(ImageError):
    """A manifest, configuration or layer that cannot be understood, or a hostile one."""

    temporary = False


class StorageError(ImageError):
    """The local store failed: disk full, input/output error."""


class ImageInUseError(ImageError):
    """Refused to remove an image that a container uses."""
