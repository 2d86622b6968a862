"""hostPath: a file or directory of the host, checked against its declared type as the kubelet does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from pyrt.kube.volumes import Volume
from pyrt.volumes.errors import VolumeError
from pyrt.volumes.types import PreparedVolume, VolumeContext


class HostPath:
    """Nothing of it is ever removed: it is the host's."""

    kind = "hostPath"
    on_loop = False

    def plan(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """See :class:`pyrt.volumes.types.VolumeType`."""
        source = volume.host_path
        if source is None or not source.path.startswith("/") or ".." in source.path.split("/"):
            raise VolumeError(
                "expected an absolute path without '..'", subject=f"volume {volume.name}", operation="hostPath.path"
            )
        return PreparedVolume(volume.name, self.kind, Path(source.path))

    def prepare(self, volume: Volume, context: VolumeContext) -> PreparedVolume:
        """Make what ``*OrCreate`` (and the empty type, for a missing directory) asks for, then check."""
        prepared = self.plan(volume, context)
        assert volume.host_path is not None
        check_type(volume.name, prepared.path, volume.host_path.type or "")
        return prepared

    def teardown(self, volume: Volume, context: VolumeContext) -> None:
        """Leave it alone."""


def check_type(name: str, path: Path, kind: str) -> None:
    """Raise :class:`VolumeError`, in the kubelet's words, unless ``path`` is of hostPath type ``kind``.

    Symbolic links on the way and at the end are followed: the path is the operator's.
    """
    subject = f"volume {name}"
    try:
        mode: int | None = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise VolumeError(
            subject=subject, operation=f"hostPath type check failed: {path}", errno=error.errno
        ) from error
    if kind == "":
        # Not checked. A missing path becomes a directory, as containerd and Docker make it.
        if mode is None:
            _make_directory(subject, path)
        return
    if kind not in _EXPECTED:
        raise VolumeError(f"{kind} is an invalid volume type", subject=subject, operation="hostPath type check failed")
    if mode is None and kind == "DirectoryOrCreate":
        _make_directory(subject, path)
        return
    if mode is None and kind == "FileOrCreate":
        _make_file(subject, path)
        return
    fits, words = _EXPECTED[kind]
    if mode is None or not fits(mode):
        raise VolumeError(f"{path} is not {words}", subject=subject, operation="hostPath type check failed")


def _is_no_directory(mode: int) -> bool:
    return not stat.S_ISDIR(mode)  # what the kubelet takes for a file


_EXPECTED: dict[str, tuple[Callable[[int], bool], str]] = {
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "Directory": (stat.S_ISDIR, "a directory"),
    "FileOrCreate": (_is_no_directory, "a file"),
    "File": (_is_no_directory, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def _make_directory(subject: str, path: Path) -> None:
    try:
        os.makedirs(path, 0o755, exist_ok=True)
    except OSError as error:
        raise VolumeError(subject=subject, operation=f"create directory {path}", errno=error.errno) from error


def _make_file(subject: str, path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise VolumeError(subject=subject, operation=f"create file {path}", errno=error.errno) from error
