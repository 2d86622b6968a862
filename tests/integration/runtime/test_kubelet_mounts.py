"""What only a kubelet asks of mounts: images, paths that are not there, options, one of the default ones replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrt.ids import ImageId
from pyrt.launch.context import UserNamespace
from pyrt.runtime.config import ContainerSecurity, Mount, NamespaceMode
from pyrt.runtime.errors import CreateError, StartError

FIRST = 3 * 65536
OWN = {"user_namespace": UserNamespace(FIRST)}


@pytest.fixture
def layers(host) -> tuple[Path, Path]:
    """Of an image: a file of each, and one that the upper hides."""
    found = []
    for name in ("low", "high"):
        layer = Path(host.config.paths.root, f"layer-{name}")
        (layer / "dir").mkdir(parents=True)
        (layer / name).write_text(name)
        (layer / "dir/both").write_text(name)
        found.append(layer)
    return found[0], found[1]


def image_mount(layers, path: str = "/data", **edit) -> Mount:
    return Mount(path, Path(), layers=layers, image=ImageId("sha256:5"), readonly=True, mapped=False, **edit)


@pytest.mark.parametrize(
    "sandbox", [pytest.param({}, id="host ids", marks=pytest.mark.core), pytest.param(OWN, id="own ids")]
)
async def test_an_image_is_a_volume(host, layers, sandbox):
    script = "cat /data/low /data/high /data/dir/both; stat -c ' %u:%g' /data/low; touch /data/x 2>&1; ls /data"
    out = await host.prints("sh", "-c", script, sandbox=sandbox, mounts=(image_mount(layers),))
    assert out.splitlines() == ["lowhighhigh 0:0", "touch: /data/x: Read-only file system", "dir", "high", "low"]
    assert out == await host.prints("sh", "-c", script, sandbox=sandbox, mounts=(image_mount(layers),))  # one like it


async def test_a_part_of_an_image(host, layers):
    mounts = (image_mount(layers, sub_path="dir", make_sub_path=False), image_mount(layers, "/again"))
    assert await host.prints("cat", "/data/both", "/again/low", mounts=mounts) == "highlow"
    with pytest.raises(StartError, match="No such file"):
        await host.run("true", mounts=(image_mount(layers, sub_path="nothing", make_sub_path=False),))


async def test_an_image_that_is_mounted_is_in_use(host, layers):
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    container = await host.runtime.create_container(sandbox.id, host.container("true", mounts=(image_mount(layers),)))
    await host.restart()
    assert ImageId("sha256:5") in host.runtime.images_in_use()
    await host.runtime.start_container(container)
    assert (await host.runtime.wait_container(container)).exit_code == 0


async def test_a_host_path_that_is_not_there_is_made(host):
    path = Path(host.config.paths.root, "not/there/yet")
    await host.prints("touch", "/data/file", mounts=(Mount("/data", path, make_host_path=True),))
    assert (path / "file").exists()
    link = path.parent / "link"
    link.symlink_to(path)
    assert await host.prints("ls", "/data", mounts=(Mount("/data", link, make_host_path=True),)) == "file"
    (path.parent / "nowhere").symlink_to("/proc/nowhere")
    with pytest.raises(CreateError):
        await host.run("true", mounts=(Mount("/data", path.parent / "nowhere", make_host_path=True),))


async def test_options(host, tmp_path):
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o755)
    mount = Mount("/data", tmp_path, options=("noexec", "nodev", "nosuid"))
    out = await host.prints("sh", "-c", "grep ' /data ' /proc/mounts; /data/script || true", mounts=(mount,))
    assert {"nosuid", "nodev", "noexec"} <= set(out.splitlines()[0].split()[3].split(","))


async def test_the_hosts_dev_in_place_of_its_own(host, tmp_path):
    """As runc has it: nothing is made in a /dev that is not the container's."""
    for name in ("null", "zero"):
        (tmp_path / name).touch()
    out = await host.prints("ls", "/dev", mounts=(Mount("/dev", tmp_path),))
    assert out.split() == ["null", "zero"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["null", "zero"]


async def test_shared_memory_in_place_of_the_pods(host, tmp_path):
    (tmp_path / "mine").touch()
    out = await host.prints(
        "sh", "-c", "ls /dev/shm; grep -c ' /dev/shm ' /proc/mounts", mounts=(Mount("/dev/shm", tmp_path),)
    )
    assert out.split() == ["mine", "1"]


async def test_a_mount_that_keeps_the_hosts_ids(host, tmp_path):
    """In a pod with a user namespace, where the kubelet gives no mappings."""
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    mounts = (Mount("/plain", tmp_path, mapped=False), Mount("/mapped", tmp_path))
    out = await host.prints("stat", "-c", "%u", "/plain/file", "/mapped/file", sandbox=OWN, mounts=mounts)
    assert out.split() == ["65534", "0"]


async def test_ambient_capabilities(host):
    """Kept by a user that is not root, and by what it executes; nothing else is."""
    security = ContainerSecurity(run_as_user=1000, ambient_capabilities=("NET_BIND_SERVICE",))
    out = await host.prints("sh", "-c", "grep Cap /proc/self/status", security=security)
    sets = {line.split()[0]: int(line.split()[1], 16) for line in out.splitlines()}
    assert sets["CapAmb:"] == sets["CapEff:"] == sets["CapPrm:"] == sets["CapInh:"] == 1 << 10
    out = await host.prints("sh", "-c", "grep CapAmb /proc/self/status", security=ContainerSecurity(run_as_user=1000))
    assert int(out.split()[1], 16) == 0


async def test_paths_that_are_given_are_the_ones_that_are_hidden(host):
    security = ContainerSecurity(masked_paths=("/etc/passwd",), readonly_paths=("/tmp",))
    script = "cat /etc/passwd; touch /tmp/x 2>&1; cut -d' ' -f2 /proc/mounts | grep ^/proc"
    out = await host.prints("sh", "-c", script, security=security)
    assert out.splitlines() == ["touch: /tmp/x: Read-only file system", "/proc"]


async def test_a_pid_namespace_of_its_own_in_a_pod_that_shares_one(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(pid=NamespaceMode.POD))
    shared = await host.start(sandbox.id, "sleep", "1000", name="shared")
    own = await host.start(sandbox.id, "sleep", "1000", name="own", pid=NamespaceMode.CONTAINER)
    node = await host.start(sandbox.id, "sleep", "1000", name="node", pid=NamespaceMode.NODE)
    assert "pause" in await host.inside(shared, "cat", "/proc/1/cmdline")
    assert (await host.inside(own, "cat", "/proc/1/cmdline")).startswith("sleep")
    pid = host.runtime.container_status(node).pid
    assert (await host.inside(node, "cat", f"/proc/{pid}/cmdline")).startswith("sleep")
