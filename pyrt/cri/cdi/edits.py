"""Edits of CDI on a container's configuration (pure).

Hooks, network devices and resctrl are refused: a container that asks for them would lack what its device needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pyrt.cri.cdi import schema
from pyrt.cri.errors import CriError
from pyrt.launch.user import MAX_ID
from pyrt.runtime.config import ContainerConfig, Device, Mount, Propagation

_TYPES: Final = ("", "c", "u", "b", "p")
_PROPAGATION: Final = {
    "shared": Propagation.BIDIRECTIONAL,
    "rshared": Propagation.BIDIRECTIONAL,
    "slave": Propagation.HOST_TO_CONTAINER,
    "rslave": Propagation.HOST_TO_CONTAINER,
    "private": Propagation.PRIVATE,
    "rprivate": Propagation.PRIVATE,
}
_KEPT: Final = frozenset(("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow"))
_NOTHING: Final = frozenset(("bind", "rbind", "rw", "ro", "suid", "dev", "exec", "defaults"))


def with_devices(config: ContainerConfig, edits: Iterable[schema.ContainerEdits]) -> ContainerConfig:
    """The container with what its devices need. Raises :class:`CriError` for what cannot be given."""
    for edit in edits:
        config = _edited(config, edit)
    return config


def _edited(config: ContainerConfig, edit: schema.ContainerEdits) -> ContainerConfig:
    if edit.hooks:
        raise _refused(f"hook {edit.hooks[0].hook_name} {edit.hooks[0].path}")
    if edit.net_devices:
        raise _refused(f"network device {edit.net_devices[0].host_interface_name}")
    if edit.intel_rdt is not None:
        raise _refused("intelRdt")
    groups = tuple(group for group in edit.additional_gids if group != 0)
    if any(not 0 < group <= MAX_ID for group in groups):
        raise CriError(f"additionalGids {list(groups)} are out of range", operation="CDI")
    own = config.security.supplemental_groups
    return replace(
        config,
        env=(*config.env, *(_variable(one) for one in edit.env)),
        devices=(*config.devices, *(_device(one) for one in edit.device_nodes)),
        mounts=(*config.mounts, *(_mount(one) for one in edit.mounts)),
        security=replace(config.security, supplemental_groups=tuple(dict.fromkeys((*own, *groups)))),
    )


def _refused(what: str) -> CriError:
    return CriError(f"{what}: not supported", operation="CDI")


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator or "\0" in text:
        raise CriError(f"env {text!r} is no NAME=value", operation="CDI")
    return name, value


def _device(node: schema.DeviceNode) -> Device:
    if not node.path.startswith("/") or node.type not in _TYPES or set(node.permissions) - set("rwm"):
        raise CriError(f"device node {node.path}: expected a path, a type of c, u, b, p, and rwm", operation="CDI")
    complete = node.type == "p" or (node.type != "" and node.major != 0)
    return Device(
        container_path=node.path,
        host_path=Path(node.host_path or node.path),
        permissions=node.permissions or "rwm",
        type=node.type if complete else "",
        major=node.major,
        minor=node.minor,
        file_mode=node.file_mode,
        uid=node.uid,
        gid=node.gid,
        of_user=True,
    )


def _mount(mount: schema.Mount) -> Mount:
    """A bind mount; read-only and propagation by its options."""
    where = f"mount {mount.host_path} on {mount.container_path}"
    if mount.type not in ("", "bind", "none"):
        raise _refused(f"{where} of type {mount.type}")
    if not mount.host_path.startswith("/") or not mount.container_path.strip("/"):
        raise CriError(f"{where}: expected absolute paths", operation="CDI")
    propagation, kept = Propagation.PRIVATE, []
    for word in mount.options:
        if word in _PROPAGATION:
            propagation = _PROPAGATION[word]
        elif word in _KEPT:
            kept.append(word)
        elif word not in _NOTHING:
            raise _refused(f"{where}: option {word}")
    return Mount(
        container_path="/" + mount.container_path.lstrip("/"),
        host_path=Path(mount.host_path),
        readonly="ro" in mount.options,
        propagation=propagation,
        options=tuple(kept),
        description="CDI",
        mapped=False,
    )
