"""Kernel parameters of a container's or sandbox's own namespaces, and never of the host's.

Who asks for them is a manifest, a CRI client or a bundle; whatever those layers let through, a parameter is only
written here if the namespace that it belongs to is one that was made for it (CVE-2022-0532, CVE-2022-0811).
"""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.launch import constants as k
from pyrt.launch.errors import LaunchError
from pyrt.launch.operations import PROC, Block, Operation, ProcWrite

_IPC = frozenset(
    f"kernel/{name}"
    for name in (
        "msgmax", "msgmnb", "msgmni", "msg_next_id", "sem", "sem_next_id", "shmall", "shmmax", "shmmni", "shm_next_id",
        "shm_rmid_forced",
    )
)  # fmt: skip
"""ipc/ipc_sysctl.c; with all of fs/mqueue (ipc/mq_sysctl.c)."""


def sysctls(values: Mapping[str, str], namespaces: int) -> list[Operation | Block]:
    """Writes through a procfs in the slot PROC; ``namespaces`` are the CLONE_NEW* that are not the host's.

    Dots separate, unless slashes do (sysctl(8)). Raises :class:`LaunchError` for what is no parameter of these
    namespaces.
    """
    ops: list[Operation | Block] = []
    for name, value in values.items():
        path = name if "/" in name else name.replace(".", "/")
        words = path.split("/")
        if len(words) < 2 or any(word in ("", ".", "..") for word in words):
            raise LaunchError("not the name of a kernel parameter", operation=f"sysctl {name}")
        needed = _namespace_of(path)
        if not needed:
            raise LaunchError("it is not a namespace's own, but the whole machine's", operation=f"sysctl {name}")
        if not needed & namespaces:
            kind = k.NAMESPACE_NAMES[needed]
            raise LaunchError(f"needs a {kind} namespace that is not the host's", operation=f"sysctl {name}")
        ops.append(ProcWrite(PROC, f"sys/{path}", value.encode(), note=f"set sysctl {name} = {value}"))
    return ops


def _namespace_of(path: str) -> int:
    if path.startswith("net/"):
        return k.CLONE_NEWNET
    if path in _IPC or path.startswith("fs/mqueue/"):
        return k.CLONE_NEWIPC
    return k.CLONE_NEWUTS if path == "kernel/domainname" else 0
