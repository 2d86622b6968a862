"""Network namespaces kept by a file, as ip-netns(8) does: they are there until the file is unmounted.

Plugins are given such a path; docs/decisions/0040-cni-namespaces-are-kept-by-a-mount.md says why not /proc/PID/ns/net.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Final

from pyrt._native import move_mount, open_tree, umount
from pyrt.network.cni.errors import CniError

_AT_FDCWD: Final = -100
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8


def keep(pid: int, path: str) -> None:
    """Keep the network namespace of a process. Raises :class:`CniError`."""
    drop(path)
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0))
        tree = open_tree(_AT_FDCWD, f"/proc/{pid}/ns/net", _OPEN_TREE_CLONE)
        try:
            move_mount(tree, "", _AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH)
        finally:
            os.close(tree)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise CniError(operation=f"keep the network namespace in {path}", errno=error.errno) from error


def is_kept(path: str) -> bool:
    """Whether there is a namespace in this file: a reboot takes it."""
    try:
        return os.stat(path).st_dev != os.stat(os.path.dirname(path)).st_dev
    except OSError:
        return False


def drop(path: str) -> None:
    """Let go of a namespace; nothing happens if there is none. Raises :class:`CniError`."""
    try:
        with contextlib.suppress(FileNotFoundError):
            while is_kept(path):
                umount(path, _MNT_DETACH | _UMOUNT_NOFOLLOW)
            os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOTDIR:
            raise CniError(operation=f"unmount {path}", errno=error.errno) from error


def kept_by(directory: Path, prefix: str) -> dict[str, str]:
    """Paths of all files that are called ``prefix`` and the id of a sandbox, by that id."""
    try:
        names = os.listdir(directory)
    except OSError:
        return {}
    ours = re.compile(re.escape(prefix) + "[0-9a-f]{64}")
    return {name.removeprefix(prefix): str(directory / name) for name in names if ours.fullmatch(name)}
