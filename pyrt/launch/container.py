"""OCI spec -> plan: a container from clone3 to its program."""

from __future__ import annotations

from collections.abc import Mapping

from pyrt.launch import constants as k
from pyrt.launch.context import CgroupPlace, ContainerContext
from pyrt.launch.devices import DEFAULT_DEV, make_devices
from pyrt.launch.errors import LaunchError
from pyrt.launch.mounts import compile_mount, hide, is_bind, normalized
from pyrt.launch.operations import (
    HOST,
    PROC,
    PTS,
    ROOT,
    Bind,
    Block,
    Domainname,
    Dumpable,
    Hostname,
    JoinCgroup,
    MakeDirectory,
    MountNew,
    Operation,
    ProcOf,
    SessionKeyring,
    SetAttributes,
    SetNs,
    SetSid,
    Terminal,
    TimeNamespace,
    Umask,
    Unshare,
    Wait,
)
from pyrt.launch.options import MountOptions, attributes_of_new, parse
from pyrt.launch.plan import OpenPath, Plan
from pyrt.launch.process import become, labels, limits, oom_score, personality
from pyrt.launch.rootfs import detached_root, enter_root, leave_for_detached_root, mount_layers, mount_root
from pyrt.launch.sysctls import sysctls
from pyrt.launch.table import CONSOLE, TARGET, FdTable
from pyrt.spec import Config, Linux, LinuxNamespace, Process

NAMESPACES = {
    "mount": k.CLONE_NEWNS,
    "pid": k.CLONE_NEWPID,
    "network": k.CLONE_NEWNET,
    "ipc": k.CLONE_NEWIPC,
    "uts": k.CLONE_NEWUTS,
    "cgroup": k.CLONE_NEWCGROUP,
    "time": k.CLONE_NEWTIME,
    "user": k.CLONE_NEWUSER,
}
"""``linux.namespaces[].type`` -> CLONE_NEW*."""

# umask 0 so that modes are what the plan says; not dumpable so that nobody inside can look in before the program runs.
# A session keyring of one's own, or all containers would share the daemon's.
_BEGIN = Block.of(Umask(0), Dumpable(0), SetSid(), SessionKeyring())
_BEGIN_HIDDEN = Block.of(Umask(0), Dumpable(0), SessionKeyring())
_OWN_CGROUP = Block.of(Unshare(k.CLONE_NEWCGROUP))
PRIVATE_PROC = Block.of(MountNew(PROC, "proc", "proc", (), 0xE, HOST, ""))
_HOOKS = Block.of(Wait())
_READONLY_ROOT = Block.of(SetAttributes(ROOT, "/", k.MOUNT_ATTR_RDONLY))


def compile_container(spec: Config, context: ContainerContext) -> Plan:
    """The plan of a container. Pure: reads the arguments and nothing else. Raises :class:`LaunchError` for what
    cannot be.

    The process is born into a new mount namespace and, unless the spec leaves them out or names paths, new others.
    It plays the operations as root with the runtime's capabilities and ends in execve.
    """
    if spec.process is None:
        raise LaunchError("no process", operation="process")
    if context.user_namespace is not None:
        from pyrt.launch.mapped import compile_mapped_container  # it builds on this module

        return compile_mapped_container(spec, context)
    process, linux = spec.process, spec.linux or Linux()
    fds = FdTable()
    namespaces = find_namespaces(linux.namespaces)
    if "user" in namespaces:
        from pyrt.launch.own_users import compile_user_container  # it builds on this module

        return compile_user_container(spec, context)
    mounts_apart = "mount" in namespaces and not namespaces["mount"].path
    clone_flags, joins, pidns = _birth(namespaces, context, fds)
    own_cgroup = "cgroup" in namespaces and not namespaces["cgroup"].path
    born_in = None if context.cgroup.directory is None else fds.add(OpenPath(context.cgroup.directory))
    begin = _BEGIN_HIDDEN if context.hidden else _BEGIN
    ops: list[Operation | Block] = [begin, *join_cgroup(context.cgroup), *joins]
    if own_cgroup:
        ops.append(_OWN_CGROUP)
    ops += names(spec, namespaces)
    ops += time_namespace(linux, namespaces)
    ops += context.before_root
    if mounts_apart:
        ops += mount_root(context, linux.rootfs_propagation, fds)
    else:
        ops += detached_root(context, fds)
    ops += [mount_layers(image.path, image.layers, context.features) for image in context.layered]
    ops += _filesystem(spec, linux, process, context, fds, own_cgroup=own_cgroup, attached=mounts_apart)
    if context.wait_before_pivot:
        ops.append(_HOOKS)
    if mounts_apart:
        ops += enter_root(linux.rootfs_propagation)
    else:
        ops += leave_for_detached_root(namespaces.get("mount"), fds)
    ops += limits(process)
    ops += personality(linux.personality)
    last, warnings = become(
        process,
        linux.seccomp,
        context.features,
        give_stdio=context.give_stdio,
        wait=context.wait,
        hidden=context.hidden,
        gate=None if context.gate is None else fds.add(context.gate),
        preserved=context.preserved,
    )
    ops += last
    return Plan(
        tuple(ops),
        fds.sources(),
        clone_flags,
        cgroup_fd=born_in,
        pidns_fd=pidns,
        console_slot=fds.place_of(CONSOLE.name),
        target_slot=fds.place_of(TARGET.name),
        warnings=tuple(warnings),
    )


def find_namespaces(listed: tuple[LinuxNamespace, ...]) -> dict[str, LinuxNamespace]:
    """Those a spec lists, by type. Raises :class:`LaunchError`."""
    found: dict[str, LinuxNamespace] = {}
    for namespace in listed:
        field = f"linux.namespaces {namespace.type}"
        if namespace.type not in NAMESPACES:
            raise LaunchError("not supported", operation=field)
        if namespace.type in found:
            raise LaunchError("named twice", operation=field)
        if namespace.path and not namespace.path.startswith("/"):
            raise LaunchError(f"{namespace.path} is not an absolute path", operation=field)
        found[namespace.type] = namespace
    if "user" in found and ("mount" not in found or found["mount"].path):
        raise LaunchError("needs a mount namespace of its own", operation="linux.namespaces user")
    return found


def time_namespace(linux: Linux, namespaces: Mapping[str, LinuxNamespace]) -> list[Operation | Block]:
    """A time namespace of its own, with the clocks that ``linux.timeOffsets`` names."""
    wanted = namespaces.get("time")
    if wanted is None or wanted.path:
        if linux.time_offsets:
            raise LaunchError("needs a time namespace of its own", operation="linux.timeOffsets")
        return []
    lines = []
    for clock, offset in linux.time_offsets.items():
        if clock not in ("monotonic", "boottime"):
            raise LaunchError("is neither monotonic nor boottime", operation=f"linux.timeOffsets {clock}")
        lines.append(f"{clock} {offset.secs} {offset.nanosecs}\n")
    return [PRIVATE_PROC, TimeNamespace(PROC, "".join(lines).encode())]


def own_namespaces(linux: Linux) -> int:
    """CLONE_NEW* of the namespaces that the spec names: made for the container, or joined."""
    return sum(NAMESPACES[namespace.type] for namespace in linux.namespaces)


def _birth(
    namespaces: dict[str, LinuxNamespace], context: ContainerContext, fds: FdTable
) -> tuple[int, list[Operation], int | None]:
    """clone3's flags, the namespaces to join, and the place of the PID namespace to be born into."""
    flags, pidns = 0, None
    joins: list[Operation] = []
    if context.join_pid is not None:
        place = fds.add(context.join_pid)
        if context.hidden:
            joins.append(SetNs(place, k.CLONE_NEWPID, "the container"))
        else:
            pidns = place
    for kind, namespace in namespaces.items():
        flag = NAMESPACES[kind]
        if kind == "pid" and context.join_pid is not None:
            continue
        if namespace.path:
            place = fds.add(OpenPath(namespace.path, flags=0))
            if kind == "pid":
                pidns = place
            elif kind != "mount":  # the last to be joined: see leave_for_detached_root
                joins.append(SetNs(place, flag, namespace.path))
        elif kind not in ("cgroup", "time"):  # whose root is the cgroup of the moment: unshared later
            flags |= flag
    return flags, joins, pidns


def join_cgroup(place: CgroupPlace) -> list[Operation | Block]:
    """v1: into every hierarchy, by its own hand. (v2: the process is born there.)"""
    return [JoinCgroup(HOST, file) for file in place.tasks]


def names(spec: Config, namespaces: Mapping[str, LinuxNamespace]) -> list[Operation | Block]:
    """The names of its UTS namespace."""
    ops: list[Operation | Block] = []
    if spec.hostname or spec.domainname:
        if "uts" not in namespaces:
            raise LaunchError("needs a UTS namespace of its own", operation="hostname")
        if spec.hostname:
            ops.append(Hostname(spec.hostname))
        if spec.domainname:
            ops.append(Domainname(spec.domainname))
    return ops


def _filesystem(
    spec: Config,
    linux: Linux,
    process: Process,
    context: ContainerContext,
    fds: FdTable,
    *,
    own_cgroup: bool,
    attached: bool,
) -> list[Operation | Block]:
    ops: list[Operation | Block] = []
    has_proc = makes_dev = binds_proc = False
    for mount in spec.mounts:
        options = parse(mount.options)
        target = normalized(mount.destination)
        if context.hidden and mount.type == "proc" and target == "/proc":
            ops += _others_proc(options, context, fds)
            binds_proc = True
            continue
        ops += compile_mount(mount, context, fds, own_cgroup=own_cgroup, attached=attached)
        bind = is_bind(mount, options)
        makes_dev = makes_dev or (target == "/dev" and not bind)
        has_proc = has_proc or (target == "/proc" and mount.type == "proc" and not bind)
        binds_proc = binds_proc or target.startswith("/proc/") or (target == "/proc" and bind)
    if makes_dev:
        ops.append(DEFAULT_DEV)
    ops += make_devices(linux.devices)
    writes = [*oom_score(process), *sysctls(linux.sysctl, own_namespaces(linux)), *labels(process, context.features)]
    if writes:
        # Through /proc as it has just been mounted, or through a procfs of one's own if something else lies over that.
        # (A procfs mounted read-only has left the slot empty.)
        if not has_proc or binds_proc or not _fills_proc(ops):
            ops.append(PRIVATE_PROC)
        ops += writes
    if process.terminal:
        ops.append(terminal(process, ops, fds))
    cwd = normalized(process.cwd or "/")
    if cwd != "/":
        ops.append(MakeDirectory(ROOT, cwd))
    if linux.masked_paths or linux.readonly_paths:
        ops.append(hide(linux.masked_paths, linux.readonly_paths))
    if spec.root is not None and spec.root.readonly:
        ops.append(_READONLY_ROOT)
    return ops


def _others_proc(options: MountOptions, context: ContainerContext, fds: FdTable) -> list[Operation | Block]:
    """A procfs that somebody in the PID namespace has mounted, for a process that is not in there yet."""
    attributes, flags = attributes_of_new(options), k.BIND_CREATE
    if context.proc:
        return [Bind(HOST, context.proc, "", ROOT, "/proc", flags, attributes, note="proc")]
    assert context.join_pid is not None
    copy = ProcOf(PROC, fds.add(context.join_pid))
    return [copy, Bind(PROC, "", "", ROOT, "/proc", flags | k.BIND_DETACHED, attributes, note="proc")]


def _fills_proc(ops: list[Operation | Block]) -> bool:
    return any(
        isinstance(op, MountNew) and op.slot == PROC
        for item in ops
        for op in (item.operations if isinstance(item, Block) else (item,))
    )


def terminal(process: Process, ops: list[Operation | Block], fds: FdTable) -> Terminal:
    """Needs a devpts among the operations before it."""
    size = process.console_size
    rows, columns = (size.height & 0xFFFF, size.width & 0xFFFF) if size is not None else (0, 0)
    has_pts = any(
        isinstance(op, MountNew) and op.slot == PTS
        for item in ops
        for op in (item.operations if isinstance(item, Block) else (item,))
    )
    if not has_pts:
        raise LaunchError("needs a devpts on /dev/pts", operation="process.terminal")
    return Terminal(fds.add(CONSOLE), PTS, "ptmx", ROOT, "/dev/console", rows, columns)
