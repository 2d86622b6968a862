"""``events``: a cgroup's counters in the document that runc prints, for both generations of cgroups."""

from __future__ import annotations

import os

from pyrt.cgroups.detect import Hierarchies, detect
from pyrt.cgroups.files import read_int, read_keyed, read_or_none
from pyrt.oci.state import State
from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_TICK = 10_000_000
"""cpuacct.stat counts USER_HZ, which is 100 a second."""
_NONE = "/nowhere"


def statistics(state: State) -> dict[str, Any]:
    """The ``data`` of a ``stats`` event."""
    hierarchies = detect()
    of = _directories(state, hierarchies)
    data = _v2(of[""]) if not hierarchies.v1 else _v1(of)
    data["intel_rdt"] = {}
    data["network_interfaces"] = interfaces(state.pid)
    return data


def _directories(state: State, hierarchies: Hierarchies) -> dict[str, str]:
    found = {}
    for hierarchy in hierarchies.v1:
        for tasks in state.cgroup.tasks:
            if tasks.startswith(hierarchy.mount_point + "/"):
                found.update(dict.fromkeys(hierarchy.controllers, os.path.dirname(tasks)))
    if state.cgroup.directory is not None:
        found[""] = state.cgroup.directory
    return found


def _numbers(text: str | None) -> list[int]:
    return [int(word) for word in (text or "").split() if word.isdigit()]


def _v1(of: dict[str, str]) -> dict[str, Any]:
    cpu, account = of.get("cpu", _NONE), of.get("cpuacct", _NONE)
    split, throttling = read_keyed(f"{account}/cpuacct.stat"), read_keyed(f"{cpu}/cpu.stat")
    memory, pids = of.get("memory", _NONE), of.get("pids", _NONE)
    raw = read_keyed(f"{memory}/memory.stat")
    return {
        "cpu": {
            "usage": {
                "total": read_int(f"{account}/cpuacct.usage"),
                "percpu": _numbers(read_or_none(f"{account}/cpuacct.usage_percpu")),
                "kernel": split.get("system", 0) * _TICK,
                "user": split.get("user", 0) * _TICK,
            },
            "throttling": {
                "periods": throttling.get("nr_periods", 0),
                "throttledPeriods": throttling.get("nr_throttled", 0),
                "throttledTime": throttling.get("throttled_time", 0),
            },
        },
        "cpuset": _cpuset(of.get("cpuset", _NONE)),
        "memory": {
            "cache": raw.get("cache", 0),
            "usage": _memory_entry(memory, "memory"),
            "swap": _memory_entry(memory, "memory.memsw"),
            "kernel": _memory_entry(memory, "memory.kmem"),
            "kernelTCP": _memory_entry(memory, "memory.kmem.tcp"),
            "raw": raw,
        },
        "pids": {"current": read_int(f"{pids}/pids.current"), "limit": read_int(f"{pids}/pids.max")},
        "blkio": _blkio(of.get("blkio", _NONE)),
        "hugetlb": _hugetlb_v1(of.get("hugetlb", _NONE)),
    }


def _memory_entry(directory: str, prefix: str) -> dict[str, int]:
    return {
        "limit": read_int(f"{directory}/{prefix}.limit_in_bytes"),
        "usage": read_int(f"{directory}/{prefix}.usage_in_bytes"),
        "max": read_int(f"{directory}/{prefix}.max_usage_in_bytes"),
        "failcnt": read_int(f"{directory}/{prefix}.failcnt"),
    }


def cpus(text: str) -> list[int]:
    """``0-2,5`` -> 0, 1, 2, 5."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found += range(int(first), int(last or first) + 1)
    return found


def _cpuset(directory: str) -> dict[str, Any]:
    number = {
        "cpu_exclusive": "cpu_exclusive", "mem_hardwall": "mem_hardwall", "mem_exclusive": "mem_exclusive",
        "memory_migrate": "memory_migrate", "memory_spread_page": "memory_spread_page",
        "memory_spread_slab": "memory_spread_slab", "memory_pressure": "memory_pressure",
        "sched_load_balance": "sched_load_balance", "sched_relax_domain_level": "sched_relax_domain_level",
    }  # fmt: skip
    found: dict[str, Any] = {
        "cpus": cpus(read_or_none(f"{directory}/cpuset.cpus") or ""),
        "mems": cpus(read_or_none(f"{directory}/cpuset.mems") or ""),
    }
    for key, file in number.items():
        text = (read_or_none(f"{directory}/cpuset.{file}") or "0").strip()
        found[key] = int(text) if text.lstrip("-").isdigit() else 0
    return found


def _blkio(directory: str) -> dict[str, Any]:
    files = {
        "ioServiceBytesRecursive": "blkio.throttle.io_service_bytes_recursive",
        "ioServicedRecursive": "blkio.throttle.io_serviced_recursive",
    }
    found = {}
    for key, file in files.items():
        entries = []
        for line in (read_or_none(f"{directory}/{file}") or "").splitlines():
            words = line.replace(":", " ").split()
            if len(words) == 4:
                entries.append({"major": int(words[0]), "minor": int(words[1]), "op": words[2], "value": int(words[3])})
        if entries:
            found[key] = entries
    return found


def _page_sizes(directory: str, suffix: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(name.split(".")[1] for name in names if name.startswith("hugetlb.") and name.endswith(suffix))


def _hugetlb_v1(directory: str) -> dict[str, Any]:
    return {
        size: {
            "usage": read_int(f"{directory}/hugetlb.{size}.usage_in_bytes"),
            "max": read_int(f"{directory}/hugetlb.{size}.max_usage_in_bytes"),
            "failcnt": read_int(f"{directory}/hugetlb.{size}.failcnt"),
        }
        for size in _page_sizes(directory, ".limit_in_bytes")
        if ".rsvd" not in size
    }


def _v2(directory: str) -> dict[str, Any]:
    cpu, raw = read_keyed(f"{directory}/cpu.stat"), read_keyed(f"{directory}/memory.stat")
    events = read_keyed(f"{directory}/memory.events")
    usage, swap = read_int(f"{directory}/memory.current"), read_int(f"{directory}/memory.swap.current")
    return {
        "cpu": {
            "usage": {
                "total": cpu.get("usage_usec", 0) * 1000,
                "kernel": cpu.get("system_usec", 0) * 1000,
                "user": cpu.get("user_usec", 0) * 1000,
            },
            "throttling": {
                "periods": cpu.get("nr_periods", 0),
                "throttledPeriods": cpu.get("nr_throttled", 0),
                "throttledTime": cpu.get("throttled_usec", 0) * 1000,
            },
            **_pressure(directory, "cpu"),
        },
        "cpuset": {
            "cpus": cpus(read_or_none(f"{directory}/cpuset.cpus.effective") or ""),
            "mems": cpus(read_or_none(f"{directory}/cpuset.mems.effective") or ""),
        },
        "memory": {
            "cache": raw.get("file", 0),
            "usage": {
                "limit": _limit(f"{directory}/memory.max"),
                "usage": usage,
                "max": read_int(f"{directory}/memory.peak"),
                "failcnt": events.get("max", 0),
            },
            # runc's document counts memory and swap together, as v1 does.
            "swap": {"limit": _limit(f"{directory}/memory.swap.max"), "usage": usage + swap, "failcnt": 0},
            "raw": raw,
            **_pressure(directory, "memory"),
        },
        "pids": {"current": read_int(f"{directory}/pids.current"), "limit": read_int(f"{directory}/pids.max")},
        "blkio": {**_io(directory), **_pressure(directory, "io")},
        "hugetlb": {
            size: {
                "usage": read_int(f"{directory}/hugetlb.{size}.current"),
                "failcnt": read_keyed(f"{directory}/hugetlb.{size}.events").get("max", 0),
            }
            for size in _page_sizes(directory, ".max")
            if ".rsvd" not in size
        },
    }


def _limit(path: str) -> int:
    return read_int(path) or (1 << 64) - 1


def _io(directory: str) -> dict[str, Any]:
    names = {"rbytes": ("ioServiceBytesRecursive", "Read"), "wbytes": ("ioServiceBytesRecursive", "Write"),
             "rios": ("ioServicedRecursive", "Read"), "wios": ("ioServicedRecursive", "Write")}  # fmt: skip
    found: dict[str, Any] = {}
    for line in (read_or_none(f"{directory}/io.stat") or "").splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key in names:
                table, op = names[key]
                entry = {"major": int(major), "minor": int(minor), "op": op, "value": int(value)}
                found.setdefault(table, []).append(entry)
    return found


def _pressure(directory: str, resource: str) -> dict[str, Any]:
    found = {}
    for line in (read_or_none(f"{directory}/{resource}.pressure") or "").splitlines():
        kind, *pairs = line.split()
        values = dict(pair.split("=", 1) for pair in pairs)
        found[kind] = {key: int(value) if key == "total" else float(value) for key, value in values.items()}
    return {"psi": found} if found else {}


def interfaces(pid: int) -> list[dict[str, Any]]:
    """The container's network interfaces (proc_pid_net(5), ``dev``), without the loopback."""
    found = []
    for line in (read_or_none(f"/proc/{pid}/net/dev") or "").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split()]
        if name.strip() == "lo" or len(numbers) < 12:
            continue
        received, sent = numbers[:4], numbers[8:12]
        entry: dict[str, Any] = {"Name": name.strip()}
        for prefix, values in (("Rx", received), ("Tx", sent)):
            entry.update(
                zip((f"{prefix}{word}" for word in ("Bytes", "Packets", "Errors", "Dropped")), values, strict=True)
            )
        found.append(entry)
    return found
