"""Which cgroup hierarchies this machine has mounted, and where: read from the kernel, never assumed.

``/proc/self/mountinfo`` (proc_pid_mountinfo(5)) names the file system of every mount, so neither the path nor the
presence of some file decides. A mount that something else has been mounted over is told by its device number and left
out.
"""

from __future__ import annotations

import os

from pyrt.cgroups.errors import CgroupError
from pyrt.records import dataclass


class CgroupMode:
    """How the controllers are spread over the two generations."""

    V1: CgroupMode
    HYBRID: CgroupMode
    """v1 controllers, and a cgroup2 mount beside them which may hold some others."""
    V2: CgroupMode

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"CgroupMode({self.value!r})"


# One object a value, as an enumeration has it; without importing what makes one (pyrt-oci).
CgroupMode.V1, CgroupMode.HYBRID, CgroupMode.V2 = CgroupMode("v1"), CgroupMode("hybrid"), CgroupMode("v2")


@dataclass(frozen=True, slots=True)
class V1Hierarchy:
    """One mounted v1 hierarchy with at least one controller (``cpu,cpuacct``)."""

    mount_point: str
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Every hierarchy that can limit or count something here."""

    v1: tuple[V1Hierarchy, ...]
    unified: str | None
    """Where cgroup2 is mounted, or ``None``."""
    unified_controllers: frozenset[str]
    """The controllers available on the cgroup2 mount."""

    @property
    def mode(self) -> CgroupMode:
        """V2 when no controller is bound to a v1 hierarchy."""
        if not self.v1:
            return CgroupMode.V2
        return CgroupMode.HYBRID if self.unified is not None else CgroupMode.V1

    @property
    def controllers(self) -> frozenset[str]:
        """All controllers of both generations."""
        return self.unified_controllers.union(*(hierarchy.controllers for hierarchy in self.v1))


# Words among a v1 mount's super options that are no controllers (cgroups(7), "Mount options").
_NOT_CONTROLLERS = frozenset(
    ("rw", "ro", "none", "all", "noprefix", "clone_children", "xattr", "cpuset_v2_mode", "favordynmods", "seclabel")
)


def _unescape(field: str) -> str:
    """Undo mountinfo's octal escapes of space, tab, newline and backslash."""
    if "\\" not in field:
        return field
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def parse_mountinfo(text: str) -> list[tuple[str, str, str, str]]:
    """``(mount point, major:minor, type, super options)`` of every cgroup and cgroup2 mount in ``text``, in order."""
    mounts: list[tuple[str, str, str, str]] = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        if not separator:
            continue
        kind, _, rest = right.partition(" ")
        if kind not in ("cgroup", "cgroup2"):
            continue
        fields = left.split(" ")
        mounts.append((_unescape(fields[4]), fields[2], kind, rest.partition(" ")[2]))
    return mounts


def _is_on_top(mount_point: str, device: str) -> bool:
    """Whether the path still leads to this mount and nothing has been mounted over it."""
    try:
        number = os.stat(mount_point).st_dev
    except OSError:
        return False
    return f"{os.major(number)}:{os.minor(number)}" == device


def _read(path: str | os.PathLike[str]) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def detect(mountinfo: str | os.PathLike[str] = "/proc/self/mountinfo") -> Hierarchies:
    """The hierarchies that the calling process sees.

    Raises :class:`CgroupError` when there is none at all.
    """
    v1: dict[frozenset[str], V1Hierarchy] = {}
    unified: str | None = None
    for mount_point, device, kind, options in parse_mountinfo(_read(mountinfo)):
        if not _is_on_top(mount_point, device):
            continue
        if kind == "cgroup2":
            unified = unified or mount_point
            continue
        controllers = frozenset(o for o in options.split(",") if "=" not in o and o not in _NOT_CONTROLLERS)
        if controllers:  # name=systemd has none: it limits nothing
            v1.setdefault(controllers, V1Hierarchy(mount_point, controllers))
    if unified is None and not v1:
        raise CgroupError("no cgroup file system is mounted; mount cgroup2 on /sys/fs/cgroup")
    available: frozenset[str] = frozenset()
    if unified is not None:
        available = frozenset(_read(f"{unified}/cgroup.controllers").split())
    return Hierarchies(tuple(v1.values()), unified, available)
