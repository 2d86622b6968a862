"""The root file system: made in the container's own mount namespace, gone with it."""

from __future__ import annotations

import os

from pyrt.launch import constants as k
from pyrt.launch.context import ContainerContext, DirectoryRoot, OverlayRoot
from pyrt.launch.encoding import MAX_BYTES
from pyrt.launch.errors import LaunchError
from pyrt.launch.features import Features
from pyrt.launch.operations import (
    HOST,
    NO_FD,
    ROOT,
    Bind,
    Block,
    Chroot,
    MountNew,
    MountOld,
    Open,
    Operation,
    Pivot,
    Propagation,
    SetNs,
)
from pyrt.launch.plan import CloneTree, OpenPath
from pyrt.launch.table import FdTable
from pyrt.spec import LinuxNamespace

OVERLAY_MAX_LAYERS = 500
"""OVL_MAX_STACK (fs/overlayfs/super.c)."""

MOUNT_DATA_MAX = 4095
"""mount(2): the data is one page with its NUL."""

PROPAGATIONS = {
    "private": (k.MS_PRIVATE, False),
    "rprivate": (k.MS_PRIVATE, True),
    "slave": (k.MS_SLAVE, False),
    "rslave": (k.MS_SLAVE, True),
    "shared": (k.MS_SHARED, False),
    "rshared": (k.MS_SHARED, True),
    "unbindable": (k.MS_UNBINDABLE, False),
    "runbindable": (k.MS_UNBINDABLE, True),
}
"""``linux.rootfsPropagation`` -> (MS_*, recursive)."""

# Nothing that is mounted from here on reaches the host, and the old root can be let go without taking the host's
# mounts with it; the host's mounts still arrive.
_ISOLATE = Block.of(Propagation(HOST, "/", k.MS_SLAVE))
_PIVOT = Block.of(Pivot(ROOT))


def mount_root(context: ContainerContext, propagation: str, fds: FdTable) -> list[Operation | Block]:
    """The operations that put the root into the slot ROOT."""
    if propagation and propagation not in PROPAGATIONS:
        raise LaunchError(f"{propagation!r} is not a propagation", operation="linux.rootfsPropagation")
    if isinstance(context.root, OverlayRoot):
        return [_ISOLATE, mount_overlay(context.root, context.features)]
    return [_ISOLATE, *_bind_directory(context.root, propagation, fds)]


def _bind_directory(root: DirectoryRoot, propagation: str, fds: FdTable) -> list[Operation | Block]:
    if propagation in ("shared", "rshared"):
        # A peer of the host's mount, so that what is mounted on either side appears on the other.
        tree = fds.add(CloneTree(root.path))
        bind = Bind(tree, "", "", HOST, root.path, k.BIND_DETACHED | k.BIND_RECURSIVE, note=f"root {root.path}")
    else:
        bind = Bind(HOST, root.path, "", HOST, root.path, k.BIND_RECURSIVE, note="root")
    return [bind, Open(ROOT, HOST, root.path)]


def mount_overlay(root: OverlayRoot, features: Features) -> Operation:
    """overlayfs, top layer first. ``volatile``: a container's writable layer never outlives it, so it is never
    synced.
    """
    if not root.layers:
        raise LaunchError("an image needs a layer", operation="mount overlay on /")
    if len(root.layers) > OVERLAY_MAX_LAYERS:
        raise LaunchError(
            f"{len(root.layers)} layers, and overlayfs takes {OVERLAY_MAX_LAYERS}", operation="mount overlay on /"
        )
    options = []
    if features.overlay_index:
        options.append("index=off")
    if features.overlay_volatile:
        options.append("volatile")
    paths = (*root.layers, root.upper, root.work)
    if features.overlay_append and max(map(len, map(os.fsencode, paths))) < k.FSCONFIG_MAX:
        lower = [f"lowerdir+={layer}" for layer in reversed(root.layers)]
        words = (*lower, f"upperdir={root.upper}", f"workdir={root.work}", *options)
        return MountNew(ROOT, "overlay", "overlay", words, 0, HOST, root.mountpoint, note="/")
    return _mount_overlay_by_path(root, paths, options)


def _mount_overlay_by_path(root: OverlayRoot, paths: tuple[str, ...], options: list[str]) -> Operation:
    """mount(2): one string of at most a page, so the names are relative to the directory they have in common."""
    base = os.path.commonpath(paths)
    relative = [_escape(os.path.relpath(path, base)) for path in paths]
    lower = ":".join(reversed(relative[:-2]))
    data = ",".join([f"lowerdir={lower}", f"upperdir={relative[-2]}", f"workdir={relative[-1]}", *options])
    if len(os.fsencode(data)) > min(MOUNT_DATA_MAX, MAX_BYTES):
        raise LaunchError(
            f"the names of {len(root.layers)} layers do not fit a page, and this kernel takes no more",
            operation="mount overlay on /",
        )
    # What is mounted over "/" itself cannot be reached by a path afterwards; over the directory of upper and work it
    # can, and both are held by then.
    mountpoint = root.mountpoint if root.mountpoint != "/" else os.path.dirname(root.upper)
    return MountOld(ROOT, "overlay", "overlay", data, 0, base, HOST, mountpoint, note="/")


def mount_layers(path: str, layers: tuple[str, ...], features: Features) -> Operation:
    """An image's layers, read-only, on the empty directory ``path``.

    That directory is the lowest layer too: without an upper directory overlayfs wants two.
    """
    note = f"{path} (layers of an image)"
    everything = (path, *layers)
    if len(everything) > OVERLAY_MAX_LAYERS:
        raise LaunchError(
            f"{len(layers)} layers, and overlayfs takes {OVERLAY_MAX_LAYERS}", operation=f"mount overlay on {path}"
        )
    attributes = k.MOUNT_ATTR_RDONLY | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV
    if features.overlay_append and max(map(len, map(os.fsencode, everything))) < k.FSCONFIG_MAX:
        words = tuple(f"lowerdir+={layer}" for layer in reversed(everything))
        return MountNew(NO_FD, "overlay", "overlay", words, attributes, HOST, path, note=note)
    data = "lowerdir=" + ":".join(_escape(layer) for layer in reversed(everything))
    if len(os.fsencode(data)) > MOUNT_DATA_MAX:
        raise LaunchError(
            f"the names of {len(layers)} layers do not fit a page, and this kernel takes no more",
            operation=f"mount overlay on {path}",
        )
    # No change of directory here: the pod process has its own.
    flags = k.MS_RDONLY | k.MS_NOSUID | k.MS_NODEV
    return MountOld(NO_FD, "overlay", "overlay", data, flags, "", HOST, path, note=note)


def _escape(name: str) -> str:
    """Overlayfs splits at colons, mount options at commas (Documentation/filesystems/overlayfs.rst)."""
    return name.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def enter_root(propagation: str) -> list[Operation | Block]:
    """Make it the root, and give it the propagation the spec asks for."""
    if not propagation:
        return [_PIVOT]
    kind, recursive = PROPAGATIONS[propagation]
    return [_PIVOT, Propagation(HOST, "/", kind, recursive)]


def detached_root(context: ContainerContext, fds: FdTable) -> list[Operation | Block]:
    """The root of a container without a mount namespace of its own: a copy of the mount that is attached nowhere, and
    so are the mounts below it (Linux 6.15). Nobody sees them, and they go with the container's last process.
    """
    if not isinstance(context.root, DirectoryRoot):
        raise LaunchError("a container needs a mount namespace of its own", operation="linux.namespaces")
    return [Open(ROOT, fds.add(CloneTree(context.root.path)), ".")]


def leave_for_detached_root(joined: LinuxNamespace | None, fds: FdTable) -> list[Operation | Block]:
    """Make it the root of the process, of which everything else stays where it is; join the mount namespace first."""
    if joined is None:
        return [Chroot(ROOT)]
    return [SetNs(fds.add(OpenPath(joined.path, flags=0)), k.CLONE_NEWNS, joined.path), Chroot(ROOT)]
