"""Which driver serves this machine."""

from __future__ import annotations

from pyrt.cgroups.detect import CgroupMode, Hierarchies, detect
from pyrt.cgroups.driver import CgroupDriver
from pyrt.cgroups.errors import CgroupError
from pyrt.cgroups.v1 import V1Driver
from pyrt.cgroups.v2 import V2Driver


def open_driver(kind: str, parent: str, hierarchies: Hierarchies | None = None) -> CgroupDriver:
    """The driver for ``kind`` (``auto``, ``cgroupfs`` or ``systemd``) with pods below ``parent``; makes nothing yet.

    The systemd driver's place is here: a module beside v1.py and v2.py that asks systemd for slices and scopes. Until
    it is there, ``auto`` means cgroupfs everywhere and ``systemd`` is refused.
    """
    if kind == "systemd":
        raise CgroupError(
            "the systemd driver is not supported yet; set cgroup.driver to cgroupfs", operation="cgroup.driver"
        )
    found = hierarchies if hierarchies is not None else detect()
    return V2Driver(found, parent) if found.mode is CgroupMode.V2 else V1Driver(found, parent)
