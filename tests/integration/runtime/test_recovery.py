"""The daemon goes and comes; pods do not notice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from pyrt.ids import SandboxId
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.sandbox_run import Birth
from pyrt.runtime.status import ContainerState, SandboxState

from .conftest import Host


async def died(pid: int) -> None:
    """Until a process that is not our child to reap is gone, or a zombie."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(fd, lambda: gone.done() or gone.set_result(None))
    await gone
    loop.remove_reader(fd)
    os.close(fd)


async def reap(pid: int) -> None:
    """A child of this process, as the daemon's pods are while it lives."""
    await asyncio.to_thread(os.waitpid, pid, 0)


@pytest.mark.core
async def test_a_running_container_goes_on(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    before = host.runtime.container_status(container)
    await host.restart()
    assert host.runtime.container_status(container) == before
    assert host.runtime.sandbox_status(sandbox.id) == sandbox
    assert await host.inside(container, "echo", "here") == "here"
    await host.runtime.stop_container(container, 0)
    assert host.runtime.container_status(container).exit_code == 137


@pytest.mark.core
async def test_an_exit_without_a_daemon_is_not_lost(host: Host) -> None:
    _, container = await host.runtime.run_pod(
        host.sandbox(), host.container("sh", "-c", "read x; echo last; exit 42", stdin=True)
    )
    session = await host.runtime.attach(container, stdin=True)
    pid = host.runtime.container_status(container).pid
    await host.runtime.close()
    host.store.close()
    assert session.stdin is not None
    os.write(session.stdin, b"go\n")
    await died(pid)
    session.close()
    host.open()
    await host.runtime.recover()
    status = await host.runtime.wait_container(container)
    assert (status.exit_code, status.reason, status.state) == (42, "Error", ContainerState.EXITED)
    assert 0 < status.started_at <= status.finished_at
    assert host.output(container) == "last"
    await host.restart()
    assert host.runtime.container_status(container) == status


async def test_a_container_that_ended_before_stays_as_it_was(host: Host) -> None:
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("sh", "-c", "exit 3"))
    status = await host.runtime.wait_container(container)
    await host.restart()
    assert host.runtime.container_status(container) == status


@pytest.mark.core
async def test_a_pod_that_died_meanwhile(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    await host.runtime.close()
    host.store.close()
    os.kill(sandbox.pid, signal.SIGKILL)
    await died(sandbox.pid)
    await reap(sandbox.pid)
    host.open()
    await host.runtime.recover()
    assert host.runtime.sandbox_status(sandbox.id).state is SandboxState.NOT_READY
    status = host.runtime.container_status(container)
    assert (status.state, status.exit_code) == (ContainerState.EXITED, 137)
    assert host.runtime._core.network.addresses(sandbox.id) == ()


async def test_a_created_container_can_be_started_by_the_next_daemon(host: Host) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.runtime.create_container(sandbox.id, host.container("echo", "hello"))
    await host.restart()
    await host.runtime.start_container(container)
    assert (await host.runtime.wait_container(container)).exit_code == 0
    assert host.output(container) == "hello"


async def test_what_was_half_made_is_removed(host: Host) -> None:
    """A daemon that died between two steps: a pod process without a record, a record without a pod process,
    directories, cgroups.
    """
    strange = SandboxId("f" * 64)
    run_dir = Path(host.runtime._core.paths.pod(strange))
    run_dir.mkdir()
    pod = PodProcess.spawn(run_dir, "default/strange", host_netns=host.runtime._core.host_netns)
    await pod.list_processes()
    core = host.runtime._core
    Path(core.paths.container("e" * 64)).mkdir()
    core.cgroups.create_container("burstable/podstrange/" + "d" * 64)
    core.network.attach(strange)
    pod.close()
    await host.restart()
    await died(pod.pid) if Path(f"/proc/{pod.pid}").exists() else None
    await reap(pod.pid)
    await host.runtime.drained()
    assert host.runtime.list_sandboxes() == []


async def test_a_sandbox_that_was_never_finished_is_removed(host: Host) -> None:
    """The record is committed before the plan is sent: killed in between, the pod process waits for a plan."""
    core = host.runtime._core
    birth = Birth(core, host.sandbox())
    play, PodProcess.play = PodProcess.play, lambda self, plan: asyncio.get_running_loop().create_future()  # type: ignore
    try:
        birth.begin()
    finally:
        PodProcess.play = play  # type: ignore[method-assign]
    assert birth.pod is not None
    await birth.pod.list_processes()
    await host.restart()
    await reap(birth.pod.pid)
    # Nobody was told of it; if the pod process has ended by itself, a stopped sandbox is all that is known.
    assert all(sandbox.state is SandboxState.NOT_READY for sandbox in host.runtime.list_sandboxes())


@pytest.mark.core
async def test_after_a_reboot_nothing_is_running(host: Host) -> None:
    sandbox, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    core = host.runtime._core
    pid = sandbox.pid
    await host.runtime.close()
    os.kill(pid, signal.SIGKILL)
    await reap(pid)
    core.sandboxes[sandbox.id].boot = "another"
    core.tables.put_sandbox(core.sandboxes[sandbox.id])
    host.store.close()
    for entry in (host.config.paths.run / "pods").iterdir():
        shutil.rmtree(entry)
    host.open()
    await host.runtime.recover()
    assert host.runtime.sandbox_status(sandbox.id).state is SandboxState.NOT_READY
    assert host.runtime.container_status(container).state is ContainerState.EXITED
