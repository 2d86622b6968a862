"""Another process in a running container."""

from __future__ import annotations

import os

import pytest

from pyrt import _native, spec
from pyrt.launch import ExecContext, GivenFd, compile_exec, probe
from pyrt.launch import capabilities as caps
from pyrt.launch import constants as k

pytestmark = pytest.mark.core

ALL = k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWCGROUP | k.CLONE_NEWIPC | k.CLONE_NEWUTS | k.CLONE_NEWNET


@pytest.fixture
def sleeper(box):
    """A container that sleeps until the test is over."""
    running = box.start("sleep", "1000")
    assert running.report() is None
    return running


def run(box, sleeper, play_plan, *args, **changes):
    names = caps.DEFAULT
    process = spec.Process(
        args=args,
        env=("PATH=/bin",),
        capabilities=spec.LinuxCapabilities(bounding=names, effective=names, permitted=names),
        **changes,
    )
    plan = compile_exec(process, box.spec.linux, ExecContext(ALL, GivenFd(sleeper.child.pidfd), features=probe()))
    return play_plan(plan).finish()


def test_it_is_inside(box, sleeper, play_plan):
    result = run(box, sleeper, play_plan, "sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '; ls /bin/busybox; hostname")
    assert result.output.startswith("sleep 1000 /bin/busybox\n")


def test_same_namespaces_as_the_container(box, sleeper, play_plan):
    same = "test $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n)"
    script = f"for n in mnt pid net ipc uts cgroup; do {same} || echo $n; done"
    box_result = run(box, sleeper, play_plan, "sh", "-c", script)
    assert box_result.output == ""


def test_rights(box, sleeper, play_plan):
    result = run(
        box, sleeper, play_plan, "cat", "/proc/self/status", user=spec.User(uid=1000, gid=1000), oom_score_adj=500
    )
    assert "Seccomp:\t2" in result.output
    assert "Uid:\t1000\t1000" in result.output


def test_nothing_leaks(box, sleeper, play_plan):
    assert run(box, sleeper, play_plan, "sh", "-c", "ls /proc/$$/fd; true").output.split() == ["0", "1", "2"]


def test_terminal(box, sleeper, play_plan):
    assert run(box, sleeper, play_plan, "tty", terminal=True).output == "/dev/pts/0\r\n"


def test_a_terminal_of_the_containers_making_is_refused(box, play_plan):
    """CVE-2025-52565 and its kin: something else lies where ptmx should be."""
    box.capabilities("CAP_SYS_ADMIN", *caps.DEFAULT)
    box.linux(seccomp=None)
    running = box.start(
        "sh", "-c", "umount /dev/pts; mkdir -p /dev/pts; mknod /dev/pts/ptmx c 1 5; echo ready; exec sleep 1000"
    )
    assert running.report() is None
    assert os.read(running.output, 6) == b"ready\n"
    error = run(box, running, play_plan, "tty", terminal=True).error
    assert str(error) == "open terminal: Inappropriate ioctl for device"


def test_missing_program(box, sleeper, play_plan):
    error = run(box, sleeper, play_plan, "nothing-here").error
    assert error is not None
    assert error.exit_code == 127


def test_a_container_that_is_gone(box, sleeper, play_plan):
    _native.pidfd_send_signal(sleeper.child.pidfd, 9)
    os.waitid(os.P_PIDFD, sleeper.child.pidfd, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProcessLookupError):
        run(box, sleeper, play_plan, "true")
