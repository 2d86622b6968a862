"""The metrics and what each is made of: names, labels and units are cAdvisor's, which kubelets have always served at
``/metrics/cadvisor`` (github.com/google/cadvisor, docs/storage/prometheus.md); the base labels are containerd's.

Values are whole numbers (CRI ``Metric.value``), so seconds lose what is behind the point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from pyrt.cgroups.stats import DeviceIo, Pressure
from pyrt.cri.metric_figures import Figures, device_name
from pyrt.runtime.stats import InterfaceStats

BASE_LABELS: Final = ("pod", "namespace", "container", "id", "image")
_SECOND: Final = 1_000_000_000
_DEFAULT_PERIOD: Final = 100_000
_DEFAULT_SHARES: Final = 1024

Values: TypeAlias = Iterable[tuple[tuple[str, ...], int]]
"""(values of the labels beside the base ones, value)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of containers."""

    name: str
    help: str
    values: Callable[[Figures], Values]
    labels: tuple[str, ...] = ()
    """Beside the base ones."""
    counter: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceFamily:
    """One metric of a sandbox's network interfaces; all are counters."""

    name: str
    help: str
    value: Callable[[InterfaceStats], int]


def _gauge(name: str, text: str, value: Callable[[Figures], int | None]) -> Family:
    return Family(f"container_{name}", text, lambda found: _one(value(found)))


def _counter(name: str, text: str, value: Callable[[Figures], int | None]) -> Family:
    return Family(f"container_{name}", text, lambda found: _one(value(found)), counter=True)


def _one(value: int | None) -> Values:
    return () if value is None else (((), value),)


def _disk(name: str, text: str, value: Callable[[DeviceIo], int]) -> Family:
    def values(found: Figures) -> Values:
        return (((device_name(one.device),), value(one)) for one in found.details.io)

    return Family(f"container_fs_{name}", text, values, ("device",), counter=True)


def _volume(name: str, text: str, value: Callable[[Figures], int]) -> Family:
    return Family(f"container_fs_{name}", text, lambda f: (((f.file_system.device,), value(f)),), ("device",))


def _stalled(resource: str, full: bool) -> Family:
    word, who = ("stalled", "no task could go on") if full else ("waiting", "some task had to wait")

    def values(found: Figures) -> Values:
        pressure: Pressure | None = getattr(found.pressures, resource)
        if pressure is not None:
            yield (), (pressure.full if full else pressure.some).total_ns // _SECOND

    text = f"Seconds in which {who} for {resource} (PSI)."
    return Family(f"container_pressure_{resource}_{word}_seconds_total", text, values, counter=True)


def _blkio(found: Figures) -> Iterator[tuple[tuple[str, ...], int]]:
    for one in found.details.io:
        major, _, minor = one.device.partition(":")
        for operation, value in (("Read", one.read_bytes), ("Write", one.written_bytes)):
            yield (device_name(one.device), major, minor, operation), value


def _page_faults(found: Figures) -> Values:
    cgroup = found.cgroup
    return (
        (("pgfault", "container"), cgroup.page_faults),
        (("pgmajfault", "container"), cgroup.major_page_faults),
    )


def _quota(found: Figures) -> int | None:
    quota = found.status.config.resources.cpu_quota
    return quota if quota is not None and quota > 0 else None


def _swap_limit(found: Figures) -> int:
    return max(0, found.status.config.resources.memory_swap_limit or 0)


FAMILIES: Final = (
    _counter("cpu_usage_seconds_total", "CPU time used, in seconds.", lambda f: f.cgroup.cpu_usage_ns // _SECOND),
    _counter(
        "cpu_user_seconds_total", "CPU time in user mode, in seconds.", lambda f: f.details.cpu_user_ns // _SECOND
    ),
    _counter(
        "cpu_system_seconds_total", "CPU time in the kernel, in seconds.", lambda f: f.details.cpu_system_ns // _SECOND
    ),
    _counter("cpu_cfs_periods_total", "Periods in which a CPU limit was in force.", lambda f: f.details.periods),
    _counter(
        "cpu_cfs_throttled_periods_total",
        "Periods in which the CPU limit stopped something.",
        lambda f: f.details.throttled_periods,
    ),
    _counter(
        "cpu_cfs_throttled_seconds_total",
        "Time for which the CPU limit stopped something, in seconds.",
        lambda f: f.details.throttled_ns // _SECOND,
    ),
    _gauge("memory_usage_bytes", "Memory in use, page cache included, in bytes.", lambda f: f.cgroup.memory_usage),
    _gauge(
        "memory_working_set_bytes",
        "Memory in use without inactive files, in bytes: what eviction goes by.",
        lambda f: f.cgroup.memory_working_set,
    ),
    _gauge("memory_max_usage_bytes", "The most memory ever in use, in bytes.", lambda f: f.details.memory_peak),
    _gauge("memory_rss", "Anonymous memory, in bytes.", lambda f: f.cgroup.memory_rss),
    _gauge("memory_cache", "Page cache, in bytes.", lambda f: f.cgroup.memory_cache),
    _gauge("memory_mapped_file", "Mapped files, in bytes.", lambda f: f.cgroup.memory_mapped),
    _gauge("memory_swap", "Swap in use, in bytes.", lambda f: f.cgroup.swap_usage),
    _gauge("memory_kernel_usage", "Memory of the kernel, in bytes.", lambda f: f.details.kernel_memory),
    _gauge("memory_total_active_file_bytes", "Active page cache, in bytes.", lambda f: f.cgroup.active_file),
    _gauge("memory_total_inactive_file_bytes", "Inactive page cache, in bytes.", lambda f: f.cgroup.inactive_file),
    _counter("memory_failcnt", "How often usage has met the memory limit.", lambda f: f.details.memory_failures),
    Family(
        "container_memory_failures_total",
        "Page faults (pgfault), and those that had to read (pgmajfault).",
        _page_faults,
        ("failure_type", "scope"),
        counter=True,
    ),
    _counter("oom_events_total", "Processes killed for want of memory.", lambda f: f.details.oom_kills),
    Family(
        "container_hugetlb_usage_bytes",
        "Huge pages in use, in bytes.",
        lambda f: (((one.size,), one.usage) for one in f.details.huge_pages),
        ("pagesize",),
    ),
    Family(
        "container_hugetlb_max_usage_bytes",
        "The most huge pages ever in use, in bytes; 0 on cgroup v2, which does not keep it.",
        lambda f: (((one.size,), one.peak) for one in f.details.huge_pages),
        ("pagesize",),
    ),
    _volume("usage_bytes", "What the writable layer takes, in bytes.", lambda f: f.layer.bytes),
    _volume("limit_bytes", "Size of the file system of writable layers, in bytes.", lambda f: f.file_system.size),
    _volume("inodes_total", "Inodes of the file system of writable layers.", lambda f: f.file_system.inodes),
    _volume("inodes_free", "Inodes that are free there.", lambda f: f.file_system.inodes_free),
    _disk("reads_bytes_total", "Bytes read from a block device.", lambda one: one.read_bytes),
    _disk("reads_total", "Reads from a block device.", lambda one: one.reads),
    _disk("writes_bytes_total", "Bytes written to a block device.", lambda one: one.written_bytes),
    _disk("writes_total", "Writes to a block device.", lambda one: one.writes),
    Family(
        "container_blkio_device_usage_total",
        "Bytes that went from and to a block device.",
        _blkio,
        ("device", "major", "minor", "operation"),
        counter=True,
    ),
    *(_stalled(resource, full) for resource in ("cpu", "memory", "io") for full in (False, True)),
    _gauge("processes", "Processes.", lambda f: f.processes),
    _gauge("threads", "Threads.", lambda f: f.cgroup.pids or f.processes),
    _gauge("threads_max", "The limit of threads; 0: none.", lambda f: f.details.pids_limit or 0),
    _gauge("file_descriptors", "Open file descriptors.", lambda f: f.descriptors),
    _gauge("sockets", "Sockets among them.", lambda f: f.sockets),
    Family(
        "container_ulimits_soft",
        "Soft resource limits of the first process.",
        lambda f: () if f.open_files_limit is None else ((("max_open_files",), f.open_files_limit),),
        ("ulimit",),
    ),
    _gauge("last_seen", "When it was looked at, in Unix seconds.", lambda f: f.seen_at),
    _gauge("start_time_seconds", "When it was started, in Unix seconds.", lambda f: f.status.started_at // _SECOND),
    _gauge(
        "spec_cpu_period",
        "The period of the CPU limit, in microseconds.",
        lambda f: f.status.config.resources.cpu_period or _DEFAULT_PERIOD,
    ),
    _gauge("spec_cpu_quota", "The CPU limit, in microseconds a period.", _quota),
    _gauge(
        "spec_cpu_shares",
        "The CPU request, in cgroup v1's shares.",
        lambda f: f.status.config.resources.cpu_shares or _DEFAULT_SHARES,
    ),
    _gauge(
        "spec_memory_limit_bytes",
        "The memory limit, in bytes; 0: none.",
        lambda f: max(0, f.status.config.resources.memory_limit or 0),
    ),
    _gauge("spec_memory_reservation_limit_bytes", "The soft memory limit, in bytes; 0: none.", lambda _: 0),
    _gauge("spec_memory_swap_limit_bytes", "The limit of memory and swap, in bytes; 0: none.", _swap_limit),
)

INTERFACE_FAMILIES: Final = (
    InterfaceFamily("container_network_receive_bytes_total", "Bytes received.", lambda one: one.rx_bytes),
    InterfaceFamily("container_network_receive_packets_total", "Packets received.", lambda one: one.rx_packets),
    InterfaceFamily(
        "container_network_receive_packets_dropped_total", "Packets dropped on receipt.", lambda one: one.rx_dropped
    ),
    InterfaceFamily("container_network_receive_errors_total", "Errors on receipt.", lambda one: one.rx_errors),
    InterfaceFamily("container_network_transmit_bytes_total", "Bytes sent.", lambda one: one.tx_bytes),
    InterfaceFamily("container_network_transmit_packets_total", "Packets sent.", lambda one: one.tx_packets),
    InterfaceFamily(
        "container_network_transmit_packets_dropped_total", "Packets dropped on sending.", lambda one: one.tx_dropped
    ),
    InterfaceFamily("container_network_transmit_errors_total", "Errors on sending.", lambda one: one.tx_errors),
)
