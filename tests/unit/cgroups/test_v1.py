"""The v1 driver on ordinary directories: which it makes, and what it writes where."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrt.cgroups.detect import Hierarchies, V1Hierarchy
from pyrt.cgroups.errors import CgroupError, UnsupportedControllerError
from pyrt.cgroups.v1 import V1Driver
from pyrt.spec import LinuxHugepageLimit, LinuxPids, LinuxResources


@pytest.fixture
def driver(tmp_path: Path) -> V1Driver:
    hierarchies = []
    for name in ("cpu", "memory"):
        (tmp_path / name).mkdir()
        hierarchies.append(V1Hierarchy(str(tmp_path / name), frozenset((name,))))
    driver = V1Driver(Hierarchies(tuple(hierarchies), None, frozenset()), "top/pyrt")
    driver.prepare()
    return driver


def test_prepare_makes_parent_and_classes(driver: V1Driver, tmp_path: Path) -> None:
    driver.prepare()
    for name in ("cpu", "memory"):
        assert (tmp_path / name / "top/pyrt/burstable").is_dir()
        assert (tmp_path / name / "top/pyrt/besteffort").is_dir()


def test_join_names_a_tasks_file_in_each_hierarchy(driver: V1Driver, tmp_path: Path) -> None:
    join = driver.create_pod("burstable/podx")
    assert join.tasks == tuple(f"{tmp_path}/{name}/top/pyrt/burstable/podx/tasks" for name in ("cpu", "memory"))
    assert join.directory is None
    assert driver.create_pod("burstable/podx") == join


def test_a_missing_controller_is_named(driver: V1Driver) -> None:
    with pytest.raises(UnsupportedControllerError, match="this machine has no pids controller"):
        driver.create_container("podx/c", LinuxResources(pids=LinuxPids(limit=1)))
    with pytest.raises(UnsupportedControllerError, match="no hugetlb controller"):
        driver.create_container(
            "podx/c", LinuxResources(hugepage_limits=(LinuxHugepageLimit(page_size="2MB", limit=1),))
        )


def test_no_huge_pages_where_there_are_none(driver: V1Driver) -> None:
    driver.create_container("podx/c", LinuxResources(hugepage_limits=(LinuxHugepageLimit(page_size="2MB", limit=0),)))


def test_removal_takes_what_containers_made_below(driver: V1Driver, tmp_path: Path) -> None:
    driver.create_container("podx/c")
    (tmp_path / "cpu/top/pyrt/podx/c/own/deeper").mkdir(parents=True)
    assert driver.children("podx") == ["c"]
    assert driver.remove("podx") is True
    assert not (tmp_path / "cpu/top/pyrt/podx").exists()
    assert driver.remove("podx") is True


def test_removal_never_follows_links(driver: V1Driver, tmp_path: Path) -> None:
    driver.create_container("podx/c")
    (tmp_path / "outside").mkdir()
    (tmp_path / "cpu/top/pyrt/podx/c/link").symlink_to(tmp_path / "outside")
    assert driver.remove("podx") is False
    assert (tmp_path / "outside").is_dir()


def test_counters_of_files(driver: V1Driver, tmp_path: Path) -> None:
    driver.create_container("podx")
    memory = tmp_path / "memory/top/pyrt/podx"
    (memory / "memory.usage_in_bytes").write_text("1000\n")
    (memory / "memory.stat").write_text("cache 1\ntotal_inactive_file 300\ntotal_rss 400\n")
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (memory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    stats = driver.stats("podx")
    assert (stats.memory_usage, stats.memory_working_set, stats.memory_rss, stats.memory_limit) == (
        1000,
        700,
        400,
        None,
    )
    assert driver.oom_kills("podx") == 2


def test_freeze_without_a_freezer(driver: V1Driver) -> None:
    with pytest.raises(CgroupError, match="no freezer controller"):
        driver.freeze("podx")


def test_a_cgroup_named_from_the_root(driver: V1Driver, tmp_path: Path) -> None:
    (tmp_path / "cpu/kubepods").mkdir()
    join, made = driver.create_below("/kubepods/podx", "sandbox")
    assert join.tasks == tuple(f"{tmp_path}/{name}/kubepods/podx/sandbox/tasks" for name in ("cpu", "memory"))
    assert made == ("/kubepods/podx",)  # /kubepods is somebody's, even if not everywhere
    assert driver.create_below("/kubepods/podx", "other")[1] == ()
    assert driver.remove_made(made) is False  # there is something in it
    assert driver.remove("/kubepods/podx/sandbox")
    assert driver.remove("/kubepods/podx/other")
    assert driver.remove_made(made) is True
    assert (tmp_path / "cpu/kubepods").is_dir()
