"""A pod's sandbox -> plan. The pod process plays it on itself, right after it has started."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from pyrt.launch import constants as k
from pyrt.launch.container import PRIVATE_PROC, join_cgroup
from pyrt.launch.context import CgroupPlace, Layered, UserNamespace
from pyrt.launch.errors import LaunchError
from pyrt.launch.features import Features
from pyrt.launch.operations import (
    HOST,
    HOST_NETLINK,
    NO_FD,
    POD_NETLINK,
    PROC,
    Bind,
    Block,
    EffectiveIds,
    Hostname,
    JoinCgroup,
    MountNew,
    Netlink,
    NetlinkOpen,
    NewUserNamespace,
    OomScoreAdj,
    Operation,
    Propagation,
    Unshare,
)
from pyrt.launch.plan import FdSource, Plan
from pyrt.launch.rootfs import mount_layers
from pyrt.launch.sysctls import sysctls
from pyrt.records import dataclass, field

_HOST_NETLINK = Block.of(NetlinkOpen(HOST_NETLINK))
_POD_NETLINK = Block.of(NetlinkOpen(POD_NETLINK))
# What the pod mounts from here on is its own; what the host mounts still arrives.
_OWN_MOUNTS = Block.of(Propagation(HOST, "/", k.MS_SLAVE))


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A file system in memory that lives as long as the pod."""

    path: str
    """Of the host, existing; beneath it only this pod sees the file system."""
    size: int | None = None
    """Bytes; ``None``: half of memory."""
    mode: int = 0o1777
    note: str = ""
    """For people: ``emptyDir cache``."""
    owner: int = 0
    """User and group of its root directory, as the host numbers them."""
    gid: int | None = None
    """The group of its root directory, if it is not the owner's."""
    huge_pages: int = 0
    """Bytes of a page: a hugetlbfs instead."""


@dataclass(frozen=True, slots=True)
class SandboxContext:
    """What :func:`compile_sandbox` turns into operations, in this order."""

    namespaces: int
    """CLONE_NEW* the pod has of its own; CLONE_NEWNS always."""
    cgroup: CgroupPlace = field(default_factory=CgroupPlace)
    hostname: str = ""
    sysctls: dict[str, str] = field(default_factory=dict)
    pod_messages: Sequence[bytes] = ()
    host_messages: Sequence[bytes] = ()
    message_notes: Sequence[str] = ()
    """One line a message: the pod's, then the host's."""
    run_directory: str = ""
    """Made a mount of its own, so that nothing in it is seen outside."""
    tmpfs: Sequence[Tmpfs] = ()
    layered: Sequence[Layered] = ()
    features: Features = field(default_factory=Features)
    oom_score_adj: int | None = None
    user_namespace: UserNamespace | None = None
    """It owns the pod's namespaces, but not the pod process and its mount namespace."""
    prepared: bool = False
    """The pod process has played :func:`compile_spare`, and has its link from :func:`compile_link`."""


SPARE_NAMESPACES = k.CLONE_NEWNET | k.CLONE_NEWIPC | k.CLONE_NEWUTS
"""What a spare pod process has of its own. Not its mounts: what the host mounts until its pod comes must be there."""


def compile_spare(sysctls_of_all: dict[str, str], oom_score_adj: int) -> Plan:
    """What a pod process can do before it knows its pod."""
    written = sysctls(sysctls_of_all, SPARE_NAMESPACES)
    return Plan((Unshare(SPARE_NAMESPACES), PRIVATE_PROC, *written, OomScoreAdj(PROC, oom_score_adj)))


def compile_link(messages: Sequence[tuple[bool, bytes, str]], host_netlink: FdSource) -> Plan:
    """The link of a pod process that has played :func:`compile_spare`. It has left the host's network namespace, so
    it is given a NETLINK_ROUTE socket of the host's. ``messages``: whether it is the host's, the bytes, and words.
    """
    ops = [Netlink(0 if of_host else POD_NETLINK, message, words) for of_host, message, words in messages]
    return Plan((_POD_NETLINK, *ops), fds=(host_netlink,))


def compile_sandbox(context: SandboxContext) -> Plan:
    """The plan of a sandbox. It has no EXEC: the pod process goes on with its own work."""
    ops: list[Operation | Block] = [*join_cgroup(context.cgroup)]
    # On cgroup v2 alone the pod process is born in its cgroup; only a hybrid machine leaves this to do.
    if context.cgroup.directory is not None and context.cgroup.tasks:
        ops.append(JoinCgroup(HOST, posixpath.join(context.cgroup.directory, "cgroup.procs")))
    if context.host_messages:
        ops.append(_HOST_NETLINK)
    if context.user_namespace is None:
        ops += [Unshare(context.namespaces | k.CLONE_NEWNS), _OWN_MOUNTS]
    else:
        ops += [*_user_namespace(context.user_namespace, context.namespaces), Unshare(k.CLONE_NEWNS), _OWN_MOUNTS]
    if context.hostname:
        if not context.namespaces & k.CLONE_NEWUTS and not context.prepared:
            raise LaunchError("needs a UTS namespace of its own", operation=f"set hostname {context.hostname}")
        ops.append(Hostname(context.hostname))
    if context.sysctls or context.oom_score_adj is not None:
        ops.append(PRIVATE_PROC)
        own = context.namespaces | (SPARE_NAMESPACES if context.prepared else 0)
        ops += _as_root(context.user_namespace, sysctls(context.sysctls, own))
    if context.oom_score_adj is not None:
        ops.append(OomScoreAdj(PROC, context.oom_score_adj))
    ops += _network(context)
    if context.run_directory:
        ops.append(
            Bind(HOST, context.run_directory, "", HOST, context.run_directory, 0, 0, 0, k.MS_PRIVATE, "run directory")
        )
    ops += [_tmpfs(fs) for fs in context.tmpfs]
    ops += [mount_layers(image.path, image.layers, context.features) for image in context.layered]
    return Plan(tuple(ops))


def _user_namespace(ids: UserNamespace, namespaces: int) -> list[Operation | Block]:
    """A new IPC namespace has a file system of message queues, whose root belongs to whoever makes it."""
    return _as_root(ids, [NewUserNamespace(namespaces & ~k.CLONE_NEWNS, ids.map, ids.map)])


def _as_root(ids: UserNamespace | None, ops: list[Operation | Block]) -> list[Operation | Block]:
    """As the root of the pod: its IPC namespace's sysctls can be written by nobody else (ipc/ipc_sysctl.c)."""
    if ids is None or not ops:
        return ops
    return [EffectiveIds(ids.first, ids.first), *ops, EffectiveIds(0, 0)]


def _network(context: SandboxContext) -> list[Operation | Block]:
    ops: list[Operation | Block] = []
    notes = [*context.message_notes, *[""] * (len(context.pod_messages) + len(context.host_messages))]
    if context.pod_messages:
        ops.append(_POD_NETLINK)
    ops += [Netlink(POD_NETLINK, message, notes.pop(0)) for message in context.pod_messages]
    ops += [Netlink(HOST_NETLINK, message, notes.pop(0)) for message in context.host_messages]
    return ops


def _tmpfs(fs: Tmpfs) -> MountNew:
    options: tuple[str, ...] = (f"mode={fs.mode:o}",) if fs.size is None else (f"mode={fs.mode:o}", f"size={fs.size}")
    if fs.owner:
        options += (f"uid={fs.owner}", f"gid={fs.owner}")
    if fs.gid is not None:
        options += (f"gid={fs.gid}",)
    if fs.huge_pages:
        options += (f"pagesize={fs.huge_pages}",)
    fstype = "hugetlbfs" if fs.huge_pages else "tmpfs"
    # A volume may hold programs, but no device and no set-user-ID program of another user.
    attributes = k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV
    return MountNew(
        NO_FD, fstype, fstype, options, attributes, HOST, fs.path, 0, f"{fs.path} ({fs.note})" if fs.note else ""
    )
