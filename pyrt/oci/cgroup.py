"""``linux.cgroupsPath`` on this machine: which directories they are, and the driver for them.

An absolute path counts from the root of each hierarchy; a relative one, or the container's id when there is none, from
the cgroup that the runtime itself is in (config-linux.md leaves that to the runtime; runc does the same).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from pyrt.cgroups import CgroupDriver
from pyrt.cgroups.detect import CgroupMode, Hierarchies, V1Hierarchy, detect
from pyrt.cgroups.v1 import V1Driver
from pyrt.cgroups.v2 import V2Driver
from pyrt.oci.errors import OciError
from pyrt.oci.state import Cgroup
from pyrt.spec import LinuxDeviceCgroup, LinuxResources, replace

# What every container may use (config-linux.md, "Default Devices"; runc's AllowedDevices): make any node, use these.
_ALLOWED = (
    LinuxDeviceCgroup(allow=True, type="c", access="m"),
    LinuxDeviceCgroup(allow=True, type="b", access="m"),
    *(
        LinuxDeviceCgroup(allow=True, type="c", major=major, minor=minor, access="rwm")
        for major, minor in ((1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (136, None), (5, 2))
    ),
)


def with_default_devices(resources: LinuxResources) -> LinuxResources:
    """The rules, and then those without which no container works. Without rules nothing is forbidden anyway."""
    if not resources.devices:
        return resources
    return replace(resources, devices=(*resources.devices, *_ALLOWED))


def own_cgroups(text: str) -> dict[str, str]:
    """/proc/self/cgroup (cgroups(7)): controllers of a hierarchy, comma-separated -> path; ``""`` is v2."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found[controllers] = path
    return found


def locate(path: str, id_: str, hierarchies: Hierarchies, own: Mapping[str, str]) -> Cgroup:
    """The place of a container's cgroup; nothing is made yet. Pure. Raises :class:`OciError`."""
    # Without --systemd-cgroup (which is refused) SLICE:PREFIX:NAME is a name like any other: engines make such ones of
    # a parent that is called *.slice.
    words = [word for word in (path or id_).split("/") if word not in ("", ".")]
    if not words or ".." in words:
        raise OciError(f"{path!r} is not the path of a cgroup", operation="linux.cgroupsPath")
    parent = {} if path.startswith("/") else _parents(hierarchies, own)
    mount_points = [hierarchy.mount_point for hierarchy in hierarchies.v1]
    return Cgroup("/".join(words), parent, [], None, mount_points)


def _parents(hierarchies: Hierarchies, own: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for hierarchy in hierarchies.v1:
        for controllers, path in own.items():
            if controllers and hierarchy.controllers.issubset(controllers.split(",")) and path != "/":
                found[hierarchy.mount_point] = path
    if hierarchies.unified is not None and own.get("", "/") != "/":
        # Beside the runtime, not below it: a v2 cgroup with processes has no controllers for its children.
        above = own[""].rpartition("/")[0]
        if above:
            found[hierarchies.unified] = above
    return found


@functools.cache
def _hierarchies() -> Hierarchies:
    return detect()


def driver(cgroup: Cgroup, hierarchies: Hierarchies | None = None) -> CgroupDriver:
    """What makes and changes the cgroup, by its ``path``."""
    found = _hierarchies() if hierarchies is None else hierarchies
    moved = Hierarchies(
        v1=tuple(V1Hierarchy(h.mount_point + cgroup.parent.get(h.mount_point, ""), h.controllers) for h in found.v1),
        unified=None if found.unified is None else found.unified + cgroup.parent.get(found.unified, ""),
        unified_controllers=found.unified_controllers,
    )
    return V2Driver(moved, "") if found.mode is CgroupMode.V2 else V1Driver(moved, "")


def create(path: str, id_: str, resources: LinuxResources | None) -> tuple[Cgroup, CgroupDriver]:
    """Find the place and the driver. The cgroup is still to be made (:func:`make`)."""
    hierarchies = _hierarchies()
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        own = own_cgroups(file.read())
    cgroup = locate(path, id_, hierarchies, own)
    return cgroup, driver(cgroup, hierarchies)


def make(cgroup: Cgroup, driver_: CgroupDriver, resources: LinuxResources | None) -> None:
    """Make it, with its limits, and write down what a process does to get in."""
    join = driver_.create(cgroup.path, None if resources is None else with_default_devices(resources))
    cgroup.tasks, cgroup.directory = list(join.tasks), join.directory
