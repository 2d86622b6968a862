"""Limits in CRI's vocabulary to the runtime-spec's (pure)."""

from __future__ import annotations

from pyrt.runtime.config import Resources
from pyrt.spec import (
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
)


def linux_resources(resources: Resources, devices: tuple[LinuxDeviceCgroup, ...] = ()) -> LinuxResources:
    """What :class:`pyrt.cgroups.CgroupDriver` takes.

    A container with a memory limit gets no swap beyond it unless it asks: the kubelet's nodes have no swap for pods
    by default (KEP-2400, NoSwap).
    """
    cpu = memory = pids = None
    if (
        resources.cpu_shares
        or resources.cpu_quota
        or resources.cpu_period
        or resources.cpuset_cpus
        or resources.cpuset_mems
    ):
        cpu = LinuxCPU(
            shares=resources.cpu_shares,
            quota=resources.cpu_quota,
            period=resources.cpu_period,
            cpus=resources.cpuset_cpus,
            mems=resources.cpuset_mems,
        )
    if resources.memory_limit:
        swap = resources.memory_swap_limit
        memory = LinuxMemory(limit=resources.memory_limit, swap=resources.memory_limit if swap is None else swap)
    if resources.pids_limit:
        pids = LinuxPids(limit=resources.pids_limit)
    pages = tuple(LinuxHugepageLimit(page_size=size, limit=limit) for size, limit in resources.hugepage_limits.items())
    return LinuxResources(
        cpu=cpu, memory=memory, pids=pids, hugepage_limits=pages, unified=resources.unified, devices=devices
    )
