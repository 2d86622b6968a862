"""Containers of a pod with a user namespace (``hostUsers: false``): the same container, in another order.

What needs the host's rights comes first, by a process that is still in the host's user namespace: cgroup, limits, the
root and volumes with their ids mapped, device nodes. Everything is mounted before the mount namespace is copied for the
pod's user namespace, and the copy has every mount locked: not even CAP_SYS_ADMIN in the container makes a read-only
volume writable. Then the process enters the user namespace, gets its mount and cgroup namespace and, if it has one of
its own, its PID namespace there, and mounts what belongs to those. Nobody in the pod can look into it before its
execve: its memory is the host's (``mm->user_ns``).

Layers and volumes are idmapped, so nothing on disk changes hands; the writable layer is made for the pod.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence

from pyrt.launch import constants as k
from pyrt.launch.container import PRIVATE_PROC, find_namespaces, join_cgroup, own_namespaces, terminal
from pyrt.launch.context import ContainerContext, ExecContext, OverlayRoot, UserNamespace
from pyrt.launch.devices import DEFAULT_DEV, make_devices
from pyrt.launch.errors import LaunchError
from pyrt.launch.mounts import compile_mount, hide, is_bind, normalized
from pyrt.launch.operations import (
    HOST,
    NO_FD,
    ROOT,
    USERNS,
    Bind,
    BindMapped,
    Birth,
    Block,
    Dumpable,
    EffectiveIds,
    MakeDirectory,
    Open,
    Operation,
    OwnRoot,
    Propagation,
    SessionKeyring,
    SetAttributes,
    SetNs,
    SetSid,
    StdioOwner,
    Terminal,
    Umask,
    User,
    UserNamespaceOfNetwork,
)
from pyrt.launch.options import parse
from pyrt.launch.plan import OpenPath, Plan
from pyrt.launch.process import become, labels, limits, oom_score, personality
from pyrt.launch.rootfs import enter_root, mount_layers, mount_overlay
from pyrt.launch.sysctls import sysctls
from pyrt.launch.table import CONSOLE, TARGET, FdTable
from pyrt.records import TYPE_CHECKING, dataclass, field
from pyrt.spec import Config, Linux, Mount, Process

if TYPE_CHECKING:
    from pyrt.launch.own_users import IdMaps

_BEGIN = Block.of(Umask(0), Dumpable(0))
FIND = Block.of(UserNamespaceOfNetwork(USERNS))
ENTER = Block.of(SetNs(USERNS, k.CLONE_NEWUSER, "the pod"), User(0, 0))
_SESSION = Block.of(SetSid(), SessionKeyring())
_ISOLATE = Block.of(Propagation(HOST, "/", k.MS_SLAVE))
_AS_ROOT = Block.of(EffectiveIds(0, 0))
_READONLY_ROOT = Block.of(SetAttributes(ROOT, "/", k.MOUNT_ATTR_RDONLY))
_HOLD_ROOT = Block.of(Open(ROOT, HOST, "/"))

_OWN_FILE_SYSTEMS = frozenset(("proc", "devpts", "mqueue"))
"""Instances that belong to a namespace of the pod, or that have to be mounted by its root."""


@dataclass(slots=True)
class _Mounts:
    """The mounts of a container by the side they are made on."""

    outside: list[Operation | Block] = field(default_factory=list)
    inside: list[Operation | Block] = field(default_factory=list)
    inside_targets: list[str] = field(default_factory=list)
    has_dev: bool = False


def compile_mapped_container(spec: Config, context: ContainerContext) -> Plan:
    """See :func:`pyrt.launch.container.compile_container`. The network namespace has to be the pod's already."""
    assert spec.process is not None
    assert context.user_namespace is not None
    process, linux, ids = spec.process, spec.linux or Linux(), context.user_namespace
    fds = FdTable()
    namespaces = find_namespaces(linux.namespaces)
    for kind, namespace in namespaces.items():
        if kind not in ("mount", "cgroup", "pid") or namespace.path:
            raise LaunchError("not with a user namespace of the pod's", operation=f"linux.namespaces {kind}")
    pidns = fds.add(context.join_pid) if context.join_pid is not None else None
    birth = k.CLONE_NEWPID if "pid" in namespaces and pidns is None else 0
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    own_cgroup = "cgroup" in namespaces
    ops: list[Operation | Block] = [_BEGIN, *join_cgroup(context.cgroup), *context.before_root, FIND]
    ops += _with_the_hosts_rights(process, linux, context, ids)
    ops += _root(context)
    ops.append(EffectiveIds(ids.first, ids.first))
    mounts = _mounts(spec.mounts, context, fds, own_cgroup=own_cgroup)
    ops += mounts.outside
    if mounts.has_dev:
        ops.append(DEFAULT_DEV)
    cwd = normalized(process.cwd or "/")
    if cwd != "/":
        ops.append(MakeDirectory(ROOT, cwd))
    devices = make_devices(linux.devices)
    if devices:  # the host's: its root owns them, and the pod's root is nobody to them
        ops += [_AS_ROOT, *devices]
    if spec.root is not None and spec.root.readonly:
        ops.append(_READONLY_ROOT)
    ops += [ENTER, OwnRoot(ROOT, k.CLONE_NEWCGROUP if own_cgroup else 0)]
    if birth:
        ops.append(Birth(birth))
    ops += [_SESSION, *mounts.inside]
    if process.terminal:
        ops.append(terminal(process, mounts.inside, fds))
    if linux.masked_paths or linux.readonly_paths:
        ops.append(hide(linux.masked_paths, linux.readonly_paths))
    ops += enter_root(linux.rootfs_propagation)
    ops += personality(linux.personality)
    last, warnings = become(process, linux.seccomp, context.features, give_stdio=False, wait=context.wait)
    return Plan(
        (*ops, *last),
        fds.sources(),
        k.CLONE_NEWNS,
        cgroup_fd=born_in,
        pidns_fd=pidns,
        birth_flags=birth,
        console_slot=fds.place_of(CONSOLE.name),
        target_slot=fds.place_of(TARGET.name),
        warnings=tuple(warnings),
    )


def _with_the_hosts_rights(
    process: Process, linux: Linux, context: ContainerContext | ExecContext, ids: UserNamespace | IdMaps
) -> list[Operation | Block]:
    """What root of a user namespace may not do: it is passed on to the program, across the second birth too."""
    ops: list[Operation | Block] = []
    writes = [*oom_score(process), *sysctls(linux.sysctl, own_namespaces(linux)), *labels(process, context.features)]
    if writes:
        ops += [PRIVATE_PROC, *writes]
    ops += limits(process)
    if context.give_stdio:
        ops.append(StdioOwner(ids.on_host(process.user.uid)))
    return ops


def _root(context: ContainerContext) -> list[Operation | Block]:
    """The overlay, by the host's root, whose rights over the layers overlayfs keeps; the layers under mapped ids."""
    root = context.root
    if not isinstance(root, OverlayRoot):
        raise LaunchError("needs an image", operation="user namespace")
    if not context.features.overlay_idmapped:
        raise LaunchError("needs Linux 5.19", operation="overlay with mapped ids")
    sources = mapped_sources(root, [layer for image in context.layered for layer in image.layers])
    mapped = [
        BindMapped(HOST, path, "", HOST, path, 0, 0, 0, k.MS_PRIVATE, USERNS, note="image layers") for path in sources
    ]
    images = [mount_layers(image.path, image.layers, context.features) for image in context.layered]
    return [_ISOLATE, *mapped, mount_overlay(root, context.features), *images]


def mapped_sources(root: OverlayRoot, more: Iterable[str] = ()) -> list[str]:
    """Few directories that hold all layers, and nothing that is written to. ``more``: layers of other images."""
    by_parent: dict[str, list[str]] = {}
    for layer in dict.fromkeys((*root.layers, *more)):
        by_parent.setdefault(posixpath.dirname(layer.rstrip("/")), []).append(layer)
    found: list[str] = []
    for parent, layers in by_parent.items():
        together = len(layers) > 1 and not any(
            _below(path, parent) for path in (root.upper, root.work, root.mountpoint, *found)
        )
        found += [parent] if together else layers
    return found


def _below(path: str, directory: str) -> bool:
    return os.path.commonpath((path, directory)) == directory


def _mounts(mounts: Sequence[Mount], context: ContainerContext, fds: FdTable, *, own_cgroup: bool) -> _Mounts:
    found = _Mounts()
    for mount in mounts:
        options = parse(mount.options)
        target = normalized(mount.destination)
        bind = is_bind(mount, options)
        for covering in found.inside_targets:
            if target.startswith(f"{covering}/"):
                raise LaunchError(
                    f"it lies in {covering}, which is mounted in the pod's user namespace",
                    operation=f"mount {mount.source} on {target}",
                )
        ops = compile_mount(mount, context, fds, own_cgroup=own_cgroup)
        own = mount.type in ("cgroup", "cgroup2") and own_cgroup and not context.cgroup.controllers()
        if not bind and (own or mount.type in _OWN_FILE_SYSTEMS):
            found.outside.append(MakeDirectory(ROOT, target))
            found.inside += ops
            found.inside_targets.append(target)
            continue
        source = context.sources.get(mount.destination)
        if source is not None and source.mapped:
            ops = [BindMapped.of(op, USERNS) if isinstance(op, Bind) else op for op in ops]
        found.outside += ops
        found.has_dev = found.has_dev or (target == "/dev" and not bind)
    return found


def compile_mapped_exec(process: Process, linux: Linux, context: ExecContext) -> Plan:
    """See :func:`pyrt.launch.execute.compile_exec`."""
    assert context.user_namespace is not None
    fds = FdTable()
    target = fds.add(context.target)
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    joined = context.namespaces & ~k.CLONE_NEWPID | k.CLONE_NEWUSER
    ops: list[Operation | Block] = [_BEGIN, *join_cgroup(context.cgroup)]
    ops += _with_the_hosts_rights(process, Linux(), context, context.user_namespace)
    ops += [SetNs(target, joined, "the container"), User(0, 0), _SESSION]
    if process.terminal:
        size = process.console_size
        rows, columns = (size.height & 0xFFFF, size.width & 0xFFFF) if size is not None else (0, 0)
        ops += [_HOLD_ROOT, Terminal(fds.add(CONSOLE), ROOT, "/dev/pts/ptmx", NO_FD, "", rows, columns)]
    ops += personality(linux.personality)
    last, warnings = become(
        process,
        linux.seccomp,
        context.features,
        give_stdio=False,
        wait=False,
        preserved=context.preserved,
        program=context.program,
    )
    return Plan(
        (*ops, *last),
        fds.sources(),
        cgroup_fd=born_in,
        pidns_fd=target if context.namespaces & k.CLONE_NEWPID else None,
        console_slot=fds.place_of(CONSOLE.name),
        target_slot=fds.place_of(TARGET.name),
        warnings=tuple(warnings),
    )
