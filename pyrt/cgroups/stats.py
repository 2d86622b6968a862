"""What a cgroup counted, in the same units for v1 and v2."""

from __future__ import annotations

from pyrt.records import dataclass


@dataclass(frozen=True, slots=True)
class CgroupStats:
    """Counters of one cgroup and everything below it. 0 where the kernel lacks the controller."""

    cpu_usage_ns: int = 0
    """CPU time used since the cgroup was made, nanoseconds."""
    memory_usage: int = 0
    """Bytes, page cache included."""
    memory_working_set: int = 0
    """``memory_usage`` less inactive file pages: what the kubelet's eviction and ``top`` look at."""
    memory_rss: int = 0
    """Anonymous memory, bytes."""
    memory_limit: int | None = None
    """Bytes; ``None`` is unlimited."""
    memory_cache: int = 0
    """Page cache, bytes."""
    memory_mapped: int = 0
    """Mapped files, bytes."""
    active_file: int = 0
    inactive_file: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    swap_usage: int = 0
    swap_limit: int | None = None
    """Bytes; ``None`` is unlimited."""
    pids: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """One line of a pressure file (Documentation/accounting/psi.rst)."""

    total_ns: int = 0
    """How long it lasted in all, nanoseconds."""
    avg10: float = 0.0
    """Percent of the last 10 seconds."""
    avg60: float = 0.0
    avg300: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """How long tasks of a cgroup waited for one resource."""

    some: Stall
    """At least one of them did."""
    full: Stall
    """All that were not idle did."""


@dataclass(frozen=True, slots=True)
class Pressures:
    """``None`` where the kernel does not say: cgroup v1, or PSI is off."""

    cpu: Pressure | None = None
    memory: Pressure | None = None
    io: Pressure | None = None


@dataclass(frozen=True, slots=True)
class DeviceIo:
    """What one block device was asked for."""

    device: str
    """``major:minor``."""
    read_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True)
class HugePages:
    """Huge pages of one size."""

    size: str
    """As the kernel names it: ``2MB``."""
    usage: int = 0
    """Bytes."""
    peak: int = 0
    """Bytes; 0 on cgroup v2, which does not keep it."""


@dataclass(frozen=True, slots=True)
class CgroupDetails:
    """More counters of one cgroup, which take more files to find."""

    cpu_user_ns: int = 0
    cpu_system_ns: int = 0
    periods: int = 0
    """In which a limit was in force and something ran (CFS bandwidth control)."""
    throttled_periods: int = 0
    throttled_ns: int = 0
    memory_peak: int = 0
    oom_kills: int = 0
    memory_failures: int = 0
    """How often usage has met the limit (v1: memory.failcnt, v2: ``max`` of memory.events)."""
    kernel_memory: int = 0
    """Bytes."""
    io: tuple[DeviceIo, ...] = ()
    huge_pages: tuple[HugePages, ...] = ()
    pids_limit: int | None = None
