"""Containers with a user namespace of their own, as an OCI bundle describes them: any maps, a directory as root.

The order is that of :mod:`pyrt.launch.mapped`, and for its reasons: what needs the host's rights comes before the
user namespace is entered. Unlike a pod's, it is made by the container's own process, and so are the namespaces that
belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyrt.launch import constants as k
from pyrt.launch.container import (
    NAMESPACES,
    PRIVATE_PROC,
    find_namespaces,
    join_cgroup,
    names,
    own_namespaces,
    terminal,
    time_namespace,
)
from pyrt.launch.context import ContainerContext, DirectoryRoot
from pyrt.launch.devices import DEFAULT_DEV, make_devices
from pyrt.launch.errors import LaunchError
from pyrt.launch.mounts import compile_mount, hide, is_bind, normalized
from pyrt.launch.operations import (
    HOST,
    ROOT,
    USERNS,
    Bind,
    Birth,
    Block,
    Dumpable,
    EffectiveIds,
    MakeDirectory,
    MakeNode,
    Operation,
    OwnRoot,
    OwnUserNamespace,
    SessionKeyring,
    SetAttributes,
    SetNs,
    SetSid,
    StdioOwner,
    Umask,
    Unshare,
    User,
    Wait,
)
from pyrt.launch.options import parse
from pyrt.launch.plan import OpenPath, Plan
from pyrt.launch.process import become, labels, limits, oom_score, personality
from pyrt.launch.rootfs import enter_root, mount_root
from pyrt.launch.sysctls import sysctls
from pyrt.launch.table import CONSOLE, TARGET, FdTable
from pyrt.records import dataclass
from pyrt.spec import Config, Linux, LinuxIDMapping, LinuxNamespace

_BEGIN = Block.of(Umask(0), Dumpable(0))
_SESSION = Block.of(SetSid(), SessionKeyring())
_AS_ROOT = Block.of(EffectiveIds(0, 0))
_HOOKS = Block.of(Wait())
_READONLY_ROOT = Block.of(SetAttributes(ROOT, "/", k.MOUNT_ATTR_RDONLY))


@dataclass(frozen=True, slots=True)
class IdMaps:
    """``linux.uidMappings`` and ``gidMappings``."""

    uids: tuple[LinuxIDMapping, ...]
    gids: tuple[LinuxIDMapping, ...]

    def on_host(self, number: int) -> int:
        """What the host knows a user of the container by. Raises :class:`LaunchError` for one that has no number."""
        return _on_host(self.uids, number, "user")

    def group_on_host(self, number: int) -> int:
        """The same of a group."""
        return _on_host(self.gids, number, "group")


def _on_host(maps: Sequence[LinuxIDMapping], number: int, what: str) -> int:
    for entry in maps:
        if entry.container_id <= number < entry.container_id + entry.size:
            return entry.host_id + number - entry.container_id
    raise LaunchError("is not mapped in the user namespace", operation=f"{what} {number}")


def map_text(maps: Sequence[LinuxIDMapping], field: str) -> str:
    """As uid_map and gid_map take it (user_namespaces(7)). Raises :class:`LaunchError`."""
    if not maps:
        raise LaunchError("a user namespace needs mappings", operation=f"linux.{field}")
    if len(maps) > 340:
        raise LaunchError(f"{len(maps)} lines, and the kernel takes 340", operation=f"linux.{field}")
    return "".join(f"{entry.container_id} {entry.host_id} {entry.size}\n" for entry in maps)


def compile_user_container(spec: Config, context: ContainerContext) -> Plan:
    """See :func:`pyrt.launch.container.compile_container`."""
    assert spec.process is not None
    process, linux = spec.process, spec.linux or Linux()
    if not isinstance(context.root, DirectoryRoot):
        raise LaunchError("needs a directory as root", operation="user namespace")
    fds = FdTable()
    namespaces = find_namespaces(linux.namespaces)
    maps = IdMaps(linux.uid_mappings, linux.gid_mappings)
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    place, joins, pidns = _joins(namespaces, fds)
    made = _made(namespaces)
    birth = k.CLONE_NEWPID if "pid" in namespaces and pidns is None else 0
    own_cgroup = "cgroup" in namespaces and not namespaces["cgroup"].path

    ops: list[Operation | Block] = [_BEGIN, *join_cgroup(context.cgroup)]
    if place is None:
        place = USERNS
        uids, gids = map_text(maps.uids, "uidMappings"), map_text(maps.gids, "gidMappings")
        ops.append(OwnUserNamespace(USERNS, uids, gids))
    ops += joins
    ops += time_namespace(linux, namespaces)
    writes = [*oom_score(process), *labels(process, context.features)]
    if writes:
        ops += [PRIVATE_PROC, *writes]
    ops += limits(process)
    mapped = bool(maps.uids)
    if context.give_stdio and mapped:
        ops.append(StdioOwner(maps.on_host(process.user.uid)))
    ops += mount_root(context, linux.rootfs_propagation, fds)
    if mapped:
        ops.append(EffectiveIds(maps.on_host(0), maps.group_on_host(0)))
    outside, inside = _mounts(spec, context, fds, own_namespaces(linux), own_cgroup=own_cgroup)
    ops += outside
    inside += [_bound(op.path) for op in make_devices(linux.devices) if isinstance(op, MakeNode)]
    cwd = normalized(process.cwd or "/")
    if cwd != "/" and not any(cwd.startswith(f"{normalized(mount.destination)}/") for mount in spec.mounts):
        ops.append(MakeDirectory(ROOT, cwd))
    elif cwd != "/":
        inside.append(MakeDirectory(ROOT, cwd))
    ops += [_AS_ROOT, SetNs(place, k.CLONE_NEWUSER, "the container"), User(0, 0)]
    if made:
        ops.append(Unshare(made))
    ops.append(OwnRoot(ROOT, k.CLONE_NEWCGROUP if own_cgroup else 0))
    if birth:
        ops.append(Birth(birth))
    ops += [_SESSION, *names(spec, namespaces), *inside]
    parameters = sysctls(linux.sysctl, own_namespaces(linux))
    if parameters:
        ops += [PRIVATE_PROC, *parameters]
    if process.terminal:
        ops.append(terminal(process, inside, fds))
    if linux.masked_paths or linux.readonly_paths:
        ops.append(hide(linux.masked_paths, linux.readonly_paths))
    if spec.root is not None and spec.root.readonly:
        ops.append(_READONLY_ROOT)
    if context.wait_before_pivot:
        ops.append(_HOOKS)
    ops += enter_root(linux.rootfs_propagation)
    ops += personality(linux.personality)
    last, warnings = become(
        process,
        linux.seccomp,
        context.features,
        give_stdio=False,
        wait=context.wait,
        gate=None if context.gate is None else fds.add(context.gate),
        preserved=context.preserved,
    )
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


def _joins(namespaces: Mapping[str, LinuxNamespace], fds: FdTable) -> tuple[int | None, list[Operation], int | None]:
    """The place of the user namespace to join, the others that are joined by path, and that of the PID namespace."""
    user = pidns = None
    joins: list[Operation] = []
    for kind, namespace in namespaces.items():
        if not namespace.path:
            continue
        place = fds.add(OpenPath(namespace.path, flags=0))
        if kind == "user":
            user = place
        elif kind == "pid":
            pidns = place
        else:
            joins.append(SetNs(place, NAMESPACES[kind], namespace.path))
    return user, joins, pidns


def _made(namespaces: Mapping[str, LinuxNamespace]) -> int:
    """CLONE_NEW* of those that the process makes when it is in the user namespace."""
    return sum(
        NAMESPACES[kind]
        for kind, namespace in namespaces.items()
        if not namespace.path and kind in ("network", "ipc", "uts")
    )


def _mounts(
    spec: Config, context: ContainerContext, fds: FdTable, own: int, *, own_cgroup: bool
) -> tuple[list[Operation | Block], list[Operation | Block]]:
    """The mounts by the side they are made on: binds outside, where they are locked for the container; new file systems
    inside, where they are the container's own, and what lies in those.
    """
    outside: list[Operation | Block] = []
    inside: list[Operation | Block] = []
    covered: list[str] = []
    for mount in spec.mounts:
        target = normalized(mount.destination)
        bind = is_bind(mount, parse(mount.options))
        ops = compile_mount(mount, context, fds, own_cgroup=own_cgroup)
        below = any(target.startswith(f"{covering}/") for covering in covered)
        # The host's network, which only the host's root may show.
        hosts_sys = mount.type == "sysfs" and not own & k.CLONE_NEWNET
        if bind or hosts_sys:
            (inside if below else outside).extend(ops)
            continue
        if not below:
            outside.append(MakeDirectory(ROOT, target))  # a directory in a root that may be anybody's
        covered.append(target)
        inside += ops
        if target == "/dev":
            inside += _default_devices()
    return outside, inside


def _default_devices() -> list[Operation | Block]:
    """Nodes cannot be made in a user namespace: the host's are bound."""
    nodes = [op for op in DEFAULT_DEV.operations if isinstance(op, MakeNode)]
    rest = [op for op in DEFAULT_DEV.operations if not isinstance(op, MakeNode)]
    return [*(_bound(f"/dev/{node.path}") for node in nodes), *rest]


def _bound(path: str) -> Operation:
    return Bind(HOST, path, "", ROOT, path, k.BIND_CREATE, note="device")
