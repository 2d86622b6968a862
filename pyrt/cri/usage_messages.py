"""What the kernel counted, in CRI's messages (pure). Times are Unix nanoseconds."""

from __future__ import annotations

from collections.abc import Sequence

from pyrt.cgroups import CgroupStats
from pyrt.cgroups.stats import Pressure, Pressures, Stall
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.layers import LayerUsage
from pyrt.runtime.stats import InterfaceStats

_DEFAULT_INTERFACE = "eth0"


def number(value: int | None) -> cri.UInt64Value | None:
    """``None``: not known, or without a limit."""
    return None if value is None else cri.UInt64Value(value=value)


def cpu_usage(at: int, cgroup: CgroupStats, nano_cores: int | None, pressure: Pressure | None) -> cri.CpuUsage:
    """CPU time since the beginning, and cores in use now."""
    return cri.CpuUsage(
        timestamp=at,
        usage_core_nano_seconds=number(cgroup.cpu_usage_ns),
        usage_nano_cores=number(nano_cores),
        psi=_psi(pressure),
    )


def memory_usage(at: int, cgroup: CgroupStats, pressure: Pressure | None) -> cri.MemoryUsage:
    """Bytes. What is available is told of what has a limit only."""
    limit = cgroup.memory_limit
    return cri.MemoryUsage(
        timestamp=at,
        working_set_bytes=number(cgroup.memory_working_set),
        available_bytes=number(None if limit is None else max(0, limit - cgroup.memory_working_set)),
        usage_bytes=number(cgroup.memory_usage),
        rss_bytes=number(cgroup.memory_rss),
        page_faults=number(cgroup.page_faults),
        major_page_faults=number(cgroup.major_page_faults),
        psi=_psi(pressure),
    )


def swap_usage(at: int, cgroup: CgroupStats) -> cri.SwapUsage:
    """Bytes. What is available is told of what has a limit only."""
    limit = cgroup.swap_limit
    return cri.SwapUsage(
        timestamp=at,
        swap_available_bytes=number(None if limit is None else max(0, limit - cgroup.swap_usage)),
        swap_usage_bytes=number(cgroup.swap_usage),
    )


def io_usage(at: int, pressures: Pressures) -> cri.IoUsage | None:
    """``None`` where the kernel does not know pressure."""
    return None if pressures.io is None else cri.IoUsage(timestamp=at, psi=_psi(pressures.io))


def layer_usage(usage: LayerUsage, mountpoint: str) -> cri.FilesystemUsage:
    """A writable layer, on the file system of ``mountpoint``."""
    return cri.FilesystemUsage(
        timestamp=usage.at,
        fs_id=cri.FilesystemIdentifier(mountpoint=mountpoint),
        used_bytes=number(usage.bytes),
        inodes_used=number(usage.inodes),
    )


def network_usage(at: int, interfaces: Sequence[InterfaceStats]) -> cri.NetworkUsage:
    """The default interface is eth0, or the first."""
    found = [
        cri.NetworkInterfaceUsage(
            name=one.name,
            rx_bytes=number(one.rx_bytes),
            rx_errors=number(one.rx_errors),
            tx_bytes=number(one.tx_bytes),
            tx_errors=number(one.tx_errors),
        )
        for one in interfaces
    ]
    default = next((one for one in found if one.name == _DEFAULT_INTERFACE), found[0] if found else None)
    return cri.NetworkUsage(timestamp=at, default_interface=default, interfaces=found)


def _psi(pressure: Pressure | None) -> cri.PsiStats | None:
    if pressure is None:
        return None
    return cri.PsiStats(Full=_stall(pressure.full), Some=_stall(pressure.some))


def _stall(stall: Stall) -> cri.PsiData:
    return cri.PsiData(Total=stall.total_ns, Avg10=stall.avg10, Avg60=stall.avg60, Avg300=stall.avg300)
