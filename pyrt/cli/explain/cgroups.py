"""The cgroups of a pod: directories, and the files that are written."""

from __future__ import annotations

from pyrt.cgroups.detect import CgroupMode
from pyrt.cgroups.driver import SANDBOX_LEAF, CgroupDriver
from pyrt.cgroups.settings import Setting, v1_settings, v2_settings
from pyrt.cli.explain.model import CgroupPart
from pyrt.launch.context import CgroupPlace
from pyrt.spec import LinuxResources


def cgroup_part(driver: CgroupDriver, path: str, resources: LinuxResources) -> CgroupPart:
    """The directories of ``path`` and what would be written there."""
    directories = driver.directories(path)
    if driver.hierarchies.mode is CgroupMode.V2:
        files = tuple(f"{directories[0]}/{setting.describe()}" for setting in v2_settings(resources))
    else:
        files = tuple(_v1(driver, directories, setting) for setting in v1_settings(resources))
    return CgroupPart(directories, files)


def _v1(driver: CgroupDriver, directories: tuple[str, ...], setting: Setting) -> str:
    for hierarchy in driver.hierarchies.v1:
        if setting.controller in hierarchy.controllers:
            inside = hierarchy.mount_point.rstrip("/") + "/"
            for directory in directories:
                if directory.startswith(inside):
                    return f"{directory}/{setting.describe()}"
    return f"<{setting.controller}>/{setting.describe()}"


def place(driver: CgroupDriver, path: str, *, pod: bool = False) -> CgroupPlace:
    """How a process gets in: the pod process into a leaf of its own on v2."""
    mounts = tuple(hierarchy.mount_point for hierarchy in driver.hierarchies.v1)
    directories = driver.directories(path)
    if driver.hierarchies.mode is CgroupMode.V2:
        return CgroupPlace(directory=f"{directories[0]}/{SANDBOX_LEAF}" if pod else directories[0])
    return CgroupPlace(tasks=tuple(f"{directory}/tasks" for directory in directories), mount_points=mounts)
