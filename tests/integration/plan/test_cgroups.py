"""Into a cgroup, and what of it can be seen from inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyrt.launch import CgroupPlace

pytestmark = pytest.mark.core


@pytest.fixture
def place(workdir):
    """A cgroup of its own in every v1 hierarchy, or the v2 one."""
    root = Path("/sys/fs/cgroup")
    name = workdir.name
    made, tasks, mount_points = [], [], []
    if (root / "cgroup.controllers").exists():
        (root / name).mkdir()
        made.append(root / name)
        yield CgroupPlace(directory=str(root / name))
    else:
        for kind in ("memory", "pids", "freezer"):
            (root / kind / name).mkdir()
            made.append(root / kind / name)
            tasks.append(str(root / kind / name / "tasks"))
            mount_points.append(str(root / kind))
        yield CgroupPlace(tasks=tuple(tasks), mount_points=tuple(mount_points))
    for directory in made:
        directory.rmdir()


def test_the_process_is_in_it_from_the_start(box, place, workdir):
    box.context = replace(box.context, cgroup=place)
    running = box.start("sleep", "1000")
    assert running.report() is None
    inside = Path(f"/proc/{running.child.pid}/cgroup").read_text()
    assert f"/{workdir.name}" in inside
    running.kill()


def test_it_sees_its_own_cgroup_as_the_root(box, place):
    box.context = replace(box.context, cgroup=place)
    result = box.sh("ls /sys/fs/cgroup; cat /sys/fs/cgroup/pids/tasks; cat /proc/self/cgroup; touch /sys/fs/cgroup/x")
    lines = result.output.splitlines()
    assert all(line.endswith(":/") for line in lines if ":memory:" in line or line.startswith("0::"))
    if place.tasks:
        assert lines[:4] == ["freezer", "memory", "pids", "1"]
        assert "Read-only file system" in lines[-1]


def test_a_cgroup_that_is_gone_is_named(box):
    box.context = replace(box.context, cgroup=CgroupPlace(tasks=("/sys/fs/cgroup/nowhere/tasks",)))
    assert str(box.run("true").error) == "join cgroup /sys/fs/cgroup/nowhere: No such file or directory"
