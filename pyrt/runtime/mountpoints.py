"""The lowest layer of every container: empty places for what is always mounted.

An image that has no /etc/hosts, no /proc gets its mount point from here. Without it overlayfs would have to copy the
image's /etc into the container's writable layer and make three files there: half of what starting a container costs on
a disk. Whatever the image has, hides it; where the image has deleted it (a whiteout), the player makes it as ever.
"""

from __future__ import annotations

import os
import posixpath
from typing import Final

from pyrt.runtime.config import ContainerConfig

_DIRECTORIES: Final = ("dev", "etc", "proc", "sys")
_FILES: Final = ("etc/hosts", "etc/hostname", "etc/resolv.conf")


def make_mountpoints(directory: str) -> None:
    """Make the layer; idempotent. Raises OSError."""
    for path in (directory, *(f"{directory}/{name}" for name in _DIRECTORIES)):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o755)
    for name in _FILES:
        fd = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.fchmod(fd, 0o644)
        os.close(fd)


def root_layers(config: ContainerConfig, mountpoints: str) -> tuple[str, ...]:
    """The directories that a container's root is laid over, the lowest first: the mount points and the image's.

    Without the mount points where a volume, which may be a directory, is to be on one of those that are files.
    """
    image = tuple(map(str, config.image.layers))
    if image and any(_covers_file(mount.container_path) for mount in config.mounts):
        return image
    return (mountpoints, *image)


def _covers_file(container_path: str) -> bool:
    return container_path.startswith("/etc/") and posixpath.normpath(container_path)[1:] in _FILES
