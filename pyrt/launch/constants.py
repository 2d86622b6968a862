"""Numbers of the kernel's interface, under the names its headers give them (x86-64 and arm64 agree on all of these)."""

from __future__ import annotations

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NAMESPACE_NAMES = {
    CLONE_NEWTIME: "time",
    CLONE_NEWNS: "mount",
    CLONE_NEWCGROUP: "cgroup",
    CLONE_NEWUTS: "uts",
    CLONE_NEWIPC: "ipc",
    CLONE_NEWUSER: "user",
    CLONE_NEWPID: "pid",
    CLONE_NEWNET: "network",
}

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000

PROPAGATION_NAMES = {MS_UNBINDABLE: "unbindable", MS_PRIVATE: "private", MS_SLAVE: "slave", MS_SHARED: "shared"}

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

ATTRIBUTE_NAMES = {
    MOUNT_ATTR_RDONLY: "ro",
    MOUNT_ATTR_NOSUID: "nosuid",
    MOUNT_ATTR_NODEV: "nodev",
    MOUNT_ATTR_NOEXEC: "noexec",
    MOUNT_ATTR_NOATIME: "noatime",
    MOUNT_ATTR_STRICTATIME: "strictatime",
    MOUNT_ATTR_NODIRATIME: "nodiratime",
    MOUNT_ATTR_NOSYMFOLLOW: "nosymfollow",
}

BIND_RECURSIVE = 1
BIND_DETACHED = 2
BIND_CREATE = 4
BIND_MAKE_SUBPATH = 8
BIND_RECURSIVE_ATTR = 16
BIND_RECURSIVE_PROPAGATION = 32

PROC_WRITE_OPTIONAL = 1

S_IFIFO = 0o010000
S_IFCHR = 0o020000
S_IFBLK = 0o060000

FSCONFIG_MAX = 256
"""fsconfig(2) takes keys and values of fewer bytes than this."""

RLIMITS = {
    name: number
    for number, name in enumerate(
        (
            "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
            "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
        )
    )
}  # fmt: skip
"""The part of a name after RLIMIT_ -> the resource's number (asm-generic/resource.h)."""


def names_of(bits: int, table: dict[int, str], separator: str = ", ") -> str:
    """The names of the set bits, for people."""
    return separator.join(name for bit, name in table.items() if bits & bit)
