"""Whether containers can be confined where this daemon runs."""

from __future__ import annotations

import os

from pyrt import _native
from pyrt.daemon.errors import DaemonError

_CLONE_NEWNS = 0x00020000


def require_namespace_root() -> None:
    """Refuse to run in a chroot.

    pivot_root(2) exchanges the root of the calling process. In a chroot that is not the root of the mount namespace:
    the namespace of a container would keep the machine's own root above the container's, and setns(2) puts whoever
    joins a mount namespace, as exec does, at the root of the namespace: outside. Raises :class:`DaemonError`.
    """
    ours = _identity()
    reader, writer = os.pipe()
    # A child, because joining even one's own mount namespace moves the caller to its root for good.
    child = os.fork()
    if child == 0:
        try:
            namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            _native.setns(namespace, _CLONE_NEWNS)
            os.write(writer, _identity())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        theirs = answer.read()
    os.waitpid(child, 0)
    if theirs != ours:
        raise DaemonError(
            "this is a chroot: its root directory is not that of the mount namespace, and containers could leave it; "
            "enter the directory with pivot_root(8) or switch_root(8), or run pyrt outside",
            subject="the daemon's root directory",
        )


def _identity() -> bytes:
    """Device, inode and mount of the root directory."""
    fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
            mount = next((line for line in info if line.startswith(b"mnt_id:")), b"")
    finally:
        os.close(fd)
    return b"%d %d %b" % (status.st_dev, status.st_ino, mount.strip())
