"""Which of a container's namespaces are not the host's."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.spec import Linux

_FLAGS = {
    "mount": k.CLONE_NEWNS,
    "pid": k.CLONE_NEWPID,
    "network": k.CLONE_NEWNET,
    "ipc": k.CLONE_NEWIPC,
    "uts": k.CLONE_NEWUTS,
    "cgroup": k.CLONE_NEWCGROUP,
    "time": k.CLONE_NEWTIME,
}


def not_of_host(linux: Linux) -> tuple[int, bool]:
    """CLONE_NEW* made for it or joined by it, without the user namespace; whether there is one of those."""
    flags = 0
    user = False
    for namespace in linux.namespaces:
        flags |= _FLAGS.get(namespace.type, 0)
        user = user or namespace.type == "user"
    return flags, user
