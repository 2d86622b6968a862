"""Sandboxes in cgroups that a kubelet names, from the root of each hierarchy on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Host, until


@pytest.fixture
def top(host: Host) -> Iterator[str]:
    """A name at the root of every hierarchy, that nobody has."""
    name = f"/kube{os.getpid()}"
    yield name
    left = [directory for directory in directories(host, name) if directory.exists()]
    for directory in left:
        for path, _, _ in os.walk(directory, topdown=False):
            os.rmdir(path)
    assert not left


def directories(host: Host, path: str) -> list[Path]:
    """Of a cgroup, in every hierarchy that pyrt uses."""
    return [Path(directory) for directory in host.runtime._core.cgroups.directories(path)]


@pytest.mark.core
async def test_what_was_missing_goes_with_the_sandbox(host: Host, top: str) -> None:
    parent = f"{top}/burstable/podx"
    sandbox = await host.runtime.run_sandbox(host.sandbox(cgroup_parent=parent))
    container = await host.start(sandbox.id, "/bin/sleep", "1000")
    pid = host.runtime.container_status(container).pid
    assert f"{parent}/{container}" in Path(f"/proc/{pid}/cgroup").read_text()
    assert f"{parent}/{sandbox.id}" in Path(f"/proc/{sandbox.pid}/cgroup").read_text()
    assert host.runtime.sandbox_cgroup(sandbox.id).memory_usage > 0
    await host.runtime.stop_sandbox(sandbox.id)
    await host.runtime.remove_sandbox(sandbox.id)
    await until(lambda: not any(directory.exists() for directory in directories(host, top)))


async def test_what_was_there_stays(host: Host, top: str) -> None:
    parent = f"{top}/pody"
    for directory in directories(host, top):
        directory.mkdir()
        (directory / "pody").mkdir()
        if "cpuset" in str(directory):  # as a kubelet leaves it: only its own directories have processors
            for level in (directory, directory / "pody"):
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (level / file).write_text((level.parent / file).read_text())
    sandbox = await host.runtime.run_sandbox(host.sandbox(cgroup_parent=parent))
    container = await host.start(sandbox.id, "/bin/sleep", "1000")
    await host.runtime.remove_sandbox(sandbox.id)
    await until(lambda: not any((at / container).exists() for at in directories(host, parent)))
    assert not any((at / sandbox.id).exists() for at in directories(host, parent))
    assert all(directory.exists() for directory in directories(host, parent))
    for directory in directories(host, parent):
        directory.rmdir()
        directory.parent.rmdir()


async def test_two_sandboxes_and_a_restart(host: Host, top: str) -> None:
    """The first to come makes the parent, the last to go removes it; neither touches the other's processes."""
    config = host.sandbox(cgroup_parent=f"{top}/podz")
    other = dataclasses.replace(config, metadata=dataclasses.replace(config.metadata, attempt=1))
    first = await host.runtime.run_sandbox(config)
    second = await host.runtime.run_sandbox(other)
    container = await host.start(second.id, "/bin/sleep", "1000")
    await host.runtime.remove_sandbox(first.id)
    await host.restart()
    assert await host.inside(container, "/bin/echo", "still here") == "still here"
    await host.runtime.remove_sandbox(second.id)
    await until(lambda: not any(directory.exists() for directory in directories(host, top)))
