"""Starting the pod program from where no container can write to it.

The pod process's children play plans as copies of it, in the container's PID namespace, until they execute the
container's program; and an image may name ``/proc/self/exe`` as the interpreter of that program. Either way a process
of the container can get hold of ``/proc/PID/exe``, and if the file behind it could be opened for writing, the next pod
would run what the container wrote there, as root on the host (CVE-2019-5736). So the program is executed from a
detached copy of its directory's mount that is read-only: a property of the mount that the link leads back to, which
nobody who has only the link can change (mount_setattr(2) wants the mount in the caller's namespace).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyrt import _native
from pyrt.launch import constants as k

EXECUTABLE: Final = Path(__file__).resolve().parent.parent / "_libexec" / "pyrt-pod"
FIRST_FREE_FD: Final = 5
"""0 to 2 are standard, 3 the control socket, 4 the host's network namespace (native/protocol.h)."""

_AT_EMPTY_PATH: Final = 0x1000
_OPEN_TREE_CLONE: Final = 1

_directories: dict[Path, int] = {}
"""Directory -> its read-only copy. Taking a mount apart waits for the kernel, so one serves all pods of a daemon."""


def spawn(executable: Path, argv: list[str], fds: Mapping[int, int], cgroup: str | None) -> tuple[int, int]:
    """Start ``executable`` in a session of its own, with an empty environment and no signal ignored or blocked; its
    process id and a pidfd.

    ``fds`` maps the numbers that descriptors have in the program to their numbers here. ``cgroup`` is a cgroup v2
    directory it is born into. Raises OSError.
    """
    try:
        return _spawn(_copy(executable.parent), executable.name, argv, fds, cgroup)
    except FileNotFoundError:
        # An upgrade may have put a new directory in the old one's place.
        stale = _directories.pop(executable.parent, None)
        if stale is not None:
            os.close(stale)
        return _spawn(_copy(executable.parent), executable.name, argv, fds, cgroup)


def _spawn(directory: int, name: str, argv: list[str], fds: Mapping[int, int], cgroup: str | None) -> tuple[int, int]:
    path = f"/proc/self/fd/{directory}/{name}"
    born_in = -1 if cgroup is None else os.open(cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _native.spawn(path, argv, fds, env={}, setsid=True, cgroup_fd=born_in)
    finally:
        if born_in >= 0:
            os.close(born_in)


def _copy(directory: Path) -> int:
    known = _directories.get(directory)
    if known is not None:
        return known
    tree = _native.open_tree(-100, os.fspath(directory), _OPEN_TREE_CLONE)
    try:
        attributes = k.MOUNT_ATTR_RDONLY | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV
        _native.mount_setattr(tree, "", set_=attributes, flags=_AT_EMPTY_PATH)
        # The program is found through it when the child's own descriptors are in place.
        _directories[directory] = fcntl.fcntl(tree, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    finally:
        os.close(tree)
    return _directories[directory]
