"""/dev: the nodes and links every container has (config-linux.md, "Default Devices", "Dev symbolic links"), and
those asked for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from pyrt.launch import constants as k
from pyrt.launch.errors import LaunchError
from pyrt.launch.mounts import normalized
from pyrt.launch.operations import DEV, ROOT, Block, MakeNode, Open, Operation, SymbolicLink
from pyrt.spec import LinuxDevice

_TYPES = {"c": k.S_IFCHR, "u": k.S_IFCHR, "b": k.S_IFBLK, "p": k.S_IFIFO}


def _node(name: str, major: int, minor: int) -> MakeNode:
    return MakeNode(DEV, name, k.S_IFCHR | 0o666, major, minor, note=f"/dev/{name}")


def _link(name: str, target: str) -> SymbolicLink:
    return SymbolicLink(DEV, name, target, note=f"/dev/{name}")


DEFAULT_DEV = Block.of(
    Open(DEV, ROOT, "/dev"),
    _node("null", 1, 3),
    _node("zero", 1, 5),
    _node("full", 1, 7),
    _node("random", 1, 8),
    _node("urandom", 1, 9),
    _node("tty", 5, 0),
    _link("ptmx", "pts/ptmx"),
    _link("fd", "/proc/self/fd"),
    _link("stdin", "/proc/self/fd/0"),
    _link("stdout", "/proc/self/fd/1"),
    _link("stderr", "/proc/self/fd/2"),
    _link("core", "/proc/kcore"),
)

_DEFAULT_PATHS = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "console")
)


def make_devices(devices: Iterable[LinuxDevice]) -> list[Operation]:
    """The nodes of ``linux.devices``. Those every container has anyway are passed over."""
    ops: list[Operation] = []
    for device in devices:
        path = normalized(device.path)
        if path in _DEFAULT_PATHS:
            continue
        if device.type not in _TYPES:
            raise LaunchError(f"type {device.type!r} is none of c, u, b, p", operation=f"device {device.path}")
        mode = _TYPES[device.type] | ((0o666 if device.file_mode is None else device.file_mode) & 0o7777)
        ops.append(MakeNode(ROOT, path, mode, device.major, device.minor, device.uid or 0, device.gid or 0))
    return ops


def device_of(host_path: str, container_path: str = "") -> LinuxDevice:
    """The device behind a path of the host (links followed), as a container gets to see it.

    Raises :class:`LaunchError` if there is none or it is no device.
    """
    try:
        st = os.stat(host_path)
    except OSError as e:
        raise LaunchError(operation=f"device {host_path}", errno=e.errno) from e
    if not (stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode)):
        raise LaunchError("not a device node", operation=f"device {host_path}")
    return LinuxDevice(
        path=container_path or host_path,
        type="c" if stat.S_ISCHR(st.st_mode) else "b",
        major=os.major(st.st_rdev),
        minor=os.minor(st.st_rdev),
        file_mode=stat.S_IMODE(st.st_mode),
        uid=st.st_uid,
        gid=st.st_gid,
    )


def devices_below(host_path: str, container_path: str) -> tuple[LinuxDevice, ...]:
    """A device, or every device in a directory (links left out), as ``--device`` and CRI take them."""
    if not os.path.isdir(host_path):
        return (device_of(host_path, container_path),)
    found: list[LinuxDevice] = []
    for name in sorted(os.listdir(host_path)):
        path = f"{host_path}/{name}"
        if os.path.islink(path):
            continue
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            found += devices_below(path, f"{container_path}/{name}")
    return tuple(found)


# Of the host's own terminals and shared memory a container gets its own.
_NOT_PRIVILEGED = frozenset(("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"))


def host_devices() -> tuple[LinuxDevice, ...]:
    """Every device node in the host's /dev: what a privileged container has."""
    found: list[LinuxDevice] = []
    for name in sorted(os.listdir("/dev")):
        path = f"/dev/{name}"
        if name in _NOT_PRIVILEGED or os.path.islink(path):
            continue
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            found += devices_below(path, path)
    return tuple(found)
