"""What a Kubernetes container has unless it asks for something else: mounts, hidden paths (runtime-spec and kubelet
defaults).
"""

from __future__ import annotations

import functools
import glob

from pyrt.spec import Mount

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)


@functools.cache
def masked_paths() -> tuple[str, ...]:
    """The masked paths with those whose names depend on the machine: what tells of each processor's heat."""
    cpus = glob.glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")
    return (*MASKED_PATHS, *sorted(cpus))


READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

PROC = Mount(destination="/proc", type="proc", source="proc", options=("nosuid", "noexec", "nodev"))
DEV = Mount(
    destination="/dev", type="tmpfs", source="tmpfs", options=("nosuid", "strictatime", "mode=755", "size=65536k")
)
DEVPTS = Mount(
    destination="/dev/pts",
    type="devpts",
    source="devpts",
    options=("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
)
MQUEUE = Mount(destination="/dev/mqueue", type="mqueue", source="mqueue", options=("nosuid", "noexec", "nodev"))
SYS = Mount(destination="/sys", type="sysfs", source="sysfs", options=("nosuid", "noexec", "nodev", "ro"))
CGROUP = Mount(
    destination="/sys/fs/cgroup",
    type="cgroup",
    source="cgroup",
    options=("nosuid", "noexec", "nodev", "relatime", "ro"),
)
SHM = Mount(
    destination="/dev/shm",
    type="tmpfs",
    source="shm",
    options=("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
)


def _writable(mount: Mount) -> Mount:
    return Mount(
        destination=mount.destination,
        type=mount.type,
        source=mount.source,
        options=tuple(word for word in mount.options if word != "ro"),
    )


def default_mounts(*, shm: str | None = None, privileged: bool = False) -> tuple[Mount, ...]:
    """The file systems of a container. ``shm`` is the directory of the pod's shared memory; without it the container
    has its own.

    A privileged container may write to /sys and to its cgroup.
    """
    shared = (
        SHM if shm is None else Mount(destination="/dev/shm", type="bind", source=shm, options=("rbind", "rprivate"))
    )
    sys, cgroup = (_writable(SYS), _writable(CGROUP)) if privileged else (SYS, CGROUP)
    return (PROC, DEV, DEVPTS, MQUEUE, shared, sys, cgroup)
