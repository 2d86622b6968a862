"""Resources as cgroup files and values, for both generations side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt.cgroups.errors import CgroupError
from pyrt.cgroups.settings import Setting, v1_settings, v2_settings, write_settings
from pyrt.spec import (
    LinuxBlockIO,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    LinuxThrottleDevice,
)


def texts(settings: list[Setting]) -> list[str]:
    return [setting.describe() for setting in settings]


CASES = [
    (
        LinuxResources(cpu=LinuxCPU(shares=1024, quota=50_000, period=100_000)),
        ["cpu.shares = 1024", "cpu.cfs_period_us = 100000", "cpu.cfs_quota_us = 50000"],
        ["cpu.weight = 100", "cpu.max = 50000 100000"],
    ),
    (
        LinuxResources(cpu=LinuxCPU(quota=-1)),
        ["cpu.cfs_quota_us = -1"],
        ["cpu.max = max 100000"],
    ),
    (
        LinuxResources(cpu=LinuxCPU(shares=2, idle=1)),
        ["cpu.shares = 2", "cpu.idle = 1"],
        ["cpu.idle = 1"],
    ),
    (
        LinuxResources(cpu=LinuxCPU(cpus="0-1,3", mems="0")),
        ["cpuset.cpus = 0-1,3", "cpuset.mems = 0"],
        ["cpuset.cpus = 0-1,3", "cpuset.mems = 0"],
    ),
    (
        LinuxResources(memory=LinuxMemory(limit=1 << 20, swap=3 << 20, reservation=1 << 19)),
        [
            "memory.limit_in_bytes = 1048576",
            "memory.memsw.limit_in_bytes = 3145728",
            "memory.soft_limit_in_bytes = 524288",
        ],
        ["memory.max = 1048576", "memory.swap.max = 2097152", "memory.low = 524288"],
    ),
    (
        LinuxResources(memory=LinuxMemory(limit=-1, swap=-1)),
        ["memory.limit_in_bytes = -1", "memory.memsw.limit_in_bytes = -1"],
        ["memory.max = max", "memory.swap.max = max"],
    ),
    (LinuxResources(pids=LinuxPids(limit=7)), ["pids.max = 7"], ["pids.max = 7"]),
    (LinuxResources(pids=LinuxPids(limit=-1)), ["pids.max = max"], ["pids.max = max"]),
    (
        LinuxResources(hugepage_limits=(LinuxHugepageLimit(page_size="2MB", limit=4 << 20),)),
        ["hugetlb.2MB.limit_in_bytes = 4194304"],
        ["hugetlb.2MB.max = 4194304"],
    ),
    (
        LinuxResources(
            block_io=LinuxBlockIO(
                weight=500, throttle_read_bps_device=(LinuxThrottleDevice(major=8, minor=0, rate=1000),)
            )
        ),
        ["blkio.weight = 500", "blkio.throttle.read_bps_device = 8:0 1000"],
        ["io.weight = 4950", "io.max = 8:0 rbps=1000"],
    ),
    (
        LinuxResources(unified={"memory.high": "1000", "cgroup.max.depth": "2"}),
        [],
        ["memory.high = 1000", "cgroup.max.depth = 2"],
    ),
    (LinuxResources(), [], []),
]


@pytest.mark.parametrize(("resources", "v1", "v2"), CASES)
def test_files_and_values(resources: LinuxResources, v1: list[str], v2: list[str]) -> None:
    assert texts(v1_settings(resources)) == v1
    assert texts(v2_settings(resources)) == v2


def test_device_rules_are_lines_on_v1_only() -> None:
    resources = LinuxResources(
        devices=(
            LinuxDeviceCgroup(allow=False, type="a", access="rwm"),
            LinuxDeviceCgroup(allow=True, type="c", access="m"),
            LinuxDeviceCgroup(allow=True, type="c", major=1, minor=3, access="rwm"),
            LinuxDeviceCgroup(allow=True, type="c", major=136, access="rwm"),
        )
    )
    assert texts(v1_settings(resources)) == [
        "devices.deny = a",
        "devices.allow = c *:* m",
        "devices.allow = c 1:3 rwm",
        "devices.allow = c 136:* rwm",
    ]
    assert v2_settings(resources) == []


@pytest.mark.parametrize("name", ["memory", "../x.y", "a/b.c"])
def test_unified_names_are_files_of_a_controller(name: str) -> None:
    with pytest.raises(CgroupError, match="expected the name of a cgroup file"):
        v2_settings(LinuxResources(unified={name: "1"}))


def test_swap_that_a_kernel_cannot_count_is_optional(tmp_path: Path) -> None:
    settings = v1_settings(LinuxResources(memory=LinuxMemory(limit=10, swap=10)))
    (tmp_path / "memory.limit_in_bytes").touch()
    write_settings(str(tmp_path), settings)
    assert (tmp_path / "memory.limit_in_bytes").read_text() == "10"
    assert os.listdir(tmp_path) == ["memory.limit_in_bytes"]


def test_an_error_names_file_and_value(tmp_path: Path) -> None:
    with pytest.raises(CgroupError) as failed:
        write_settings(str(tmp_path), [Setting("pids", "pids.max", "7")])
    assert str(failed.value) == f"write '7' to {tmp_path}/pids.max: No such file or directory"
