"""What this kernel and this process can do, asked once. The compiler reads it; the player never decides."""

from __future__ import annotations

import functools
import os

from pyrt import _native
from pyrt.launch import capabilities
from pyrt.records import dataclass


@dataclass(frozen=True, slots=True)
class Features:
    """Findings. The defaults are those of a current kernel, for plans that are only printed."""

    capabilities: int = capabilities.ALL
    """What a container may have at most."""
    overlay_append: bool = True
    """overlayfs takes ``lowerdir+`` (Linux 6.7), one layer at a time, so that their number is not bounded by a
    string.
    """
    overlay_volatile: bool = True
    """overlayfs has ``volatile`` (Linux 5.10)."""
    overlay_index: bool = True
    """overlayfs has ``index``, which has to be off for layers that several roots share."""
    overlay_idmapped: bool = True
    """overlayfs takes layers on ID-mapped mounts (Linux 5.19)."""
    mqueue: bool = True
    seccomp: bool = True
    apparmor: bool = False
    selinux: bool = False


def _overlay_takes(key: str, value: str | None) -> bool:
    try:
        fd = _native.fsopen("overlay")
    except OSError:
        return False
    try:
        command = _native.FSCONFIG_SET_FLAG if value is None else _native.FSCONFIG_SET_STRING
        _native.fsconfig(fd, command, key, value)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _file_system(name: str) -> bool:
    try:
        os.close(_native.fsopen(name))
    except OSError:
        return False
    return True


def _reads_yes(path: str) -> bool:
    try:
        with open(path) as f:
            return f.read(1) == "Y"
    except OSError:
        return False


def _release() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


@functools.cache
def probe() -> Features:
    """Ask the kernel. Needs CAP_SYS_ADMIN for the truth about file systems; cheap, and remembered."""
    return Features(
        capabilities=capabilities.of_process(),
        # Before Linux 6.5 overlayfs took any key and looked at none before the mount.
        overlay_append=_release() >= (6, 7) and _overlay_takes("lowerdir+", "/"),
        overlay_volatile=_release() >= (5, 10),
        overlay_index=os.path.exists("/sys/module/overlay/parameters/index"),
        overlay_idmapped=_release() >= (5, 19),
        mqueue=_file_system("mqueue"),
        seccomp=os.path.exists("/proc/sys/kernel/seccomp/actions_avail"),
        apparmor=_reads_yes("/sys/module/apparmor/parameters/enabled"),
        selinux=os.path.exists("/sys/fs/selinux/enforce"),
    )
