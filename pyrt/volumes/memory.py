"""Directories that never reach a disk: a tmpfs of pyrt's own below the run directory, mounted while any pod needs it.

Of its own, because /run may be on a disk in a container or a test, is mounted ``noexec`` by some distributions (a
script out of a ConfigMap could not be run), and is swapped out where there is swap.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Final

from pyrt._native import (
    FSCONFIG_CMD_CREATE,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    fsconfig,
    fsmount,
    fsopen,
    move_mount,
    umount,
)
from pyrt.volumes.removal import remove_directory

_MODE: Final = 0o700
"""Nobody but root reads a secret on the host, whatever mode its file has: containers enter by their own mounts."""
_AT_FDCWD: Final = -100
_MOVE_MOUNT_F_EMPTY_PATH: Final = 4
_NOSUID_NODEV: Final = 0x2 | 0x4
_MNT_DETACH: Final = 2

_lock: Final = threading.Lock()
"""Between mounting for a first directory and unmounting behind the last one."""


def make(directory: Path) -> None:
    """Make ``<root>/<uid>/<name>``, where ``<root>`` is the file system's place; nothing happens when it is there.

    Raises OSError.
    """
    with _lock:
        _mount(directory.parent.parent)
        for path, mode in ((directory.parent, _MODE), (directory, 0o755)):
            try:
                os.mkdir(path, mode)
            except FileExistsError:
                continue
            os.chmod(path, mode)  # whatever the umask


def release(directory: Path) -> None:
    """Remove ``<root>/<uid>``, and the file system with the last one. Raises OSError."""
    with _lock:
        remove_directory(directory)
        root = directory.parent
        if _is_mounted(root) and not os.listdir(root):
            umount(str(root), _MNT_DETACH)
            os.rmdir(root)


def unmount(root: Path) -> bool:
    """Take the file system away with whatever is in it; answers whether it was there. Raises OSError."""
    with _lock:
        if not _is_mounted(root):
            return False
        umount(str(root), _MNT_DETACH)
    return True


def _is_mounted(root: Path) -> bool:
    return os.path.ismount(root)


def _mount(root: Path) -> None:
    if _is_mounted(root):
        return
    with contextlib.suppress(FileExistsError):
        os.makedirs(root, _MODE)
    context = fsopen("tmpfs")
    try:
        fsconfig(context, FSCONFIG_SET_STRING, "source", "pyrt")
        fsconfig(context, FSCONFIG_SET_STRING, "mode", f"{_MODE:o}")
        try:
            fsconfig(context, FSCONFIG_SET_FLAG, "noswap")
        except OSError as error:
            if error.errno != errno.EINVAL:  # Linux before 6.4
                raise
        fsconfig(context, FSCONFIG_CMD_CREATE)
        mount = fsmount(context, _NOSUID_NODEV)
    finally:
        os.close(context)
    try:
        move_mount(mount, "", _AT_FDCWD, str(root), _MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mount)
