"""OCI resources to cgroup files and values: pure, for both generations (runtime-spec, config-linux.md, "Control
groups").

The order of the answer is the order of writing: a period before its quota, the memory limit before memory-and-swap.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from pyrt.cgroups.convert import blkio_weight_v2, swap_v2, weight_of_shares
from pyrt.cgroups.devices_v1 import device_writes
from pyrt.cgroups.errors import CgroupError
from pyrt.cgroups.files import write
from pyrt.records import dataclass
from pyrt.spec import LinuxResources


@dataclass(frozen=True, slots=True)
class Setting:
    """One write."""

    controller: str
    file: str
    value: str
    optional: bool = False
    """A kernel without the file is no error: what is asked for is what such a kernel does anyway."""

    def describe(self) -> str:
        """For ``explain``: ``memory.max = 1048576``."""
        return f"{self.file} = {self.value}"


def write_settings(directory: str, settings: list[Setting]) -> None:
    """Write settings in order. A missing file is an error unless the setting is optional."""
    run: list[str] = []  # consecutive values of one file, which is opened once
    for index, setting in enumerate(settings):
        run.append(setting.value)
        if index + 1 < len(settings) and settings[index + 1].file == setting.file:
            continue
        try:
            write(f"{directory}/{setting.file}", *run)
        except CgroupError as error:
            if not (setting.optional and error.errno == errno.ENOENT):
                raise
        run.clear()


def v1_settings(resources: LinuxResources) -> list[Setting]:
    """The v1 files. ``unified`` means nothing there and is refused by the caller who knows the machine."""
    devices = (Setting("devices", file, value) for file, value in device_writes(resources.devices))
    return [*_cpu_v1(resources), *_memory_v1(resources), *_others_v1(resources), *devices]


def _cpu_v1(resources: LinuxResources) -> Iterator[Setting]:
    cpu = resources.cpu
    if cpu is None:
        return
    if cpu.shares:
        yield Setting("cpu", "cpu.shares", str(cpu.shares))
    if cpu.period:
        yield Setting("cpu", "cpu.cfs_period_us", str(cpu.period))
    if cpu.quota:
        yield Setting("cpu", "cpu.cfs_quota_us", str(max(cpu.quota, -1)))
    if cpu.burst is not None:
        yield Setting("cpu", "cpu.cfs_burst_us", str(cpu.burst), optional=cpu.burst == 0)
    if cpu.realtime_period:
        yield Setting("cpu", "cpu.rt_period_us", str(cpu.realtime_period))
    if cpu.realtime_runtime:
        yield Setting("cpu", "cpu.rt_runtime_us", str(cpu.realtime_runtime))
    if cpu.idle is not None:
        yield Setting("cpu", "cpu.idle", str(cpu.idle), optional=cpu.idle == 0)
    if cpu.cpus:
        yield Setting("cpuset", "cpuset.cpus", cpu.cpus)
    if cpu.mems:
        yield Setting("cpuset", "cpuset.mems", cpu.mems)


def _memory_v1(resources: LinuxResources) -> Iterator[Setting]:
    memory = resources.memory
    if memory is None:
        return
    if memory.limit:
        yield Setting("memory", "memory.limit_in_bytes", str(max(memory.limit, -1)))
    if memory.swap:
        # Without swap accounting there is no file; "no more swap than memory" then cannot be had, nor broken without
        # swap.
        yield Setting("memory", "memory.memsw.limit_in_bytes", str(max(memory.swap, -1)), optional=True)
    if memory.reservation:
        yield Setting("memory", "memory.soft_limit_in_bytes", str(max(memory.reservation, -1)))
    if memory.kernel_tcp:
        yield Setting("memory", "memory.kmem.tcp.limit_in_bytes", str(memory.kernel_tcp))
    if memory.swappiness is not None:
        yield Setting("memory", "memory.swappiness", str(memory.swappiness))
    if memory.disable_oom_killer:
        yield Setting("memory", "memory.oom_control", "1")


def _others_v1(resources: LinuxResources) -> Iterator[Setting]:
    if resources.pids is not None and resources.pids.limit is not None:
        yield Setting("pids", "pids.max", _or_max(resources.pids.limit))
    for page in resources.hugepage_limits:
        # A kubelet names every page size of the machine in every container, most with 0.
        file = f"hugetlb.{page.page_size}.limit_in_bytes"
        yield Setting("hugetlb", file, str(page.limit), optional=page.limit == 0)
    io = resources.block_io
    if io is None:
        return
    if io.weight:
        yield Setting("blkio", "blkio.weight", str(io.weight))
    for device in io.weight_device:
        if device.weight:
            yield Setting("blkio", "blkio.weight_device", f"{device.major}:{device.minor} {device.weight}")
    for file, devices in (
        ("read_bps", io.throttle_read_bps_device),
        ("write_bps", io.throttle_write_bps_device),
        ("read_iops", io.throttle_read_iops_device),
        ("write_iops", io.throttle_write_iops_device),
    ):
        for limit in devices:
            yield Setting("blkio", f"blkio.throttle.{file}_device", f"{limit.major}:{limit.minor} {limit.rate}")


def v2_settings(resources: LinuxResources) -> list[Setting]:
    """The v2 files, ``unified`` last: it has the last word (config-linux.md, "Unified"). Devices are a BPF program
    instead.
    """
    return [*_cpu_v2(resources), *_memory_v2(resources), *_others_v2(resources), *_unified(resources)]


def _cpu_v2(resources: LinuxResources) -> Iterator[Setting]:
    cpu = resources.cpu
    if cpu is None:
        return
    if cpu.idle is not None:
        yield Setting("cpu", "cpu.idle", str(cpu.idle), optional=cpu.idle == 0)
    if cpu.shares and cpu.idle != 1:  # an idle group refuses a weight
        yield Setting("cpu", "cpu.weight", str(weight_of_shares(cpu.shares)))
    if cpu.quota or cpu.period:
        quota = str(cpu.quota) if cpu.quota and cpu.quota > 0 else "max"
        yield Setting("cpu", "cpu.max", f"{quota} {cpu.period or 100_000}")
    if cpu.burst is not None:
        yield Setting("cpu", "cpu.max.burst", str(cpu.burst), optional=cpu.burst == 0)
    if cpu.cpus:
        yield Setting("cpuset", "cpuset.cpus", cpu.cpus)
    if cpu.mems:
        yield Setting("cpuset", "cpuset.mems", cpu.mems)


def _memory_v2(resources: LinuxResources) -> Iterator[Setting]:
    memory = resources.memory
    if memory is None:
        return
    if memory.limit:
        yield Setting("memory", "memory.max", _or_max(memory.limit))
    if memory.swap:
        swap = swap_v2(memory.limit, memory.swap)
        if swap is not None:
            yield Setting("memory", "memory.swap.max", _or_max(swap), optional=swap <= 0)
    if memory.reservation:
        yield Setting("memory", "memory.low", _or_max(memory.reservation))


def _others_v2(resources: LinuxResources) -> Iterator[Setting]:
    if resources.pids is not None and resources.pids.limit is not None:
        yield Setting("pids", "pids.max", _or_max(resources.pids.limit))
    for page in resources.hugepage_limits:
        yield Setting("hugetlb", f"hugetlb.{page.page_size}.max", str(page.limit), optional=page.limit == 0)
    io = resources.block_io
    if io is None:
        return
    if io.weight:
        yield Setting("io", "io.weight", str(blkio_weight_v2(io.weight)))
    for device in io.weight_device:
        if device.weight:
            yield Setting("io", "io.weight", f"{device.major}:{device.minor} {blkio_weight_v2(device.weight)}")
    for key, devices in (
        ("rbps", io.throttle_read_bps_device),
        ("wbps", io.throttle_write_bps_device),
        ("riops", io.throttle_read_iops_device),
        ("wiops", io.throttle_write_iops_device),
    ):
        for limit in devices:
            yield Setting("io", "io.max", f"{limit.major}:{limit.minor} {key}={limit.rate}")


def _unified(resources: LinuxResources) -> Iterator[Setting]:
    for file, value in (resources.unified or {}).items():
        controller, dot, _ = file.partition(".")
        if not dot or "/" in file:
            raise CgroupError("expected the name of a cgroup file such as memory.high", operation=f"unified {file!r}")
        # cgroup.* files belong to every cgroup and to no controller.
        yield Setting("" if controller == "cgroup" else controller, file, value)


def _or_max(limit: int) -> str:
    return str(limit) if limit > 0 else "max"
