"""``linux`` of a runtime-spec configuration (config-linux.md)."""

from __future__ import annotations

from pyrt.spec.base import Spec, Uint32, field
from pyrt.spec.resources import LinuxResources
from pyrt.spec.seccomp import LinuxSeccomp


class LinuxIDMapping(Spec, frozen=True, kw_only=True):
    """``size`` ids from ``container_id`` on are ``host_id`` on outside (user_namespaces(7))."""

    container_id: int
    host_id: int
    size: int


class LinuxNamespace(Spec, frozen=True, kw_only=True):
    """A namespace to make, or with a path to join. ``type``: pid, network, mount, ipc, uts, user, cgroup, time."""

    type: str
    path: str = ""


class LinuxDevice(Spec, frozen=True, kw_only=True):
    """A device node to make: ``type`` is c, u, b or p."""

    path: str
    type: str
    major: Uint32 = 0
    minor: Uint32 = 0
    file_mode: Uint32 | None = None
    uid: Uint32 | None = None
    gid: Uint32 | None = None


class LinuxNetDevice(Spec, frozen=True, kw_only=True):
    """A host interface to move into the container, under a new name if there is one."""

    name: str = ""


class LinuxIntelRdt(Spec, frozen=True, kw_only=True):
    """resctrl(4)."""

    clos_id: str = ""
    schemata: tuple[str, ...] = ()
    l3_cache_schema: str = ""
    mem_bw_schema: str = ""
    enable_monitoring: bool = False


class LinuxMemoryPolicy(Spec, frozen=True, kw_only=True):
    """set_mempolicy(2)."""

    mode: str
    nodes: str = ""
    flags: tuple[str, ...] = ()


class LinuxPersonality(Spec, frozen=True, kw_only=True):
    """``domain``: LINUX or LINUX32 (personality(2))."""

    domain: str
    flags: tuple[str, ...] = ()


class LinuxTimeOffset(Spec, frozen=True, kw_only=True):
    """An offset of a clock of the time namespace."""

    secs: int = 0
    nanosecs: int = 0


class Linux(Spec, frozen=True, kw_only=True):
    """Everything that only Linux has."""

    uid_mappings: tuple[LinuxIDMapping, ...] = ()
    gid_mappings: tuple[LinuxIDMapping, ...] = ()
    sysctl: dict[str, str] = field(default_factory=dict)
    resources: LinuxResources | None = None
    cgroups_path: str = ""
    namespaces: tuple[LinuxNamespace, ...] = ()
    devices: tuple[LinuxDevice, ...] = ()
    net_devices: dict[str, LinuxNetDevice] = field(default_factory=dict)
    seccomp: LinuxSeccomp | None = None
    rootfs_propagation: str = ""
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str = ""
    intel_rdt: LinuxIntelRdt | None = None
    memory_policy: LinuxMemoryPolicy | None = None
    personality: LinuxPersonality | None = None
    time_offsets: dict[str, LinuxTimeOffset] = field(default_factory=dict)
