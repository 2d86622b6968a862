"""Full disks, taken ports, empty pools: one clear error, and nothing left."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pyrt import _native
from pyrt.config import Config
from pyrt.ids import SandboxId
from pyrt.network.types import HostPort
from pyrt.runtime.config import Mount, TmpfsMount
from pyrt.runtime.errors import CreateError, SandboxError, StartError
from pyrt.runtime.status import ContainerState, SandboxStatus
from pyrt.store import StoreFull

from .conftest import Host, until


@pytest.fixture
def small_disk(workdir: Path) -> Iterator[Path]:
    """A file system of a few kilobytes."""
    path = workdir / "small"
    path.mkdir()
    _native.mount("tmpfs", str(path), "tmpfs", 0, "size=64k,nr_inodes=20")
    yield path
    _native.umount(str(path))


async def _fill(host: Host, sandbox_id: SandboxId) -> None:
    for number in range(20):
        await host.runtime.create_container(sandbox_id, host.container("true", attempt=number))


async def _exhaust(host: Host, made: list[SandboxStatus]) -> None:
    while len(made) < 10:
        made.append(await host.runtime.run_sandbox(host.sandbox()))


async def test_a_full_disk_under_the_containers(host: Host, small_disk: Path) -> None:
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    containers = host.config.paths.root / "containers"
    containers.rmdir()
    containers.symlink_to(small_disk)
    try:
        with pytest.raises(CreateError, match=r"container app: create .*: No space left on device"):
            await _fill(host, sandbox.id)
    finally:
        for entry in list(host.runtime.list_containers()):
            await host.runtime.remove_container(entry.id)
        await host.runtime.drained()
        containers.unlink()
        containers.mkdir()


async def test_a_taken_port(host: Host) -> None:
    if not host.runtime._core.network.nat:
        pytest.skip("this kernel cannot publish ports")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(
            SandboxError, match=rf"pod default/pod0: hostPort {port}/tcp: a process on the host listens"
        ):
            await host.runtime.run_sandbox(host.sandbox(host_ports=(HostPort("tcp", port, 80),)))
    assert host.runtime.list_sandboxes() == []
    await host.runtime.drained()
    assert host.leftovers() == []


@pytest.fixture
def instance(instance: Config) -> Config:
    """With three addresses."""
    network = msgspec.structs.replace(instance.network, ipv4_cidr=instance.network.ipv4_cidr.replace("/24", "/29"))
    return msgspec.structs.replace(instance, network=network)


async def test_an_exhausted_pool(host: Host) -> None:
    made: list[SandboxStatus] = []
    with pytest.raises(SandboxError, match=r"all \d+ pod addresses of .* are in use"):
        await _exhaust(host, made)
    assert made
    assert len(host.runtime.list_sandboxes()) == len(made)
    await host.runtime.remove_sandbox(made[0].id)
    prefix = host.config.network.interface_prefix
    await until(lambda: sum(name.startswith(prefix) for name in os.listdir("/sys/class/net")) < len(made))
    assert (await host.runtime.run_sandbox(host.sandbox())).addresses == made[0].addresses


async def test_a_memory_volume_whose_directory_is_gone(host: Host, workdir: Path) -> None:
    with pytest.raises(SandboxError, match=r"pod default/pod0: mount tmpfs on .*gone.*: No such file or directory"):
        await host.runtime.run_sandbox(host.sandbox(tmpfs_mounts=(TmpfsMount(workdir / "gone"),)))
    assert host.runtime.list_sandboxes() == []


async def test_a_mount_that_fails_names_the_volume_and_leaves_nothing(host: Host, workdir: Path) -> None:
    mount = Mount("/bin/busybox/below", workdir, description="emptyDir cache")
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.runtime.create_container(sandbox.id, host.container("true", mounts=(mount,)))
    with pytest.raises(
        StartError, match=r"container app: mount emptyDir cache .* on /bin/busybox/below.*: Not a directory"
    ):
        await host.runtime.start_container(container)
    assert host.runtime.container_status(container).state is ContainerState.EXITED
    assert host.runtime.sandbox_status(sandbox.id).pid == sandbox.pid


async def test_a_database_that_cannot_be_written_for_a_while(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a container is told all the same, and written when that is possible again."""
    core = host.runtime._core
    _, container = await host.runtime.run_pod(host.sandbox(), host.container("sleep", "1000"))
    core.flush()

    def full(*_: object) -> None:
        raise StoreFull("database or disk is full")

    monkeypatch.setattr(core.tables, "put_container", full)
    await host.runtime.stop_container(container, 0)
    core.flush()
    assert host.runtime.container_status(container).exit_code == 137
    monkeypatch.undo()
    core.flush()
    await host.restart()
    assert host.runtime.container_status(container).exit_code == 137


async def test_many_at_once(host: Host) -> None:
    async def one(number: int) -> int:
        _, container = await host.runtime.run_pod(host.sandbox(), host.container("sh", "-c", f"exit {number}"))
        return (await host.runtime.wait_container(container)).exit_code

    assert await asyncio.gather(*(one(number) for number in range(4))) == [0, 1, 2, 3]
