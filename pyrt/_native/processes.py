"""Namespaces, pidfds, and the start of programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pyrt._native._cffi import ffi, lib
from pyrt._native.failure import fail


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces: CLONE_NEW* (unshare(2))."""
    if lib.unshare(flags):
        fail("unshare")


def setns(fd: int, flags: int) -> None:
    """Join the namespace ``fd`` refers to, or with a pidfd several at once (setns(2))."""
    if lib.setns(fd, flags):
        fail("setns")


def fork_into(flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
    """``os.fork`` with new namespaces (CLONE_NEW*), for single-threaded tools: ``(pid, pidfd)``, ``(0, -1)`` in the
    child.

    ``cgroup_fd`` is a cgroup v2 directory the child is born into, or -1.
    """
    pidfd = ffi.new("int *", -1)
    pid = lib.pyrt_fork_into(flags, cgroup_fd, pidfd)
    if pid < 0:
        fail("clone3")
    if pid == 0:
        return 0, -1
    return int(pid), int(pidfd[0])


def pidfd_open(pid: int, flags: int = 0) -> int:
    """A descriptor of the process ``pid`` (pidfd_open(2))."""
    fd = lib.sys_pidfd_open(pid, flags)
    if fd < 0:
        fail(f"pidfd_open {pid}")
    return int(fd)


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Send a signal to exactly this process (pidfd_send_signal(2)); ESRCH once it has been reaped."""
    if lib.sys_pidfd_send_signal(pidfd, signal):
        fail("pidfd_send_signal")


def pidfd_wait(pidfd: int, *, block: bool = True) -> int | None:
    """Reap a child: its status as ``os.waitpid`` gives it; ``None`` if it still runs and ``block`` is false."""
    status = ffi.new("int *")
    done = lib.pyrt_pidfd_wait(pidfd, 0 if block else os.WNOHANG, status)
    if done < 0:
        fail("waitid")
    return int(status[0]) if done else None


def set_child_subreaper() -> None:
    """What descendants leave behind becomes this process's child (PR_SET_CHILD_SUBREAPER, prctl(2))."""
    if lib.pyrt_set_subreaper():
        fail("prctl")


def memfd(name: str, data: bytes) -> int:
    """A sealed, read-only file in memory that holds ``data`` (memfd_create(2))."""
    import fcntl

    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def memfd_copy(name: str, source: int) -> int:
    """The same with the contents of a file, which do not pass through this process."""
    import fcntl

    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        left = os.fstat(source).st_size
        while left > 0:
            copied = os.sendfile(fd, source, None, left)
            if copied == 0:
                break
            left -= copied
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = 0) -> None:
    """Close the descriptors ``first`` to ``last`` (close_range(2); 4 is CLOSE_RANGE_CLOEXEC)."""
    if lib.sys_close_range(first, last, flags):
        fail("close_range")


def spawn(
    path: str | bytes,
    argv: Sequence[str],
    fds: Mapping[int, int],
    *,
    env: Mapping[str, str] | None = None,
    setsid: bool = False,
    cgroup_fd: int = -1,
) -> tuple[int, int]:
    """Start a program: ``(pid, pidfd)``; the caller reaps it.

    ``cgroup_fd`` is a cgroup v2 directory to be born into; without one this process is not copied (posix_spawn).
    ``fds`` maps the number a descriptor has in the program to its number here; everything else that is close-on-exec
    stays behind. Signals are at their defaults. A program that cannot be executed raises at once
    (``FileNotFoundError``, ``PermissionError``...).
    """
    environ = os.environ if env is None else env
    program = os.fsencode(path)
    arguments = [ffi.new("char[]", os.fsencode(a)) for a in argv]
    variables = [ffi.new("char[]", os.fsencode(f"{k}={v}")) for k, v in environ.items()]
    pid = ffi.new("pid_t *")
    pidfd = ffi.new("int *")
    if lib.spawn_program(
        program,
        ffi.new("char *[]", [*arguments, ffi.NULL]),
        ffi.new("char *[]", [*variables, ffi.NULL]),
        ffi.new("int[]", list(fds.values())),
        ffi.new("int[]", list(fds.keys())),
        len(fds),
        lib.SPAWN_SETSID if setsid else 0,
        cgroup_fd,
        pid,
        pidfd,
    ):
        fail(f"exec {os.fsdecode(program)}")
    return int(pid[0]), int(pidfd[0])
