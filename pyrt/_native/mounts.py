"""The mount API by descriptor (fsopen(2), open_tree(2), move_mount(2)) and openat2(2)."""

from __future__ import annotations

import os

from pyrt._native._cffi import ffi, lib
from pyrt._native.failure import fail

AT_FDCWD = -100

FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6


def openat2(dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open with RESOLVE_* bounds (openat2(2)); O_CLOEXEC is added."""
    fd = lib.sys_openat2(dirfd, os.fsencode(path), flags | os.O_CLOEXEC, mode, resolve)
    if fd < 0:
        fail(f"openat2 {os.fsdecode(path)}")
    return int(fd)


def open_tree(dirfd: int, path: str | bytes, flags: int) -> int:
    """A mount, or with OPEN_TREE_CLONE a detached copy of one (open_tree(2)); OPEN_TREE_CLOEXEC is added."""
    fd = lib.sys_open_tree(dirfd, os.fsencode(path), flags | os.O_CLOEXEC)
    if fd < 0:
        fail(f"open_tree {os.fsdecode(path)}")
    return int(fd)


def move_mount(from_fd: int, from_path: str, to_fd: int, to_path: str, flags: int) -> None:
    """Attach or move a mount (move_mount(2))."""
    if lib.sys_move_mount(from_fd, os.fsencode(from_path), to_fd, os.fsencode(to_path), flags):
        fail(f"move_mount {to_path}")


def fsopen(fstype: str) -> int:
    """A context to configure a file system of this type (fsopen(2)). ENODEV: the kernel has no such type."""
    fd = lib.sys_fsopen(fstype.encode(), 1)
    if fd < 0:
        fail(f"fsopen {fstype}")
    return int(fd)


def fsconfig(fd: int, command: int, key: str | None = None, value: str | None = None, aux: int = 0) -> None:
    """Set one parameter or carry out a command (fsconfig(2)); strings are at most 255 bytes."""
    c_key = ffi.NULL if key is None else key.encode()
    c_value = ffi.NULL if value is None else ffi.new("char[]", os.fsencode(value))
    if lib.sys_fsconfig(fd, command, c_key, c_value, aux):
        fail(f"fsconfig {key or command}")


def fsmount(fd: int, attributes: int = 0) -> int:
    """The detached mount of a created file system (fsmount(2)); MOUNT_ATTR_*."""
    mount_fd = lib.sys_fsmount(fd, 1, attributes)
    if mount_fd < 0:
        fail("fsmount")
    return int(mount_fd)


def mount_setattr(
    dirfd: int, path: str | bytes, *, flags: int = 0, set_: int = 0, clear: int = 0, propagation: int = 0
) -> None:
    """Change a mount's attributes and propagation; ``flags`` may hold AT_RECURSIVE, AT_EMPTY_PATH
    (mount_setattr(2)).
    """
    attr = ffi.new("struct pyrt_mount_attr *", {"attr_set": set_, "attr_clr": clear, "propagation": propagation})
    if lib.sys_mount_setattr(dirfd, os.fsencode(path), flags, attr):
        fail(f"mount_setattr {os.fsdecode(path)}")


def mount(source: str | None, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    """Mount by path (mount(2)), for what the calls by descriptor cannot do."""
    if lib.mount(
        ffi.NULL if source is None else os.fsencode(source),
        os.fsencode(target),
        ffi.NULL if fstype is None else fstype.encode(),
        flags,
        ffi.NULL if data is None else ffi.new("char[]", os.fsencode(data)),
    ):
        fail(f"mount {target}")


def umount(target: str, flags: int = 0) -> None:
    """umount2(2); 2 is MNT_DETACH."""
    if lib.umount2(os.fsencode(target), flags):
        fail(f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make a mount the root (pivot_root(2))."""
    if lib.sys_pivot_root(os.fsencode(new_root), os.fsencode(put_old)):
        fail("pivot_root")


def path_beneath(base: int, path: str, *, make: bool = False) -> int:
    """An O_PATH descriptor of a path below a directory, which no symbolic link leads out of (EXDEV).

    ``make`` makes what is missing, as directories of the mode and owner of ``base``. Raises OSError.
    """
    fd = lib.path_beneath(base, os.fsencode(path), make)
    if fd < 0:
        fail(f"open {path}")
    return int(fd)
