"""What a cgroup counted, in the same units for v1 and v2."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CgroupStats:
    """Counters of one cgroup and everything below it. 0 where the kernel lacks the controller."""

    cpu_usage_ns: int = 0
    """CPU time used since the cgroup was made, nanoseconds."""
    cpu_user_ns: int = 0
    cpu_system_ns: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0
    memory_usage: int = 0
    """Bytes, page cache included."""
    memory_working_set: int = 0
    """``memory_usage`` less inactive file pages: what the kubelet's eviction and ``top`` look at."""
    memory_rss: int = 0
    """Anonymous memory, bytes."""
    memory_limit: int | None = None
    """Bytes; ``None`` is unlimited."""
    memory_peak: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    swap_usage: int = 0
    pids: int = 0
    pids_limit: int | None = None
