"""The mounts of a spec, in its order: file systems, binds, and the container's view of its cgroup."""

from __future__ import annotations

import functools
import posixpath

from pyrt.launch import constants as k
from pyrt.launch.context import CgroupPlace, ContainerContext, MountSource
from pyrt.launch.errors import LaunchError
from pyrt.launch.operations import (
    HOST,
    NO_FD,
    PROC,
    PTS,
    ROOT,
    Bind,
    Block,
    MakeReadonly,
    Mask,
    MountNew,
    Operation,
    Propagation,
    SetAttributes,
    SymbolicLink,
)
from pyrt.launch.options import MountOptions, attributes_of_new, parse
from pyrt.launch.plan import CloneTree
from pyrt.launch.table import FdTable
from pyrt.spec import Mount

_NO_SOURCE = MountSource()

# What tools like lxcfs may put over single files of /proc; anything else there could be meant to lead writes of the
# runtime astray (CVE-2019-16884, CVE-2023-27561).
_PROC_FILES = frozenset(
    "/proc/" + name
    for name in (
        "cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat", "swaps", "uptime",
        "sys/crypto/fips_enabled", "sys/kernel/ns_last_pid",
    )
)  # fmt: skip


def normalized(destination: str) -> str:
    """An absolute destination without dots and double slashes; a relative one counts from the root."""
    return posixpath.normpath("/" + destination.lstrip("/"))


def is_bind(mount: Mount, options: MountOptions) -> bool:
    """A bind is told by its type or by an option (config.md, "Mounts")."""
    return mount.type == "bind" or options.bind


def compile_mount(
    mount: Mount, context: ContainerContext, fds: FdTable, *, own_cgroup: bool, attached: bool = True
) -> list[Operation | Block]:
    """The operations of one mount. ``attached``: in a mount namespace, and not in a tree without one, in which mounts
    cannot be changed once they are made.
    """
    target = normalized(mount.destination)
    source = context.sources.get(mount.destination, _NO_SOURCE)
    if mount.uid_mappings or mount.gid_mappings:
        raise LaunchError("idmapped mounts are not supported", operation=f"mount {mount.destination}")
    options = parse(mount.options)
    if target == "/":
        raise LaunchError("a mount may not cover the root", operation=f"mount {mount.source or mount.type} on /")
    if target.startswith("/proc/") and target not in _PROC_FILES:
        raise LaunchError("nothing may be mounted inside /proc", operation=f"mount {mount.source} on {target}")
    if is_bind(mount, options):
        return _bind(mount, target, options, source, fds)
    if mount.type in ("cgroup", "cgroup2"):
        return _cgroup(target, options, context.cgroup, own_cgroup=own_cgroup, attached=attached)
    return _new(mount, target, options, source)


def _slot(fstype: str, target: str, options: MountOptions) -> int:
    if fstype == "proc" and target == "/proc" and not attributes_of_new(options) & k.MOUNT_ATTR_RDONLY:
        return PROC
    if fstype == "devpts" and target == "/dev/pts":
        return PTS
    return NO_FD


@functools.lru_cache(maxsize=256)
def _new_block(fstype: str, name: str, target: str, options: MountOptions) -> Block:
    ops: list[Operation] = [
        MountNew(
            _slot(fstype, target, options), fstype, name, options.data, attributes_of_new(options), ROOT, target, 0o755
        )
    ]
    if options.propagation:
        ops.append(Propagation(ROOT, target, options.propagation, options.recursive_propagation))
    return Block.of(*ops)


def _new(mount: Mount, target: str, options: MountOptions, source: MountSource) -> list[Operation | Block]:
    if not mount.type:
        raise LaunchError("a mount needs a type, or the option bind", operation=f"mount {mount.source} on {target}")
    del source
    return [_new_block(mount.type, mount.source or mount.type, target, options)]


def _bind(
    mount: Mount, target: str, options: MountOptions, source: MountSource, fds: FdTable
) -> list[Operation | Block]:
    if not mount.source.startswith("/"):
        raise LaunchError("the source of a bind is not an absolute path", operation=f"mount {mount.source} on {target}")
    subpath = source.subpath
    if subpath and (subpath.startswith("/") or ".." in subpath.split("/")):
        raise LaunchError("must be relative and without ..", operation=f"subPath {subpath}")
    flags = k.BIND_CREATE | (k.BIND_RECURSIVE if options.recursive_bind else 0)
    if options.recursive_propagation:
        flags |= k.BIND_RECURSIVE_PROPAGATION
    set_, clear = options.set, options.clear
    if options.recursive_set or options.recursive_clear:
        flags |= k.BIND_RECURSIVE_ATTR
        set_, clear = set_ | options.recursive_set, clear | options.recursive_clear
    if source.bidirectional or (source.current and fds.has_room):
        tree = fds.add(
            CloneTree(
                mount.source,
                options.recursive_bind,
                subpath,
                source.make_subpath,
                must_be_shared=source.bidirectional,
            )
        )
        where = (tree, "", "")
        flags |= k.BIND_DETACHED
        note = source.note or f"{mount.source}{' subpath ' + subpath if subpath else ''}"
    else:
        where = (HOST, mount.source, subpath)
        note = source.note
        if source.make_subpath:
            flags |= k.BIND_MAKE_SUBPATH
    return [Bind(*where, ROOT, target, flags, set_, clear, options.propagation, note)]


def _cgroup(
    target: str, options: MountOptions, place: CgroupPlace, *, own_cgroup: bool, attached: bool
) -> list[Operation | Block]:
    attributes = attributes_of_new(options)
    controllers = place.controllers()
    if not own_cgroup and not controllers:
        # v2 without a cgroup namespace: the host's whole view, as runc gives it.
        return [
            Bind(
                HOST,
                "/sys/fs/cgroup",
                "",
                ROOT,
                target,
                k.BIND_RECURSIVE | k.BIND_CREATE | k.BIND_RECURSIVE_ATTR,
                attributes,
            )
        ]
    if not controllers:
        return [MountNew(NO_FD, "cgroup2", "cgroup", (), attributes, ROOT, target, 0o755)]
    # v1: a tmpfs with one directory a hierarchy, each the container's own cgroup and nothing above it.
    inner = attributes & ~k.MOUNT_ATTR_RDONLY
    ops: list[Operation | Block] = [_new_block("tmpfs", "tmpfs", target, MountOptions(set=inner, data=("mode=755",)))]
    for name, directory in controllers:
        ops.append(Bind(HOST, directory, "", ROOT, f"{target}/{name}", k.BIND_CREATE, attributes, note="cgroup"))
        ops += [SymbolicLink(ROOT, f"{target}/{alias}", name) for alias in name.split(",") if "," in name]
    if attributes & k.MOUNT_ATTR_RDONLY and attached:
        ops.append(SetAttributes(ROOT, target, k.MOUNT_ATTR_RDONLY))
    return ops


@functools.lru_cache(maxsize=64)
def hide(masked: tuple[str, ...], readonly: tuple[str, ...]) -> Block:
    """Masked paths and read-only paths."""
    return Block.of(
        *(MakeReadonly(ROOT, normalized(path)) for path in readonly), *(Mask(ROOT, normalized(path)) for path in masked)
    )
