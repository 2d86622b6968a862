"""The kernel: system calls, namespaces, cgroups, overlayfs, seccomp, security modules."""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pyrt.cli.check.model import CLONE_NEWNS, Finding, Status, finding, in_child, libc, mount, read

MS_REC = 0x4000
MS_PRIVATE = 1 << 18

SYSTEM_CALLS = {
    "openat2": (437, "5.6", "paths in a container are resolved with it"),
    "clone3": (435, "5.5", "containers are started with it"),
    "pidfd_open": (434, "5.3", "processes are watched with it"),
    "open_tree": (428, "5.2", "volumes are mounted with it"),
    "fsopen": (430, "5.2", "file systems are mounted with it"),
    "move_mount": (429, "5.2", "mounts are put in place with it"),
    "close_range": (436, "5.9", "descriptors are closed with it"),
    "mount_setattr": (442, "5.12", "recursive read-only mounts are made with it"),
}
"""Numbers are the same on every architecture since Linux 5.1."""

NAMESPACES = {
    "mnt": "CONFIG_NAMESPACES",
    "net": "CONFIG_NET_NS",
    "pid": "CONFIG_PID_NS",
    "ipc": "CONFIG_IPC_NS",
    "uts": "CONFIG_UTS_NS",
    "cgroup": "CONFIG_CGROUPS",
}
NECESSARY_CONTROLLERS = frozenset({"cpu", "memory", "pids"})
USEFUL_CONTROLLERS = frozenset({"cpuset", "hugetlb"})


def release() -> Iterator[Finding]:
    """For the record."""
    system = os.uname()
    yield Finding("kernel", Status.OK, f"{system.sysname} {system.release} {system.machine}")


def system_calls() -> Iterator[Finding]:
    """Call each with arguments that no kernel takes: ENOSYS means that it is not there."""
    missing = {}
    for name, (number, since, use) in SYSTEM_CALLS.items():
        ctypes.set_errno(0)
        libc.syscall(ctypes.c_long(number), ctypes.c_long(-1), None, ctypes.c_ulong(0xFFFFFFFF), 0, 0)
        if ctypes.get_errno() == errno.ENOSYS:
            missing[name] = f"{name} (Linux {since}; {use})"
    optional = missing.pop("mount_setattr", "")
    yield finding(
        "system calls",
        not missing,
        f"missing: {', '.join(missing.values())}" if missing else ", ".join(SYSTEM_CALLS),
        "use a newer kernel, or a container manager's seccomp profile that allows them",
    )
    if optional:
        yield Finding("mount_setattr", Status.WARNING, f"missing: {optional}", "use Linux 5.12 or later")


def namespaces() -> Iterator[Finding]:
    """Kinds of namespace that the kernel has."""
    missing = [
        f"{name} ({option})" for name, option in NAMESPACES.items() if not os.path.exists(f"/proc/self/ns/{name}")
    ]
    yield finding(
        "namespaces",
        not missing,
        f"missing: {', '.join(missing)}" if missing else ", ".join(NAMESPACES),
        "use a kernel built with these options",
    )


def user_namespaces() -> Iterator[Finding]:
    """Pods with ``hostUsers: false``."""
    allowed = os.path.exists("/proc/self/ns/user") and read("/proc/sys/user/max_user_namespaces") not in {"", "0"}
    yield finding(
        "user namespaces",
        allowed,
        f"up to {read('/proc/sys/user/max_user_namespaces')}" if allowed else "switched off",
        "sysctl user.max_user_namespaces=15000 (only pods with hostUsers: false need it)",
        otherwise=Status.WARNING,
    )


def cgroups() -> Iterator[Finding]:
    """Hierarchies and controllers."""
    from pyrt.cgroups.detect import detect
    from pyrt.cgroups.errors import CgroupError

    try:
        found = detect()
    except (CgroupError, OSError) as error:
        yield Finding("cgroups", Status.MISSING, str(error), "mount -t cgroup2 none /sys/fs/cgroup")
        return
    missing = NECESSARY_CONTROLLERS - found.controllers
    yield finding(
        "cgroups",
        not missing,
        f"{found.mode.value}: {' '.join(sorted(found.controllers)) or 'no controllers'}",
        f"enable the controllers {', '.join(sorted(missing))} (kernel command line: cgroup_enable=memory)",
    )
    if absent := USEFUL_CONTROLLERS - found.controllers:
        yield Finding(
            "cgroup controllers",
            Status.WARNING,
            f"missing: {', '.join(sorted(absent))}",
            "only pods that pin processors or use huge pages need them",
        )


def overlay() -> Iterator[Finding]:
    """Mount one, over directories on a tmpfs, in a mount namespace that ends with the child."""
    remedy = "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS"
    if os.geteuid() != 0:
        known = "overlay" in read("/proc/filesystems")
        status = Status.OK if known else Status.UNKNOWN
        yield Finding("overlayfs", status, "known to the kernel" if known else "not loaded; run as root to try it")
        return
    with tempfile.TemporaryDirectory(prefix="pyrt-check-") as directory:
        problem = in_child(lambda: _mount_overlay(directory), namespaces=CLONE_NEWNS)
    yield finding("overlayfs", not problem, problem or "works", remedy)


def _mount_overlay(directory: str) -> None:
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("pyrt-check", directory, "tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        Path(directory, name).mkdir()
    places = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
    mount("overlay", f"{directory}/merged", "overlay", 0, places)
    Path(directory, "merged", "written").touch()


def seccomp() -> Iterator[Finding]:
    """The filter of every container."""
    actions = read("/proc/sys/kernel/seccomp/actions_avail")
    yield finding("seccomp", bool(actions), actions or "not there", "use a kernel with CONFIG_SECCOMP_FILTER")


def security_modules() -> Iterator[Finding]:
    """AppArmor and SELinux: nice to have."""
    apparmor = read("/sys/module/apparmor/parameters/enabled") == "Y"
    selinux = os.path.exists("/sys/fs/selinux/enforce")
    found = [name for name, there in (("AppArmor", apparmor), ("SELinux", selinux)) if there]
    yield finding(
        "security modules",
        bool(found),
        ", ".join(found) or "neither AppArmor nor SELinux",
        "boot with security=apparmor; without it pods that name a profile are refused",
        otherwise=Status.WARNING,
    )
