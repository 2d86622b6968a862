"""Limits, counters and the cgroup tree of pods, on whichever generation this machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrt.cgroups import SANDBOX_LEAF, CgroupError
from pyrt.cgroups.detect import CgroupMode
from pyrt.ids import ContainerId
from pyrt.runtime.config import NamespaceMode, Resources
from pyrt.runtime.errors import CreateError
from pyrt.runtime.usage import interfaces

from .conftest import Host, until

pytestmark = pytest.mark.core

MEBIBYTE = 1 << 20


def value(host: Host, path: str, v1: str, v2: str) -> str:
    """A cgroup file, by its name in each generation."""
    name = v2 if host.runtime._core.cgroups.hierarchies.mode is CgroupMode.V2 else v1
    for directory in host.cgroup_directories(path):
        if (directory / name).exists():
            return (directory / name).read_text().strip()
    raise AssertionError(f"no {name} in {path}")


def path_of(host: Host, container: ContainerId) -> str:
    status = host.runtime.container_status(container)
    return f"{host.runtime.sandbox_status(status.sandbox_id).config.cgroup_parent}/{container}"


async def test_the_limits_are_in_the_files(host: Host) -> None:
    resources = Resources(
        cpu_shares=512, cpu_quota=20_000, cpu_period=100_000, memory_limit=64 * MEBIBYTE, pids_limit=50
    )
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000", resources=resources))
    path = path_of(host, container)
    assert value(host, path, "memory.limit_in_bytes", "memory.max") == str(64 * MEBIBYTE)
    assert value(host, path, "pids.max", "pids.max") == "50"
    assert value(host, path, "cpu.shares", "cpu.weight") in ("512", "59")
    assert value(host, path, "cpu.cfs_quota_us", "cpu.max") in ("20000", "20000 100000")


async def test_the_pods_own_limits(host: Host) -> None:
    resources = Resources(memory_limit=128 * MEBIBYTE, cpu_shares=1024)
    sandbox = await host.runtime.run_sandbox(host.sandbox(resources=resources))
    assert value(host, sandbox.config.cgroup_parent, "memory.limit_in_bytes", "memory.max") == str(128 * MEBIBYTE)
    assert value(host, sandbox.config.cgroup_parent, "cpu.shares", "cpu.weight") in ("1024", "100")


async def test_pod_process_and_containers_are_where_they_belong(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    driver = host.runtime._core.cgroups
    pod = sandbox.config.cgroup_parent
    status = host.runtime.container_status(container)
    assert driver.processes(path_of(host, container)) == [status.pid]
    leaf = f"{pod}/{SANDBOX_LEAF}" if driver.hierarchies.mode is CgroupMode.V2 else pod
    assert sandbox.pid in driver.processes(leaf)
    session = await host.runtime.exec(container, ("sleep", "1000"))
    assert sorted(driver.processes(path_of(host, container))) == sorted([status.pid, session.pid])
    session.close()


async def test_the_container_sees_its_own_cgroup_as_the_root(host: Host) -> None:
    output = await host.prints(
        "sh", "-c", "cat /proc/self/cgroup; cat /sys/fs/cgroup/memory/tasks /sys/fs/cgroup/cgroup.procs 2>/dev/null; :"
    )
    memory = next(line for line in output.splitlines() if ":memory:" in line or line.startswith("0::"))
    assert memory.endswith(":/")
    assert "1" in output.splitlines()


async def test_out_of_memory_is_told(host: Host) -> None:
    resources = Resources(memory_limit=16 * MEBIBYTE)
    status, _ = await host.run("sh", "-c", "x=$(cat /dev/zero | tr '\\0' x)", resources=resources)
    if status.exit_code != 137:  # the shell survived its child: the counter alone is no OOMKilled
        assert status.reason != "OOMKilled"
    eater = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    status, _ = await host.run(*eater, resources=resources)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


async def test_a_kill_that_is_not_for_memory_is_not_called_so(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sleep", "1000", resources=Resources(memory_limit=16 * MEBIBYTE))
    )
    os.kill(host.runtime.container_status(container).pid, 9)
    assert (await host.runtime.wait_container(container)).reason == "Error"


async def test_a_fork_bomb_is_held_by_the_pids_limit(host: Host) -> None:
    script = "for i in $(seq 50); do sleep 1000 & done; echo all"
    status, output = await host.run("sh", "-c", script, resources=Resources(pids_limit=10))
    assert status.exit_code != 0
    assert "all" not in output


async def test_update(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sleep", "1000", resources=Resources(memory_limit=32 * MEBIBYTE, pids_limit=9))
    )
    for limit in (64 * MEBIBYTE, 16 * MEBIBYTE):
        await host.runtime.update_resources(container, Resources(memory_limit=limit))
        assert value(host, path_of(host, container), "memory.limit_in_bytes", "memory.max") == str(limit)
    assert value(host, path_of(host, container), "pids.max", "pids.max") == "9"
    assert host.runtime.container_status(container).config.resources == Resources(
        memory_limit=16 * MEBIBYTE, pids_limit=9
    )


async def test_counters(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(
        host.sandbox(),
        host.container(
            "sh",
            "-c",
            "dd if=/dev/zero of=/file bs=1M count=3; exec sleep 1000",
            resources=Resources(memory_limit=64 * MEBIBYTE),
        ),
    )
    await host.inside(container, "sh", "-c", "until [ $(stat -c %s /file) -eq 3145728 ]; do sleep 0.01; done; sync")
    stats = await host.runtime.container_stats(container)
    assert stats.cgroup.cpu_usage_ns > 0
    assert stats.cgroup.memory_usage >= stats.cgroup.memory_working_set > 0
    assert stats.cgroup.memory_limit == 64 * MEBIBYTE
    assert stats.cgroup.pids >= 1
    assert stats.writable_bytes >= 3 * MEBIBYTE
    assert host.runtime.sandbox_cgroup(sandbox.id).pids >= 2
    found = interfaces(host.runtime.sandbox_status(sandbox.id).pid)
    assert [interface.name for interface in found] == ["eth0"]


async def test_freeze_and_thaw(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    driver = host.runtime._core.cgroups
    pid = host.runtime.container_status(container).pid
    driver.freeze(path_of(host, container))
    assert "D" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] or "S"
    driver.thaw(path_of(host, container))
    await host.inside(container, "true")


async def test_a_cgroup_goes_with_its_container(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("true"))
    await host.runtime.wait_container(container)
    directories = host.cgroup_directories(path_of(host, container))
    await until(lambda: not any(directory.exists() for directory in directories))


async def test_removal_is_refused_while_processes_are_left(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(pid=NamespaceMode.POD), host.container("sleep", "1000"))
    driver = host.runtime._core.cgroups
    assert driver.remove(path_of(host, container)) is False
    assert driver.kill(path_of(host, container)) == 1
    await host.runtime.wait_container(container)


async def test_absent_cgroups(host: Host) -> None:
    driver = host.runtime._core.cgroups
    assert driver.remove("burstable/nothing") is True
    assert driver.kill("burstable/nothing") == 0
    assert driver.processes("burstable/nothing") == []
    assert driver.oom_kills("burstable/nothing") == 0
    assert driver.stats("burstable/nothing").memory_usage == 0
    with pytest.raises(CgroupError):
        driver.thaw("burstable/nothing")


async def test_a_limit_that_the_kernel_refuses_undoes_the_container(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    with pytest.raises(CreateError, match=r"container app: .*cpuset\.cpus"):
        await host.runtime.create_container(sandbox.id, host.container("true", resources=Resources(cpuset_cpus="4000")))
    assert host.runtime.list_containers() == []
    assert host.runtime._core.cgroups.children(sandbox.config.cgroup_parent) in ([], [SANDBOX_LEAF])
