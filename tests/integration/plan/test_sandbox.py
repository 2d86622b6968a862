"""A sandbox's plan, played by a process on itself."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest

from pyrt import _native
from pyrt.launch import SandboxContext, Tmpfs, compile_sandbox
from pyrt.launch import constants as k

pytestmark = pytest.mark.core

NET_IPC_UTS = k.CLONE_NEWNET | k.CLONE_NEWIPC | k.CLONE_NEWUTS


def link_up(index: int) -> bytes:
    """RTM_NEWLINK that switches an interface on."""
    body = struct.pack("=BxHiII", 0, 0, index, 1, 1)
    return struct.pack("=IHHII", 16 + len(body), 16, 0x5, 1, 0) + body


@pytest.fixture
def played():
    """Fork a process that plays the plan and answers what ``look`` finds in it."""

    def run(context, look):
        plan = compile_sandbox(context)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                failure = _native.plan_play(plan.encode())
                text = look() if failure is None else str(plan.failure(failure.index, failure.errno))
            except BaseException as e:  # noqa: BLE001 - the child must not return into pytest
                text = repr(e)
            os.write(write_end, text.encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as f:
            text = f.read()
        os.waitpid(pid, 0)
        return text

    return run


def test_hostname_and_sysctls_stay_inside(played):
    context = SandboxContext(NET_IPC_UTS, hostname="web-0", sysctls={"net.ipv4.ip_unprivileged_port_start": "80"})
    found = played(
        context, lambda: socket.gethostname() + Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()
    )
    assert found == "web-080\n"
    assert socket.gethostname() != "web-0"


def test_messages_reach_the_kernel(played):
    context = SandboxContext(NET_IPC_UTS, pod_messages=(link_up(1),), message_notes=("ip link set lo up",))
    assert played(context, _flags) == "up"


def _flags():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        a.bind(("127.0.0.1", 0))
        b.connect(a.getsockname())  # ENETUNREACH while lo is down
    return "up"


def test_a_refused_message_is_named(played):
    context = SandboxContext(NET_IPC_UTS, pod_messages=(link_up(77),), message_notes=("ip link set eth0 up",))
    assert played(context, lambda: "done") == "ip link set eth0 up: No such device"


def test_memory_lives_in_the_pod_only(played, workdir):
    (workdir / "shm").mkdir()
    context = SandboxContext(
        NET_IPC_UTS, run_directory=str(workdir), tmpfs=(Tmpfs(str(workdir / "shm"), 1 << 20, note="emptyDir cache"),)
    )

    def look():
        (workdir / "shm/x").write_text("inside")
        return (workdir / "shm/x").read_text() + str(os.statvfs(workdir / "shm").f_blocks * 4096)

    assert played(context, look) == f"inside{1 << 20}"
    assert list((workdir / "shm").iterdir()) == []


def test_a_missing_volume_directory_is_named(played, workdir):
    context = SandboxContext(NET_IPC_UTS, tmpfs=(Tmpfs(str(workdir / "none"), note="emptyDir cache"),))
    expected = f"mount tmpfs on {workdir}/none (emptyDir cache) (nosuid, nodev, mode=1777): No such file or directory"
    assert played(context, lambda: "done") == expected
