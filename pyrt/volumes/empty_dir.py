"""emptyDir: a directory that lives as long as the pod, on disk or in memory."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.kube.quantity import units
from pyrt.kube.volumes import EmptyDirVolumeSource, Volume
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.finish import group_of
from pyrt.volumes.huge_pages import check_kernel, page_size
from pyrt.volumes.removal import remove_directory
from pyrt.volumes.types import PreparedVolume, Tmpfs, VolumeContext

MODE = 0o777
"""As the kubelet makes it: any user of the pod may write."""
GROUP_MODE = 0o2777
"""With fsGroup: what is made inside belongs to the group too."""


class EmptyDir:
    """Disk: a directory in the pod's. Memory and huge pages: a file system over such a directory, mounted by the pod
    process and gone with it.

    ``sizeLimit`` is the size of the tmpfs; on disk it is recorded for eviction (the kubelet does the same).
    """

    kind = "emptyDir"
    on_loop = True

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`."""
        source = volume.empty_dir or EmptyDirVolumeSource()
        limit = units(source.size_limit) if source.size_limit is not None else None
        path = context.directory / volume.name
        group = group_of(context.pod)
        gid, mode = (None, MODE) if group is None else (group.gid, GROUP_MODE)
        if source.medium:
            # A limit of 0 is no limit; tmpfs reads size=0 the same way, but half of memory is the safer reading.
            memory = Tmpfs(limit or None, mode, gid, page_size(volume.name, source.medium, context.pod))
            return PreparedVolume(volume.name, self.kind, path, tmpfs=memory, size_limit=limit)
        return PreparedVolume(volume.name, self.kind, path, size_limit=limit)

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """One mkdir; an existing directory is kept with its content."""
        prepared = self.plan(volume, context)
        if prepared.tmpfs is not None and prepared.tmpfs.huge_pages:
            check_kernel(volume.name, prepared.tmpfs.huge_pages)
        try:
            group = group_of(context.pod) if prepared.tmpfs is None else None
            _make(prepared.path, None if group is None else group.gid)
        except OSError as error:
            raise VolumeError(
                subject=f"volume {volume.name}", operation=f"create emptyDir {prepared.path}", errno=error.errno
            ) from error
        return prepared

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Remove the directory with everything in it."""
        try:
            remove_directory(context.directory / volume.name)
        except OSError as error:
            raise VolumeError(
                subject=f"volume {volume.name}", operation=f"remove emptyDir {error.filename}", errno=error.errno
            ) from error


def _make(path: Path, gid: int | None) -> None:
    try:
        os.mkdir(path, MODE)
    except FileNotFoundError:
        os.makedirs(path.parent, 0o711, exist_ok=True)
        os.mkdir(path, MODE)
    except FileExistsError:
        if path.is_dir() and not path.is_symlink():
            return
        raise
    if gid is not None:
        os.chown(path, -1, gid)
    os.chmod(path, MODE if gid is None else GROUP_MODE)  # whatever the umask
