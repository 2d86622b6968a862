"""``exec --cgroup``: a cgroup below the container's, which is there already."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pyrt.launch import CgroupPlace
from pyrt.oci.errors import OciError


def below(place: CgroupPlace, arguments: Sequence[str]) -> CgroupPlace:
    """``[controllers:]path`` each: v1 by controller, v2 one path. Raises :class:`OciError`."""
    if place.directory is not None and not place.tasks:
        if len(arguments) != 1:
            raise OciError(f"invalid --cgroup argument: {arguments[1]} (cgroup v2 has one path)")
        return CgroupPlace((), _join(place.directory, arguments[0]), ())
    tasks = list(place.tasks)
    seen = set()
    for argument in arguments:
        controllers, colon, path = argument.partition(":")
        if not colon:
            raise OciError(f"invalid --cgroup argument: {argument} (missing <controller>: prefix)")
        for controller in controllers.split(","):
            if controller in seen:
                raise OciError(f"invalid --cgroup argument(s): controller {controller} specified multiple times")
            seen.add(controller)
            at = next((i for i, mount in enumerate(place.mount_points) if controller in _names(mount)), None)
            if at is None or not controller:
                raise OciError(f"unknown controller {controller!r} in --cgroup argument {argument}")
            tasks[at] = f"{_join(os.path.dirname(tasks[at]), path)}/tasks"
    return CgroupPlace(tuple(tasks), place.directory, place.mount_points)


def _names(mount_point: str) -> list[str]:
    return mount_point.rpartition("/")[2].split(",")


def _join(directory: str, path: str) -> str:
    words = [word for word in path.split("/") if word not in ("", ".")]
    if ".." in words:
        raise OciError(f"bad sub cgroup path: {path}")
    return "/".join([directory, *words])
