"""The wrappers, as far as they need no rights."""

from __future__ import annotations

import errno
import os
import select
import signal

import pytest

from pyrt import _native
from pyrt.launch import Plan
from pyrt.launch.operations import Exec, Umask


def test_spawn_gives_exactly_the_descriptors_named():
    read_end, write_end = os.pipe()
    pid, pidfd = _native.spawn("/bin/sh", ["sh", "-c", "echo $$ >&7"], {7: write_end, 0: 0, 1: 1, 2: 2})
    os.close(write_end)
    assert os.read(read_end, 100) == f"{pid}\n".encode()
    assert _native.pidfd_wait(pidfd) == 0
    os.close(read_end)
    os.close(pidfd)


def test_spawn_swaps_descriptors():
    """3 becomes 4 and 4 becomes 3: neither may overwrite the other on the way."""
    a, b = os.memfd_create("a"), os.memfd_create("b")
    script = f"echo to-a >&{b}; echo to-b >&{a}"
    _, pidfd = _native.spawn("/bin/bash", ["bash", "-c", script], {b: a, a: b, 2: 2})
    assert _native.pidfd_wait(pidfd) == 0
    assert (os.pread(a, 100, 0), os.pread(b, 100, 0)) == (b"to-a\n", b"to-b\n")
    for fd in (a, b, pidfd):
        os.close(fd)


def test_spawn_has_default_signals_and_its_own_session():
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    read_end, write_end = os.pipe()
    try:
        pid, pidfd = _native.spawn(
            "/bin/cat", ["cat", "/proc/self/status", "/proc/self/stat"], {1: write_end}, setsid=True
        )
    finally:
        signal.signal(signal.SIGUSR1, old)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    os.close(write_end)
    with os.fdopen(read_end) as f:
        text = f.read()
    assert "SigBlk:\t0000000000000000" in text
    ignored = int(text.partition("SigIgn:\t")[2].split()[0], 16)
    assert ignored & ~0x180000000 == 0  # glibc's posix_spawn keeps its own two, 32 and 33, ignored
    assert text.splitlines()[-1].split()[5] == str(pid)
    _native.pidfd_wait(pidfd)
    os.close(pidfd)


def test_spawn_of_nothing():
    with pytest.raises(FileNotFoundError, match="exec /no/such/program"):
        _native.spawn("/no/such/program", ["x"], {})


def test_waiting_without_blocking():
    _, pidfd = _native.spawn("/bin/sleep", ["sleep", "1000"], {})
    assert _native.pidfd_wait(pidfd, block=False) is None
    _native.pidfd_send_signal(pidfd, signal.SIGKILL)
    status = _native.pidfd_wait(pidfd)
    assert status is not None
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    os.close(pidfd)


def test_errors_name_the_call():
    with pytest.raises(OSError, match="setns") as error:
        _native.setns(-1, 0)
    assert error.value.errno == errno.EBADF
    with pytest.raises(OSError, match="openat2 x/y"):
        _native.openat2(-100, "x/y", os.O_RDONLY)


def test_memfd_is_sealed():
    fd = _native.memfd("plan", b"data")
    assert os.read(fd, 10) == b"data"
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    os.close(fd)


def test_a_plan_without_rights():
    plan = Plan((Umask(0o77), Exec("sh", ("sh", "-c", "umask"), ("PATH=/usr/bin:/bin",))))
    read_end, write_end = os.pipe()
    child = _native.plan_spawn(plan.encode(), (), (-1, write_end, -1))
    os.close(write_end)
    select.select([child.report_fd], [], [])
    assert _native.read_report(os.read(child.report_fd, 64)) is None
    assert os.read(read_end, 100) == b"0077\n"
    assert _native.pidfd_wait(child.pidfd) == 0
    for fd in (child.pidfd, child.report_fd, read_end):
        os.close(fd)


def test_a_malformed_plan_is_no_crash():
    with pytest.raises(OSError, match="plan_decode"):
        _native.plan_spawn(b"nonsense")
    with pytest.raises(OSError, match="plan_decode"):
        _native.plan_play(b"")
