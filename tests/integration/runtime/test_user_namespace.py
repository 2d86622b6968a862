"""Pods with ids of their own (``hostUsers: false``), seen from inside and from the host."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from pyrt.launch.context import UserNamespace
from pyrt.runtime.config import ContainerSecurity, Mount, NamespaceMode, TmpfsMount
from pyrt.runtime.errors import InvalidConfigError, RuntimeFailure, SandboxError

FIRST = 3 * 65536
OWN = {"user_namespace": UserNamespace(FIRST)}
NS_GET_USERNS = 0xB701


def release() -> tuple[int, ...]:
    return tuple(int(word) for word in os.uname().release.split("-")[0].split(".")[:2])


def status_line(pid: int, name: str) -> list[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].split() for line in lines if line.startswith(f"{name}:"))


def owner_of(path: str) -> int:
    """The inode number of the user namespace that owns a namespace."""
    fd = os.open(path, os.O_RDONLY)
    try:
        owner = fcntl.ioctl(fd, NS_GET_USERNS)
    finally:
        os.close(fd)
    try:
        return os.fstat(owner).st_ino
    finally:
        os.close(owner)


async def test_root_inside_is_nobody_outside(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    container = await host.start(sandbox.id, "sleep", "1000")
    pid = host.runtime.container_status(container).pid
    assert await host.inside(container, "id", "-u") == "0"
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(FIRST), "65536"]
    assert Path(f"/proc/{pid}/gid_map").read_text().split() == ["0", str(FIRST), "65536"]
    assert status_line(pid, "Uid") == [str(FIRST)] * 4
    assert status_line(pid, "Gid") == [str(FIRST)] * 4
    assert status_line(pid, "Groups") == [str(FIRST)]


async def test_every_namespace_belongs_to_the_pods_user_namespace(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    container = await host.start(sandbox.id, "sleep", "1000")
    pid = host.runtime.container_status(container).pid
    own = os.stat(f"/proc/{pid}/ns/user").st_ino
    assert own != os.stat("/proc/self/ns/user").st_ino
    for kind in ("net", "ipc", "uts", "mnt", "pid", "cgroup"):
        assert owner_of(f"/proc/{pid}/ns/{kind}") == own, kind


async def test_what_root_may_own(host):
    script = """
        stat -c '%n %u:%g %a' / /bin/busybox /etc/hosts /dev /dev/null /dev/shm /dev/pts /tmp /dev/mqueue
        touch /x /tmp/y; stat -c '%n %u:%g' /x /tmp/y
        chown 1000:1000 /x; stat -c '%n %u:%g' /x
        echo changed >> /etc/hosts
    """
    out = await host.prints("sh", "-c", script, sandbox=OWN, working_dir="/made/for/it")
    assert "65534" not in out
    assert "/dev/null 0:0 666" in out
    assert "/x 1000:1000" in out
    assert await host.prints("stat", "-c", "%u:%g", ".", sandbox=OWN, working_dir="/made/for/it") == "0:0"


async def test_root_rules_the_pods_namespaces_and_nothing_else(host):
    admin = ContainerSecurity(
        add_capabilities=("NET_ADMIN", "SYS_ADMIN", "SYS_TIME", "SYS_RESOURCE", "SYS_BOOT"), unmasked_proc=True
    )
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    script = """
        ip link set lo mtu 1400 && echo mtu
        echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward
        echo 77777 > /proc/sys/kernel/shmmax && cat /proc/sys/kernel/shmmax
        hostname other && hostname
        mount -t tmpfs tmpfs /tmp && echo tmpfs
        mount -t proc proc /tmp && echo proc
        echo 1 > /proc/sys/vm/drop_caches || echo no
        date -s 2000-01-01 2>&1 | grep -q permitted && echo no
        mknod /x c 1 3 || echo no
        umount /etc/hosts || echo no
    """
    out = await host.prints("sh", "-c", f"exec 2>/dev/null; {script}", sandbox=OWN, security=admin)
    assert out.split() == ["mtu", "1", "77777", "other", "tmpfs", "proc", "no", "no", "no", "no"]
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


async def test_volumes_keep_their_ids_on_disk(host, workdir):
    volume = workdir / "volume"
    volume.mkdir()
    (volume / "file").write_text("x")
    os.chown(volume / "file", 1000, 1000)
    script = "stat -c '%u:%g' /data /data/file; echo y > /data/new; chown 7:8 /data/new; stat -c %u:%g /data/new"
    out = await host.prints("sh", "-c", script, sandbox=OWN, mounts=(Mount("/data", volume),))
    assert out.split() == ["0:0", "1000:1000", "7:8"]
    made = os.stat(volume / "new")
    assert (made.st_uid, made.st_gid) == (7, 8)


async def test_sub_paths_are_made_and_mapped(host, workdir):
    volume = workdir / "volume"
    volume.mkdir()
    out = await host.prints("stat", "-c", "%u", "/data", sandbox=OWN, mounts=(Mount("/data", volume, sub_path="a/b"),))
    assert out == "0"
    assert os.stat(volume / "a/b").st_uid == 0


@pytest.mark.skipif(release() < (6, 3), reason="tmpfs has mapped ids since Linux 6.3")
async def test_volumes_in_memory(host, workdir):
    volume = workdir / "memory"
    volume.mkdir()
    out = await host.prints(
        "sh", "-c", "stat -c '%u' /data; touch /data/x && stat -c %u /data/x",
        sandbox={**OWN, "tmpfs_mounts": (TmpfsMount(volume),)}, mounts=(Mount("/data", volume),),
    )  # fmt: skip
    assert out.split() == ["0", "0"]


async def test_a_file_system_that_cannot_map_ids_is_named(host):
    with pytest.raises(RuntimeFailure, match=r"mount procfs.*idmap.*Operation not supported"):
        await host.prints("true", sandbox=OWN, mounts=(Mount("/data", Path("/proc"), description="procfs"),))


async def test_a_read_only_volume_stays_so_for_every_capability(host, workdir):
    volume = workdir / "volume"
    volume.mkdir()
    security = ContainerSecurity(add_capabilities=("ALL",))
    script = "mount -o remount,rw,bind /data; umount /data; touch /data/x"
    mounts = (Mount("/data", volume, readonly=True),)
    _, out = await host.run("sh", "-c", script, sandbox=OWN, security=security, mounts=mounts)
    assert "touch: /data/x: Read-only file system" in out
    assert list(volume.iterdir()) == []


async def test_a_shared_pid_namespace(host):
    sandbox, first = await host.runtime.run_pod(
        host.sandbox(pid=NamespaceMode.POD, **OWN), host.container("sleep", "1000", name="first")
    )
    second = await host.start(sandbox.id, "sleep", "1000", name="second")
    assert await host.inside(second, "cat", "/proc/1/comm") == "pyrt-pause"
    assert await host.inside(second, "cat", "/proc/2/comm") == "sleep"
    pids = [host.runtime.container_status(container).pid for container in (first, second)]
    assert len({os.stat(f"/proc/{pid}/ns/pid").st_ino for pid in pids}) == 1
    assert owner_of(f"/proc/{pids[0]}/ns/pid") == os.stat(f"/proc/{pids[0]}/ns/user").st_ino


async def test_another_containers_pid_namespace(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    target = await host.start(sandbox.id, "sleep", "1000", name="target")
    debug = await host.start(sandbox.id, "sleep", "2000", name="debug", pid_target=target)
    assert await host.inside(debug, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline") == "sleep 1000"


async def test_another_user_and_its_standard_streams(host):
    security = ContainerSecurity(run_as_user=1000, run_as_group=1000, supplemental_groups=(2000,))
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    container = await host.start(sandbox.id, "sh", "-c", "echo hello > /dev/stdout; sleep 1000", security=security)
    pid = host.runtime.container_status(container).pid
    assert await host.inside(container, "sh", "-c", "echo there > /dev/stdout; id -u") == "there\n1000"
    assert status_line(pid, "Uid") == [str(FIRST + 1000)] * 4
    assert status_line(pid, "Groups") == [str(FIRST + 1000), str(FIRST + 2000)]
    assert await host.output_of(container, lines=1) == "hello"


async def test_a_user_that_the_pod_does_not_have(host):
    with pytest.raises(RuntimeFailure, match="user or group 70000: is not one of the 65536 ids"):
        await host.prints("true", sandbox=OWN, security=ContainerSecurity(run_as_user=70000))


async def test_terminals_belong_to_their_user(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    security = ContainerSecurity(run_as_user=1000)
    script = "stat -c %u:%g $(tty) /dev/console; sleep 1000"
    container = await host.start(sandbox.id, "sh", "-c", script, tty=True, security=security)
    session = await host.runtime.exec(
        container, ("sh", "-c", "stat -c %u:%g $(tty)"), stdin=False, stdout=True, stderr=False, tty=True
    )
    assert await session.wait() == 0
    assert session.stdout is not None
    assert os.read(session.stdout, 1000).split() == [b"0:5"]
    session.close()
    assert await host.output_of(container, lines=2) == "0:5\n0:5"


async def test_privileged_is_not_the_hosts_root(host):
    """Every capability, every device node, and not one of the host's disks."""
    device = next(d for d in sorted(os.listdir("/dev")) if d.startswith(("vd", "sd", "loop", "ubd")))
    script = f"grep CapEff /proc/self/status; stat -c %u /dev/{device}; head -c 1 /dev/{device} || echo refused"
    _, out = await host.run("sh", "-c", script, sandbox=OWN, security=ContainerSecurity(privileged=True))
    assert "65534" in out
    assert "refused" in out.splitlines()


async def test_pods_cannot_reach_each_other(host):
    """Root of one pod is a stranger to the files and processes of another."""
    sandboxes = [
        await host.runtime.run_sandbox(host.sandbox(user_namespace=UserNamespace(first)))
        for first in (FIRST, 4 * 65536)
    ]
    pids = []
    for sandbox in sandboxes:
        container = await host.start(sandbox.id, "sleep", "1000")
        pids.append(host.runtime.container_status(container).pid)
    assert {status_line(pid, "Uid")[0] for pid in pids} == {str(FIRST), str(4 * 65536)}


async def test_a_new_daemon_goes_on(host):
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    first = await host.start(sandbox.id, "sleep", "1000", name="first")
    await host.restart()
    assert await host.inside(first, "cat", "/proc/self/uid_map") != ""
    second = await host.start(sandbox.id, "sleep", "1000", name="second")
    pids = [host.runtime.container_status(container).pid for container in (first, second)]
    assert len({os.stat(f"/proc/{pid}/ns/user").st_ino for pid in pids}) == 1


async def test_a_command_that_is_not_there_is_told_by_the_second_birth(host):
    with pytest.raises(RuntimeFailure, match=r'exec "nonsense": executable file not found in \$PATH'):
        await host.run("nonsense", sandbox=OWN)


async def test_many_that_end_at_once(host):
    """Whoever ends before its birth has been heard of is still the one that was started."""
    sandbox = await host.runtime.run_sandbox(host.sandbox(**OWN))
    for number in range(20):
        container = await host.start(sandbox.id, "sh", "-c", f"exit {number}", name=f"c{number}")
        assert (await host.runtime.wait_container(container)).exit_code == number


@pytest.mark.parametrize("kind", ["network", "pid", "ipc"])
async def test_not_together_with_the_hosts_namespaces(host, kind):
    with pytest.raises((SandboxError, InvalidConfigError), match="hostUsers"):
        await host.runtime.run_sandbox(host.sandbox(**OWN, **{kind: NamespaceMode.NODE}))
