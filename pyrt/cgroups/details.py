"""Counters that only metrics need: failures, kernel memory, block devices, huge pages, pressure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from pyrt.cgroups.files import read_int, read_keyed, read_limit, read_or_none
from pyrt.cgroups.stats import CgroupDetails, DeviceIo, HugePages, Pressure, Pressures, Stall

_NOWHERE = "/nowhere"
_HUGE_PAGES = "/sys/kernel/mm/hugepages"
_TICK = 10_000_000
"""Nanoseconds: cpuacct.stat counts USER_HZ, 100 a second on every Linux architecture that matters."""


def v1_details(of: Mapping[str, str], unified: str) -> CgroupDetails:
    """``of``: the cgroup's directory by controller; ``unified``: the one on the cgroup2 mount, for controllers that v1
    does not have.
    """
    memory = of.get("memory", _NOWHERE)
    split = read_keyed(f"{of.get('cpuacct', _NOWHERE)}/cpuacct.stat")
    throttling = read_keyed(f"{of.get('cpu', _NOWHERE)}/cpu.stat")
    return CgroupDetails(
        cpu_user_ns=split.get("user", 0) * _TICK,
        cpu_system_ns=split.get("system", 0) * _TICK,
        periods=throttling.get("nr_periods", 0),
        throttled_periods=throttling.get("nr_throttled", 0),
        throttled_ns=throttling.get("throttled_time", 0),
        memory_peak=read_int(f"{memory}/memory.max_usage_in_bytes"),
        oom_kills=read_keyed(f"{memory}/memory.oom_control").get("oom_kill", 0),
        memory_failures=read_int(f"{memory}/memory.failcnt"),
        kernel_memory=read_int(f"{memory}/memory.kmem.usage_in_bytes"),
        io=_v1_io(of.get("blkio", _NOWHERE)),
        huge_pages=_v1_huge_pages(of["hugetlb"]) if "hugetlb" in of else _v2_huge_pages(unified),
        pids_limit=read_limit(f"{of.get('pids', _NOWHERE)}/pids.max"),
    )


def v2_details(directory: str) -> CgroupDetails:
    """Of the cgroup in this directory."""
    events, cpu = read_keyed(f"{directory}/memory.events"), read_keyed(f"{directory}/cpu.stat")
    return CgroupDetails(
        cpu_user_ns=cpu.get("user_usec", 0) * 1000,
        cpu_system_ns=cpu.get("system_usec", 0) * 1000,
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_ns=cpu.get("throttled_usec", 0) * 1000,
        memory_peak=read_int(f"{directory}/memory.peak"),
        oom_kills=events.get("oom_kill", 0),
        memory_failures=events.get("max", 0),
        kernel_memory=read_keyed(f"{directory}/memory.stat").get("kernel", 0),
        io=parse_io_stat(read_or_none(f"{directory}/io.stat") or ""),
        huge_pages=_v2_huge_pages(directory),
        pids_limit=read_limit(f"{directory}/pids.max"),
    )


def v2_pressures(directory: str) -> Pressures:
    """Of the cgroup in this directory."""
    cpu, memory, io = (
        parse_pressure(read_or_none(f"{directory}/{resource}.pressure") or "") for resource in ("cpu", "memory", "io")
    )
    return Pressures(cpu, memory, io)


def parse_pressure(text: str) -> Pressure | None:
    """``some avg10=0.00 avg60=0.00 avg300=0.00 total=0``, and the same of ``full``, which cpu.pressure lacks before
    Linux 5.13. Empty where PSI is off.
    """
    lines = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        fields = dict(word.partition("=")[::2] for word in rest.split())
        lines[kind] = Stall(
            int(fields.get("total", 0)) * 1000,
            *(float(fields.get(window, 0)) for window in ("avg10", "avg60", "avg300")),
        )
    return Pressure(lines["some"], lines.get("full", Stall())) if "some" in lines else None


def parse_io_stat(text: str) -> tuple[DeviceIo, ...]:
    """``8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0``; a device that did nothing has only its number."""
    found = []
    for line in text.splitlines():
        device, *words = line.split()
        n = {key: int(value) for key, _, value in (word.partition("=") for word in words) if value.isdigit()}
        found.append(DeviceIo(device, n.get("rbytes", 0), n.get("wbytes", 0), n.get("rios", 0), n.get("wios", 0)))
    return tuple(found)


def _v1_io(directory: str) -> tuple[DeviceIo, ...]:
    return parse_throttle(
        read_or_none(f"{directory}/blkio.throttle.io_service_bytes_recursive") or "",
        read_or_none(f"{directory}/blkio.throttle.io_serviced_recursive") or "",
    )


def parse_throttle(service_bytes: str, serviced: str) -> tuple[DeviceIo, ...]:
    """``8:0 Read 4096`` and so on, with a ``Total`` at the end (blkio-controller.rst)."""
    bytes_of, count_of = _by_device(service_bytes), _by_device(serviced)
    nothing: dict[str, int] = {}
    found = []
    for device in {**bytes_of, **count_of}:
        size, count = bytes_of.get(device, nothing), count_of.get(device, nothing)
        moved = (size.get("Read", 0), size.get("Write", 0))
        found.append(DeviceIo(device, *moved, count.get("Read", 0), count.get("Write", 0)))
    return tuple(found)


def _by_device(text: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2].isdigit():
            found.setdefault(words[0], {})[words[1]] = int(words[2])
    return found


def _v1_huge_pages(directory: str) -> tuple[HugePages, ...]:
    return tuple(
        HugePages(
            size,
            read_int(f"{directory}/hugetlb.{size}.usage_in_bytes"),
            read_int(f"{directory}/hugetlb.{size}.max_usage_in_bytes"),
        )
        for size in _page_sizes()
    )


def _v2_huge_pages(directory: str) -> tuple[HugePages, ...]:
    return tuple(HugePages(size, read_int(f"{directory}/hugetlb.{size}.current")) for size in _page_sizes())


@cache
def _page_sizes() -> tuple[str, ...]:
    """``2MB``, ``1GB``: as the kernel writes them in the names of files (mm/hugetlb_cgroup.c, ``mem_fmt``)."""
    try:
        names = os.listdir(_HUGE_PAGES)
    except OSError:
        return ()
    return tuple(size_name(int(name[len("hugepages-") : -len("kB")]) * 1024) for name in sorted(names))


def size_name(size: int) -> str:
    """Bytes in the kernel's words."""
    for power, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if size >= 1 << power:
            return f"{size >> power}{unit}"
    return f"{size}B"
