"""Whose PID namespace a container is in, and the process that holds a shared one."""

from __future__ import annotations

from pyrt.launch import constants as k
from pyrt.launch.mapped import ENTER, FIND
from pyrt.launch.operations import (
    HOST,
    NO_FD,
    ROOT,
    Bind,
    Birth,
    Bounding,
    Capabilities,
    Exec,
    MountNew,
    NoNewPrivileges,
    Pivot,
    Propagation,
    SetAttributes,
    Unshare,
    User,
)
from pyrt.launch.plan import Plan
from pyrt.runtime.config import NamespaceMode
from pyrt.runtime.pod_program import EXECUTABLE
from pyrt.runtime.records import ContainerRecord, SandboxRecord

PAUSE_ID = "pause"
"""The name under which the pod process knows the holder of a shared PID namespace. Containers' ids are hexadecimal."""

_NOBODY = 65534
_PROC = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC
_QUIET = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV


def pid_mode(sandbox: SandboxRecord, record: ContainerRecord) -> NamespaceMode:
    """Whose PID namespace the container has, unless it joins another container's."""
    return record.config.pid or sandbox.config.pid


def pid_target(sandbox: SandboxRecord, record: ContainerRecord) -> str:
    """The process whose PID namespace the container is born into; empty for one of its own, or the host's."""
    if record.config.pid_target:
        return record.config.pid_target
    return PAUSE_ID if pid_mode(sandbox, record) is NamespaceMode.POD else ""


def pause_plan(directory: str, *, proc: str = "", mapped: bool = False) -> Plan:
    """The first process of a shared PID namespace: reaps orphans, can do nothing else.

    It runs the pod program itself, bound read-only into an otherwise empty root (so that /proc/1/exe cannot be
    written through: CVE-2019-5736), as nobody and without capabilities. ``directory`` is any directory of the host:
    it is covered in the process's own mount namespace. ``mapped``: in the pod's user namespace, which then owns the
    shared one. ``proc``: a directory on which the shared namespace's procfs is mounted first, in the pod process's
    mount namespace: containers that have to enter it unseen get theirs from there.
    """
    birth = k.CLONE_NEWPID if mapped else 0
    show = (MountNew(NO_FD, "proc", "proc", (), _PROC, HOST, proc), Unshare(k.CLONE_NEWNS)) if proc else ()
    return Plan(
        (
            *((FIND,) if mapped else ()),
            *show,
            Propagation(HOST, "/", k.MS_PRIVATE),
            MountNew(ROOT, "tmpfs", "tmpfs", ("mode=755", "size=4k"), _QUIET, HOST, directory, note="/"),
            Bind(HOST, str(EXECUTABLE), "", ROOT, "/pause", k.BIND_CREATE, _QUIET | k.MOUNT_ATTR_RDONLY),
            SetAttributes(ROOT, "/", k.MOUNT_ATTR_RDONLY),
            Pivot(ROOT),
            *((ENTER, Birth(birth)) if mapped else ()),
            NoNewPrivileges(),
            Bounding(0),
            User(_NOBODY, _NOBODY),
            Capabilities(0, 0, 0),
            Exec("/pause", ("pyrt-pause", "--pause"), ()),
        ),
        clone_flags=(0 if proc else k.CLONE_NEWNS) | (0 if mapped else k.CLONE_NEWPID),
        birth_flags=birth,
    )
