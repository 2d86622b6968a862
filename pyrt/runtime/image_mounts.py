"""Images as volumes of one container: their layers lie on top of one another in its own mount namespace, on a directory
of the container's, and are bound from there. Nothing is copied, and nothing is seen outside.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pyrt.ids import ImageId
from pyrt.launch.context import Layered
from pyrt.runtime.config import ContainerConfig


def placed(config: ContainerConfig, directory: str) -> ContainerConfig:
    """The same with a host path for every image mount: below ``directory``, the container's."""
    if not any(mount.layers for mount in config.mounts):
        return config
    mounts = tuple(
        replace(mount, host_path=Path(_place(directory, index))) if mount.layers else mount
        for index, mount in enumerate(config.mounts)
    )
    return replace(config, mounts=mounts)


def make_places(config: ContainerConfig, directory: str) -> None:
    """Make the mount points. Raises OSError."""
    if mountpoint(config, directory) == directory:
        return
    os.mkdir(mountpoint(config, directory), 0o711)
    for index, mount in enumerate(config.mounts):
        if mount.layers:
            os.mkdir(_place(directory, index), 0o755)


def mountpoint(config: ContainerConfig, directory: str) -> str:
    """Where the container's root is mounted: over its directory, unless images are to be found there."""
    return f"{directory}/root" if any(mount.layers for mount in config.mounts) else directory


def layered(config: ContainerConfig) -> tuple[Layered, ...]:
    """What is to be mounted for a config that is :func:`placed`."""
    return tuple(
        Layered(str(mount.host_path), tuple(map(str, mount.layers))) for mount in config.mounts if mount.layers
    )


def images_of(config: ContainerConfig) -> list[ImageId]:
    """Its own image, and those that are mounted."""
    return [config.image.id, *(mount.image for mount in config.mounts if mount.image is not None)]


def _place(directory: str, index: int) -> str:
    return f"{directory}/image-{index}"
