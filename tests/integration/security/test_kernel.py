"""The kernel's interfaces: system calls through every door, keys, files of proc, sys and cgroup, devices."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from pyrt.images.types import Image
from pyrt.runtime.config import ContainerSecurity, Mount, NamespaceMode, Seccomp, TmpfsMount
from tests.integration.runtime.conftest import Host

UNCONFINED = ContainerSecurity(seccomp=Seccomp("Unconfined"))

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86-64")

NEW_USER, NEW_NET = 0x10000000, 0x40000000
# What each call would do with these arguments if it were let through is harmless, or an error other than EPERM.
FORBIDDEN = {
    "unshare": (272, (NEW_USER,)),
    "clone": (56, (NEW_USER | 17,)),
    "clone_newnet": (56, (NEW_NET | 17,)),
    "setns": (308, (-1, 0)),
    "mount": (165, (0, 0, 0, 0, 0)),
    "umount2": (166, (0, 0)),
    "pivot_root": (155, (0, 0)),
    "open_tree": (428, (-1, 0, 1)),
    "move_mount": (429, (-1, 0, -1, 0, 0)),
    "fsopen": (430, (0, 0)),
    "mount_setattr": (442, (-1, 0, 0, 0, 0)),
    "bpf": (321, (-1, 0, 0)),
    "perf_event_open": (298, (0, 0, -1, -1, 0)),
    "io_uring_setup": (425, (1, 0)),
    "io_uring_register": (427, (-1, 0, 0, 0)),
    "userfaultfd": (323, (1,)),
    "keyctl": (250, (0, -3, 0)),
    "add_key": (248, (0, 0, 0, 0, -3)),
    "request_key": (249, (0, 0, 0, 0)),
    "open_by_handle_at": (304, (-1, 0, 0)),
    "kexec_load": (246, (0, 0, 0, -1)),
    "init_module": (175, (0, 0, 0)),
    "finit_module": (313, (-1, 0, 0)),
    "delete_module": (176, (0, 0)),
    "swapon": (167, (0, 0)),
    "quotactl": (179, (0, 0, 0, 0)),
    "acct": (163, (1,)),
    "settimeofday": (164, (1, 0)),
    "iopl": (172, (3,)),
    "syslog": (103, (10, 0, 0)),
    "fanotify_init": (300, (0, 0)),
    "personality": (135, (0x0040000,)),  # ADDR_NO_RANDOMIZE
    "vmsplice_move_pages": (279, (0, 0, 0, 0, 0, 0)),
    "mbind": (237, (0, 0, 0, 0, 0, 0)),
    "nfsservctl": (180, (0, 0, 0)),
}
COMPAT = {
    "unshare": (310, (NEW_USER,)),
    "clone": (120, (NEW_USER | 17,)),
    "mount": (21, (0, 0, 0, 0, 0)),
    "setns": (346, (-1, 0)),
    "bpf": (357, (-1, 0, 0)),
    "perf_event_open": (336, (0, 0, -1, -1, 0)),
    "keyctl": (288, (0, -3, 0)),
    "add_key": (286, (0, 0, 0, 0, -3)),
    "userfaultfd": (374, (1,)),
    "io_uring_setup": (425, (1, 0)),
    "clone3": (435, (0, 0)),
    "init_module": (128, (0, 0, 0)),
    "open_by_handle_at": (342, (-1, 0, 0)),
    "vm86": (166, (0, 0)),
}


def _script(door: str, calls: dict[str, tuple[int, tuple[int, ...]]]) -> str:
    lines = [
        f"echo {name} $(attack call {door} {number} {' '.join(map(str, arguments))})"
        for name, (number, arguments) in calls.items()
    ]
    return "; ".join(lines)


@x86_64
async def test_forbidden_calls(host: Host, armed: Image) -> None:
    """RuntimeDefault: what CVE-2022-0185 (fsconfig), 2022-0492 (unshare), 2021-3490 (bpf), 2022-29582 (io_uring),
    2016-0728 (keys), 2015-1335 (open_by_handle_at), 2021-22555 (user namespaces) and others need is not there.
    """
    output = await host.prints("sh", "-c", _script("native", FORBIDDEN), image=armed)
    assert output.splitlines() == [f"{name} native EPERM" for name in FORBIDDEN]


@x86_64
async def test_clone3_is_not_there(host: Host, armed: Image) -> None:
    """moby 42681: flags behind a pointer cannot be filtered, so the call does not exist, and libraries take clone."""
    assert await host.prints("attack", "call", "native", "435", "0", "0", image=armed) == "native ENOSYS"


@x86_64
async def test_forbidden_calls_of_32_bit_programs(host: Host, armed: Image) -> None:
    """A filter for one architecture is passed by through another: int 0x80."""
    output = await host.prints("sh", "-c", _script("compat", COMPAT), image=armed)
    for line in output.splitlines():
        _, door, result = line.split()
        assert door == "compat"
        assert result in ("EPERM", "ENOSYS", "signal11"), line  # SIGSEGV: the kernel has no 32-bit entry


@x86_64
async def test_forbidden_calls_by_their_x32_numbers(host: Host, armed: Image) -> None:
    """The same call with bit 30 set in its number (CVE-2014-0038 came by this way)."""
    calls = {name: call for name, call in FORBIDDEN.items() if call[0] < 400}
    output = await host.prints("sh", "-c", _script("x32", calls), image=armed)
    for line in output.splitlines():
        assert line.split()[-1] in ("EPERM", "ENOSYS", "signal31"), line


@pytest.mark.parametrize("family", [40, 38], ids=["vsock", "alg"])
async def test_sockets_past_every_namespace(host: Host, armed: Image, family: int) -> None:
    """AF_VSOCK reaches the hypervisor whatever the network namespace; AF_ALG is kernel attack surface nobody needs."""
    assert await host.prints("attack", "socket", str(family), image=armed) == "socket EPERM"
    if platform.machine() == "x86_64":
        # A comparison of all 64 bits does not see it; the kernel takes the lower 32.
        command = ("attack", "call", "native", "41", hex(1 << 32 | family), "1", "0")
        assert await host.prints(*command, image=armed) == "native EPERM"


@x86_64
async def test_usual_sockets(host: Host, armed: Image) -> None:
    """What is not forbidden is still there: unix, IPv4, IPv6, netlink, packet."""
    script = "for family in 1 2 10 16 17; do attack call native 41 $family 3 0; done"
    output = await host.prints("sh", "-c", script, image=armed)
    assert "EPERM" not in output


async def test_keys_are_not_shared(host: Host, armed: Image) -> None:
    """A session keyring is inherited (runc 488 and 1.0's "_ses" keyrings): without one of its own each container would
    have the daemon's, and every other container's keys.
    """
    sandbox = await host.runtime.run_sandbox(host.sandbox())
    one = await host.start(sandbox.id, "sleep", "1000", image=armed, security=UNCONFINED)
    two = await host.start(sandbox.id, "sleep", "1000", image=armed, security=UNCONFINED, name="two")
    ours = {line.split()[0] for line in Path("/proc/keys").read_text().splitlines()}
    added = await host.inside(one, "sh", "-c", "attack keyring add; attack keyring search; attack keyring id")
    if "ENOSYS" in added:
        pytest.skip("the kernel has no keys")
    assert added.splitlines()[:2] == ["add ok", "search ok"]
    ring = int(added.splitlines()[2])
    assert f"{ring:08x}" not in ours
    assert await host.inside(two, "attack", "keyring", "search") == "search ENOKEY"
    # Another process that enters the same container has a keyring of its own as well.
    assert await host.inside(one, "attack", "keyring", "search") == "search ENOKEY"


WRITTEN = """
/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/vm/drop_caches
/proc/sys/fs/binfmt_misc/register /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/hostname /proc/sysrq-trigger
/proc/irq/default_smp_affinity /proc/sys/kernel/sysrq /proc/sys/kernel/core_uses_pid /proc/sys/fs/suid_dumpable
/sys/kernel/uevent_helper /sys/kernel/mm/ksm/run /sys/power/state /sys/module/kernel/parameters/panic
/sys/class/net/eth0/mtu /sys/kernel/profiling
"""


@pytest.mark.core
@pytest.mark.parametrize("namespaces", [{}, {"network": NamespaceMode.NODE}], ids=["pod", "hostNetwork"])
async def test_files_of_the_kernel_are_read_only(
    host: Host, armed: Image, namespaces: dict[str, NamespaceMode]
) -> None:
    """Of core_pattern, uevent_helper, modprobe, binfmt_misc the kernel runs what they name, as root on the host."""
    output = await host.prints(
        "attack", "writes", *WRITTEN.split(), image=armed, security=UNCONFINED, sandbox=namespaces
    )
    for line in output.splitlines():
        assert line.split()[1] in ("EROFS", "ENOENT", "EACCES"), line
    assert "/proc/sys/kernel/core_pattern EROFS" in output


async def test_masked_files_cannot_be_uncovered(host: Host, armed: Image) -> None:
    """umount, remount and a second procfs need CAP_SYS_ADMIN, also where no filter forbids them (CVE-2025-31133 came
    to the files by another way: see test_mounts).
    """
    script = """
    umount /proc/sys; umount /sys/firmware; mount -o remount,rw /proc/sys; mount -o remount,rw,bind /sys
    mount -t proc proc /tmp; mount -t sysfs sysfs /tmp; mount -t tmpfs t /proc/sys; mount --bind /tmp /proc/sys
    ls /proc/1/map_files >/dev/null
    """
    _, output = await host.run("sh", "-c", script, image=armed, security=UNCONFINED)
    refusals = [line for line in output.splitlines() if "ermission denied" in line or "not permitted" in line]
    assert len(refusals) >= 8, output


@pytest.mark.core
async def test_the_cgroup_is_read_only_and_ends_at_the_container(host: Host, armed: Image) -> None:
    """CVE-2022-0492, and the release_agent trick: a container that can write to a cgroup v1 hierarchy names a program
    the kernel runs on the host. One that can write to its own could lift its limits.
    """
    script = """
    exec 2>&1; find /sys/fs/cgroup -name release_agent -o -name 'cgroup.event_control' | head -1
    for f in $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs -o -maxdepth 2 -name 'memory.limit_in_bytes' \
        -o -maxdepth 2 -name memory.max -o -maxdepth 2 -name notify_on_release -o -maxdepth 2 -name devices.allow); do
        attack writes $f
    done
    mkdir /sys/fs/cgroup/memory/x 2>&1 || mkdir /sys/fs/cgroup/x 2>&1
    cut -d: -f3 /proc/self/cgroup | sort -u
    """
    _, output = await host.run("sh", "-c", script, image=armed, security=UNCONFINED)
    *lines, root = output.splitlines()
    assert root == "/"
    assert any(line.endswith("EROFS") for line in lines), output
    for line in lines:
        if line.startswith("/sys") and " " in line:
            assert line.endswith("EROFS"), line
    assert "release_agent" not in output  # only the root of a hierarchy has one, and it is not in view


async def test_a_user_namespace_gives_no_cgroup_and_no_mount(host: Host, armed: Image) -> None:
    """CVE-2022-0492 and 2022-0185 without a filter: root in a user namespace of its own mounts what it can."""
    inner = """
    exec 2>&1; echo inside; busybox mount -t cgroup -o memory c /tmp && busybox mount -t cgroup -o rdma c /tmp
    echo x > /tmp/release_agent; busybox mount -t proc proc /proc && cat /proc/1/comm
    echo x > /proc/sys/kernel/core_pattern; busybox umount /sys/firmware; echo done
    """
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    command = ("/bin/busybox", "unshare", "-U", "-m", "-r", "/bin/busybox", "sh", "-c", inner)
    _, output = await host.run(*command, image=armed, security=UNCONFINED)
    assert output.startswith("inside")
    assert output.endswith("done")
    # The kernel lets nobody uncover there what is covered here (mount_too_revealing).
    assert output.count("denied") + output.count("not permitted") + output.count("Read-only") >= 3, output
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


async def test_devices_of_the_host(host: Host, armed: Image) -> None:
    """A node is only a name: mknod is allowed as in containerd's default, use is not (devices cgroup); and a pod's
    /dev, its tmpfs volumes and shared memory take none at all, or none that works.
    """
    if not host.runtime._core.cgroups.filters_devices:
        pytest.skip("this machine cannot filter devices")
    disk = Path("/sys/dev/block")
    numbers = [entry.name.split(":") for entry in disk.iterdir()] if disk.is_dir() else []
    nodes = [("b", *numbers[0])] if numbers else []
    nodes += [("c", "1", "1"), ("c", "1", "2"), ("c", "1", "4"), ("c", "10", "237"), ("c", "10", "200")]
    script = "; ".join(
        f"for d in / /dev /dev/shm; do mknod $d/n{i} {kind} {major} {minor}; dd if=$d/n{i} of=/dev/null count=1; done"
        for i, (kind, major, minor) in enumerate(nodes)
    )
    _, output = await host.run("sh", "-c", f"exec 2>&1; {script}; echo done", image=armed, security=UNCONFINED)
    assert "records in" not in output
    assert output.endswith("done")


async def test_nothing_in_a_volume_is_set_user_id(host: Host, workdir: Path, armed: Image) -> None:
    """Memory volumes are mounted nosuid and nodev; /proc, /sys, /dev/shm, /etc/hosts noexec besides."""
    volume = workdir / "memory"
    volume.mkdir()
    sandbox = host.sandbox(tmpfs_mounts=(TmpfsMount(volume, 1 << 20, 0o777),))
    _, container = await host.runtime.run_pod(
        sandbox, host.container("cat", "/proc/self/mountinfo", mounts=(Mount("/m", volume),), image=armed)
    )
    await host.runtime.wait_container(container)
    options = {line.split()[4]: line.split()[5] for line in host.output(container).splitlines()}
    for path in ("/m", "/dev/shm", "/etc/hosts", "/proc", "/sys", "/dev/mqueue", "/dev/pts"):
        assert "nosuid" in options[path], (path, options[path])
        assert "nodev" in options[path] or path == "/dev/pts", (path, options[path])
