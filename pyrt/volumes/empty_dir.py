"""emptyDir: a directory that lives as long as the pod, on disk or in memory."""

from __future__ import annotations

import os
from pathlib import Path

from pyrt.kube.quantity import units
from pyrt.kube.volumes import EmptyDirVolumeSource, Volume
from pyrt.volumes.errors import UnsupportedVolumeError, VolumeError
from pyrt.volumes.removal import remove_directory
from pyrt.volumes.types import PreparedVolume, Tmpfs, VolumeContext

MODE = 0o777
"""As the kubelet makes it: any user of the pod may write, fsGroup narrows it."""


class EmptyDir:
    """Disk: a directory in the pod's. Memory: a tmpfs over such a directory, mounted by the pod process and gone with
    it.

    ``sizeLimit`` is the size of the tmpfs; on disk it is recorded for eviction (the kubelet does the same).
    """

    kind = "emptyDir"
    on_loop = True

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`."""
        source = volume.empty_dir or EmptyDirVolumeSource()
        limit = units(source.size_limit) if source.size_limit is not None else None
        path = context.directory / volume.name
        if source.medium == "Memory":
            # A limit of 0 is no limit; tmpfs reads size=0 the same way, but half of memory is the safer reading.
            return PreparedVolume(volume.name, self.kind, path, tmpfs=Tmpfs(limit or None, MODE), size_limit=limit)
        if source.medium:
            raise UnsupportedVolumeError(
                f"medium {source.medium!r} is not supported yet",
                subject=f"volume {volume.name}",
                operation="emptyDir.medium",
            )
        return PreparedVolume(volume.name, self.kind, path, size_limit=limit)

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """One mkdir; an existing directory is kept with its content."""
        prepared = self.plan(volume, context)
        try:
            _make(prepared.path)
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


def _make(path: Path) -> None:
    try:
        os.mkdir(path, MODE)
    except FileNotFoundError:
        os.makedirs(path.parent, 0o711, exist_ok=True)
        os.mkdir(path, MODE)
    except FileExistsError:
        if path.is_dir() and not path.is_symlink():
            return
        raise
    os.chmod(path, MODE)  # whatever the umask
