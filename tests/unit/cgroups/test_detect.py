"""Which hierarchies there are: from mountinfo alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt.cgroups.detect import CgroupMode, V1Hierarchy, detect, parse_mountinfo
from pyrt.cgroups.errors import CgroupError
from pyrt.cgroups.open import open_driver
from pyrt.cgroups.v1 import V1Driver
from pyrt.cgroups.v2 import V2Driver


def mountinfo(tmp_path: Path, *mounts: tuple[str, str, str], device: str = "") -> Path:
    """A mountinfo of mounts (name, type, super options), each an ordinary directory."""
    lines = ["23 1 0:20 / / rw - ext4 /dev/vda rw"]
    for name, kind, options in mounts:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        number = directory.stat().st_dev
        where = device or f"{os.major(number)}:{os.minor(number)}"
        escaped = str(directory).replace(" ", "\\040")
        lines.append(f"32 31 {where} / {escaped} rw,relatime shared:1 - {kind} {kind} {options}")
        if kind == "cgroup2":
            (directory / "cgroup.controllers").write_text("cpu memory pids\n" if "cpu" not in name else "hugetlb\n")
    file = tmp_path / "mountinfo"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_v2(tmp_path: Path) -> None:
    found = detect(mountinfo(tmp_path, ("unified", "cgroup2", "rw,nsdelegate")))
    assert (found.mode, found.unified) == (CgroupMode.V2, str(tmp_path / "unified"))
    assert found.controllers == {"cpu", "memory", "pids"}
    assert isinstance(open_driver("auto", "pyrt", found), V2Driver)


def test_v1_with_joined_controllers(tmp_path: Path) -> None:
    found = detect(
        mountinfo(
            tmp_path,
            ("cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
            ("memory", "cgroup", "rw,memory"),
            ("systemd", "cgroup", "rw,xattr,name=systemd"),
        )
    )
    assert found.mode is CgroupMode.V1
    assert found.v1 == (
        V1Hierarchy(str(tmp_path / "cpu,cpuacct"), frozenset(("cpu", "cpuacct"))),
        V1Hierarchy(str(tmp_path / "memory"), frozenset(("memory",))),
    )
    assert isinstance(open_driver("cgroupfs", "pyrt", found), V1Driver)


def test_hybrid(tmp_path: Path) -> None:
    found = detect(mountinfo(tmp_path, ("memory", "cgroup", "rw,memory"), ("uncpu", "cgroup2", "rw")))
    assert found.mode is CgroupMode.HYBRID
    assert found.unified_controllers == {"hugetlb"}


def test_a_mount_that_is_mounted_over_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(CgroupError, match="no cgroup file system is mounted"):
        detect(mountinfo(tmp_path, ("memory", "cgroup", "rw,memory"), device="0:9999"))


def test_a_path_with_spaces(tmp_path: Path) -> None:
    found = detect(mountinfo(tmp_path, ("with space", "cgroup", "rw,pids")))
    assert found.v1[0].mount_point.endswith("with space")


def test_other_lines_are_passed_over() -> None:
    assert parse_mountinfo("nonsense\n1 2 3 4 5 - tmpfs tmpfs rw\n") == []


def test_the_systemd_driver_is_refused_by_name(tmp_path: Path) -> None:
    found = detect(mountinfo(tmp_path, ("unified", "cgroup2", "rw")))
    with pytest.raises(CgroupError, match=r"cgroup\.driver: the systemd driver is not supported yet"):
        open_driver("systemd", "pyrt", found)
