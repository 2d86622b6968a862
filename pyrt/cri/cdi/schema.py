"""A CDI spec file, as data. A field that is not known is an error: it may be an edit that would be left out."""

from __future__ import annotations

import re
from typing import Final

import msgspec

VERSIONS: Final = frozenset(("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"))
_VENDOR = r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_CLASS = r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?"
KIND = re.compile(f"{_VENDOR}/{_CLASS}")
NAME = re.compile(_NAME)
QUALIFIED = re.compile(f"({_VENDOR}/{_CLASS})=({_NAME})")


def _go_name(name: str) -> str:
    first, *rest = name.split("_")
    joined = first + "".join(word.capitalize() for word in rest)
    return {"closId": "closID", "additionalGids": "additionalGids"}.get(joined, joined)


class _Object(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_go_name):
    """An object of the file."""


class DeviceNode(_Object, frozen=True, kw_only=True):
    """A device file. Without type and number, those of ``host_path`` (else ``path``) on this machine."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class Mount(_Object, frozen=True, kw_only=True):
    """A file or directory of the host."""

    host_path: str
    container_path: str
    options: tuple[str, ...] = ()
    type: str = ""


class Hook(_Object, frozen=True, kw_only=True):
    """A program to run at a moment of the container's life."""

    hook_name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


class NetDevice(_Object, frozen=True, kw_only=True):
    """A network interface to move into the container."""

    host_interface_name: str
    name: str = ""


class IntelRdt(_Object, frozen=True, kw_only=True):
    """resctrl(4)."""

    clos_id: str = ""
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    schemata: tuple[str, ...] = ()
    enable_monitoring: bool = False
    enable_c_m_t: bool = msgspec.field(default=False, name="enableCMT")
    enable_m_b_m: bool = msgspec.field(default=False, name="enableMBM")


class ContainerEdits(_Object, frozen=True, kw_only=True):
    """What is done to a container."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    net_devices: tuple[NetDevice, ...] = ()
    hooks: tuple[Hook, ...] = ()
    mounts: tuple[Mount, ...] = ()
    intel_rdt: IntelRdt | None = None
    additional_gids: tuple[int, ...] = ()


class Device(_Object, frozen=True, kw_only=True):
    """One device of a file."""

    name: str
    annotations: dict[str, str] = {}
    container_edits: ContainerEdits = ContainerEdits()


class SpecFile(_Object, frozen=True, kw_only=True):
    """A file: devices of one kind, and what using any of them takes besides."""

    cdi_version: str
    kind: str
    annotations: dict[str, str] = {}
    devices: tuple[Device, ...] = ()
    container_edits: ContainerEdits = ContainerEdits()

    def __post_init__(self) -> None:
        if self.cdi_version not in VERSIONS:
            raise ValueError(f"cdiVersion {self.cdi_version!r} is not known")
        if KIND.fullmatch(self.kind) is None:
            raise ValueError(f"kind {self.kind!r} is no vendor/class")
        for device in self.devices:
            if NAME.fullmatch(device.name) is None:
                raise ValueError(f"{device.name!r} cannot be a device's name")
