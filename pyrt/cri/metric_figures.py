"""Everything that metrics tell of one container, read in a worker thread."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pyrt.cgroups import CgroupDriver, CgroupStats
from pyrt.cgroups.stats import CgroupDetails, Pressures
from pyrt.cri.layers import LayerUsage
from pyrt.runtime.status import ContainerStatus

MOST_DESCRIPTORS = 50_000
"""Of one container; what is above is not counted. Each takes a system call to be known as a socket or not."""
_OPEN_FILES = re.compile(r"^Max open files\s+(\d+|unlimited)", re.M)


@dataclass(frozen=True, slots=True)
class FileSystem:
    """The one that writable layers are on."""

    device: str
    size: int
    """Bytes."""
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One running container, now."""

    status: ContainerStatus
    seen_at: int
    """Unix seconds."""
    cgroup: CgroupStats
    details: CgroupDetails
    pressures: Pressures
    processes: int
    descriptors: int
    sockets: int
    open_files_limit: int | None
    """Soft RLIMIT_NOFILE of the first process; ``None``: unlimited, or not known any more."""
    layer: LayerUsage
    file_system: FileSystem


def figures(
    status: ContainerStatus, driver: CgroupDriver, cgroup: str, layer: LayerUsage, file_system: FileSystem
) -> Figures:
    """Look at one container."""
    pids = driver.processes(cgroup)
    descriptors, sockets = count_descriptors(pids)
    return Figures(
        status=status,
        seen_at=int(time.time()),
        cgroup=driver.stats(cgroup),
        details=driver.details(cgroup),
        pressures=driver.pressures(cgroup),
        processes=len(pids),
        descriptors=descriptors,
        sockets=sockets,
        open_files_limit=_open_files(status.pid),
        layer=layer,
        file_system=file_system,
    )


def count_descriptors(pids: Sequence[int]) -> tuple[int, int]:
    """(open descriptors, sockets among them) of some processes (proc_pid_fd(5))."""
    found = sockets = 0
    for pid in pids:
        directory = f"/proc/{pid}/fd"
        try:
            names = os.listdir(directory)
        except OSError:
            continue  # it has ended
        names = names[: MOST_DESCRIPTORS - found]
        found += len(names)
        for name in names:
            with contextlib.suppress(OSError):
                sockets += os.readlink(f"{directory}/{name}").startswith("socket:")
    return found, sockets


def _open_files(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    limit = _OPEN_FILES.search(text)
    return int(limit[1]) if limit and limit[1] != "unlimited" else None


def file_system_of(directory: Path) -> FileSystem:
    """The one that a directory is on. Raises OSError."""
    number, space = directory.stat().st_dev, os.statvfs(directory)
    return FileSystem(
        device=device_name(f"{os.major(number)}:{os.minor(number)}"),
        size=space.f_blocks * space.f_frsize,
        inodes=space.f_files,
        inodes_free=space.f_ffree,
    )


@lru_cache(maxsize=256)
def device_name(number: str) -> str:
    """``8:0`` -> ``/dev/sda``; the number itself where there is no such block device (overlay, btrfs, NFS)."""
    try:
        return "/dev/" + os.path.basename(os.readlink(f"/sys/dev/block/{number}"))
    except OSError:
        return number
