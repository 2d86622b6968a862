"""``linux.resources`` of a runtime-spec configuration (config-linux.md, "Control groups")."""

from __future__ import annotations

from pyrt.spec.base import Spec, field


class LinuxDeviceCgroup(Spec, frozen=True, kw_only=True):
    """A rule of the device controller; ``None`` matches every number."""

    allow: bool
    type: str = "a"
    major: int | None = None
    minor: int | None = None
    access: str = ""


class LinuxMemory(Spec, frozen=True, kw_only=True):
    """Bytes; -1 is unlimited."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = None
    swappiness: int | None = None
    disable_oom_killer: bool | None = None
    use_hierarchy: bool | None = None
    check_before_update: bool | None = None


class LinuxCPU(Spec, frozen=True, kw_only=True):
    """Shares are v1's (2 to 262144); quota, burst, period and the realtime pair are microseconds."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str = ""
    mems: str = ""
    idle: int | None = None


class LinuxPids(Spec, frozen=True, kw_only=True):
    """-1 is unlimited."""

    limit: int | None = None


class LinuxWeightDevice(Spec, frozen=True, kw_only=True):
    """The weight of one block device."""

    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


class LinuxThrottleDevice(Spec, frozen=True, kw_only=True):
    """Bytes or operations a second of one block device."""

    major: int
    minor: int
    rate: int


class LinuxBlockIO(Spec, frozen=True, kw_only=True):
    """Weights are 10 to 1000."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: tuple[LinuxWeightDevice, ...] = ()
    throttle_read_bps_device: tuple[LinuxThrottleDevice, ...] = ()
    throttle_write_bps_device: tuple[LinuxThrottleDevice, ...] = ()
    throttle_read_iops_device: tuple[LinuxThrottleDevice, ...] = ()
    throttle_write_iops_device: tuple[LinuxThrottleDevice, ...] = ()


class LinuxHugepageLimit(Spec, frozen=True, kw_only=True):
    """``page_size`` as the kernel writes it (``2MB``); the limit in bytes."""

    page_size: str
    limit: int


class LinuxInterfacePriority(Spec, frozen=True, kw_only=True):
    """net_prio."""

    name: str
    priority: int


class LinuxNetwork(Spec, frozen=True, kw_only=True):
    """net_cls and net_prio."""

    class_id: int | None = None
    priorities: tuple[LinuxInterfacePriority, ...] = ()


class LinuxRdma(Spec, frozen=True, kw_only=True):
    """The limits of one RDMA device."""

    hca_handles: int | None = None
    hca_objects: int | None = None


class LinuxResources(Spec, frozen=True, kw_only=True):
    """Limits; ``None`` leaves a setting as it is."""

    devices: tuple[LinuxDeviceCgroup, ...] = ()
    memory: LinuxMemory | None = None
    cpu: LinuxCPU | None = None
    pids: LinuxPids | None = None
    block_io: LinuxBlockIO | None = None
    hugepage_limits: tuple[LinuxHugepageLimit, ...] = ()
    network: LinuxNetwork | None = None
    rdma: dict[str, LinuxRdma] = field(default_factory=dict)
    unified: dict[str, str] = field(default_factory=dict)
