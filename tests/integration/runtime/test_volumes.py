"""Volumes as containers see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrt.kube.volumes import EmptyDirVolumeSource, HostPathVolumeSource, Volume
from pyrt.runtime.config import ContainerSecurity, Mount, TmpfsMount
from pyrt.volumes import VolumeContext, prepare, teardown

from .conftest import Host


@pytest.fixture
def context(host: Host) -> VolumeContext:
    return VolumeContext("uid", host.config.paths.root / "pods" / "uid" / "volumes")


def mount(volume: Volume, context: VolumeContext, where: str, **edit: object) -> Mount:
    prepared = prepare(volume, context)
    return Mount(where, prepared.path, description=prepared.description, **edit)  # type: ignore[arg-type]


@pytest.mark.core
async def test_empty_dir_is_shared_by_the_containers_of_a_pod(host: Host, context: VolumeContext) -> None:
    volume = Volume(name="cache", empty_dir=EmptyDirVolumeSource())
    mounts = (mount(volume, context, "/cache"),)
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    one = await host.start(sandbox.id, "sleep", "1000", name="one", mounts=mounts)
    nobody = ContainerSecurity(run_as_user=65534)
    two = await host.start(sandbox.id, "sleep", "1000", name="two", mounts=mounts, security=nobody)
    await host.inside(two, "sh", "-c", "echo hello > /cache/x")
    assert await host.inside(one, "cat", "/cache/x") == "hello"
    teardown(volume, context)
    assert not (context.directory / "cache").exists()


async def test_empty_dir_outlives_its_containers(host: Host, context: VolumeContext) -> None:
    volume = Volume(name="cache", empty_dir=EmptyDirVolumeSource())
    mounts = (mount(volume, context, "/cache"),)
    assert await host.prints("sh", "-c", "echo hello > /cache/x", mounts=mounts) == ""
    assert await host.prints("cat", "/cache/x", mounts=mounts) == "hello"


@pytest.mark.core
async def test_empty_dir_in_memory_has_the_size_of_its_limit(host: Host, context: VolumeContext) -> None:
    prepared = prepare(Volume(name="m", empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")), context)
    assert prepared.tmpfs is not None
    tmpfs = TmpfsMount(prepared.path, prepared.tmpfs.size, prepared.tmpfs.mode)
    status, output = await host.run(
        "sh", "-c", "grep ' /m ' /proc/mounts; stat -c %a /m; dd if=/dev/zero of=/m/x bs=64k count=100",
        sandbox={"tmpfs_mounts": (tmpfs,)}, mounts=(Mount("/m", prepared.path),),
    )  # fmt: skip
    assert "tmpfs /m tmpfs" in output
    assert "777" in output
    assert "No space left on device" in output
    assert status.exit_code == 1


@pytest.mark.core
async def test_host_path_file_and_directory(host: Host, context: VolumeContext, workdir: Path) -> None:
    (workdir / "file").write_text("of the host")

    def host_path(path: Path, kind: str) -> Volume:
        return Volume(name=path.name, host_path=HostPathVolumeSource(path=str(path), type=kind))

    mounts = (
        mount(host_path(workdir / "file", "File"), context, "/f"),
        mount(host_path(workdir / "new", "DirectoryOrCreate"), context, "/d/e"),
        mount(host_path(Path("/dev/null"), "CharDevice"), context, "/n"),
    )
    assert (
        await host.prints("sh", "-c", "cat /f; echo x > /d/e/x; echo y > /n; [ -c /n ]", mounts=mounts) == "of the host"
    )
    assert (workdir / "new" / "x").read_text() == "x\n"


async def test_sub_path(host: Host, context: VolumeContext) -> None:
    volume = Volume(name="cache", empty_dir=EmptyDirVolumeSource())
    mounts = (mount(volume, context, "/whole"), mount(volume, context, "/part", sub_path="a/b"))
    output = await host.prints("sh", "-c", "echo x > /part/x; cat /whole/a/b/x; stat -c %a /whole/a/b", mounts=mounts)
    assert output.split() == ["x", "777"]


async def test_sub_path_of_a_file(host: Host, context: VolumeContext) -> None:
    volume = Volume(name="cache", empty_dir=EmptyDirVolumeSource())
    whole = mount(volume, context, "/whole")
    (whole.host_path / "conf").write_text("one")
    assert (
        await host.prints("cat", "/etc/conf", mounts=(mount(volume, context, "/etc/conf", sub_path="conf"),)) == "one"
    )


async def test_a_volume_below_a_volume(host: Host, context: VolumeContext) -> None:
    outer = Volume(name="outer", empty_dir=EmptyDirVolumeSource())
    inner = Volume(name="inner", empty_dir=EmptyDirVolumeSource())
    mounts = (mount(inner, context, "/data/cache"), mount(outer, context, "/data"))
    await host.prints("sh", "-c", "echo i > /data/cache/x; echo o > /data/x", mounts=mounts)
    assert (context.directory / "inner" / "x").read_text() == "i\n"
    assert (context.directory / "outer" / "x").read_text() == "o\n"


async def test_a_volume_on_etc_hosts_replaces_the_pods(host: Host, workdir: Path) -> None:
    (workdir / "hosts").write_text("mine")
    assert await host.prints("cat", "/etc/hosts", mounts=(Mount("/etc/hosts", workdir / "hosts"),)) == "mine"


async def test_a_volume_on_dev_shm_replaces_the_pods(host: Host, workdir: Path) -> None:
    (workdir / "shm").mkdir()
    await host.prints("touch", "/dev/shm/x", mounts=(Mount("/dev/shm", workdir / "shm"),))
    assert (workdir / "shm" / "x").exists()


async def test_a_file_below_dev(host: Host, workdir: Path) -> None:
    """The termination message's file."""
    (workdir / "message").write_text("")
    await host.prints(
        "sh", "-c", "echo bye > /dev/termination-log", mounts=(Mount("/dev/termination-log", workdir / "message"),)
    )
    assert (workdir / "message").read_text() == "bye\n"
