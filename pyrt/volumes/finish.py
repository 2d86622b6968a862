"""What is left to do with a volume that was found, and may wait for a disk: checking it, giving it its group."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.kube.pod import Pod
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.host_path import check_type
from pyrt.volumes.ownership import ALWAYS, FsGroup, set_ownership
from pyrt.volumes.types import PreparedVolume


def group_of(pod: Pod) -> FsGroup | None:
    """The pod's fsGroup, ``None`` if it has none."""
    security = pod.spec.security_context
    if security is None or security.fs_group is None:
        return None
    return FsGroup(security.fs_group, security.fs_group_change_policy or ALWAYS)


def is_unfinished(volume: PreparedVolume, pod: Pod) -> bool:
    """Whether :func:`finish` has something to do."""
    return volume.must_be is not None or (volume.takes_group and group_of(pod) is not None)


def finish(volume: PreparedVolume, pod: Pod, directory: Path) -> None:
    """Check the type of a path, and apply fsGroup: once in the life of a pod, as long as its directory is there.

    ``directory`` is the pod's own. Blocks. Raises :class:`VolumeError`.
    """
    if volume.must_be is not None:
        check_type(volume.name, volume.path, volume.must_be)
    group = group_of(pod)
    if not volume.takes_group or group is None:
        return
    mark = directory / f"{volume.name}.group"
    if mark.exists():
        return  # the pod may have been at work since
    set_ownership(volume.name, volume.path, group, readonly=volume.read_only)
    try:
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise VolumeError(subject=f"volume {volume.name}", operation=f"create {mark}", errno=error.errno) from error
