"""The terminal of a foreground container: ours in raw mode, and bytes in both directions until it has ended."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import fcntl
import os
import select
import termios
import tty
from _socket import AF_UNIX, CMSG_SPACE, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, socketpair

from pyrt.oci.errors import OciError
from pyrt.oci.foreground import forward, reap

_SIZE = 8  # struct winsize


class Console:
    """A socket pair: one end for the plan, the other gets the master."""

    def __init__(self) -> None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
        self._ours = ours
        self.given = theirs.detach()
        """For the plan; to be closed once it is launched."""

    def master(self) -> int:
        """The master, which the caller closes. Raises :class:`OciError`."""
        _, control, _, _ = self._ours.recvmsg(1, CMSG_SPACE(4))
        self._ours.close()
        for level, kind, data in control:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                fd = int.from_bytes(data[:4], "little")
                os.set_inheritable(fd, False)
                return fd
        raise OciError("it sent no terminal", operation="receive console")


def relay(pid: int, pidfd: int, master: int) -> int:
    """Connect this process's terminal with the container's until that ends; the exit code."""
    saved = termios.tcgetattr(0) if os.isatty(0) else None
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    numbers = [n for n in range(1, _signal.NSIG) if n not in (_signal.SIGKILL, _signal.SIGSTOP, 32, 33)]
    for number in numbers:
        _signal.signal(number, _ignore)
    _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, set(numbers))
    try:
        if saved is not None:
            tty.setraw(0)
        _resize(master)
        return _pump(pid, pidfd, master, wake_read)
    finally:
        _signal.set_wakeup_fd(-1)
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _ignore(number: int, frame: object) -> None:
    """The wake-up descriptor has it."""


def _pump(pid: int, pidfd: int, master: int, wake: int) -> int:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(master, select.POLLIN)
    poll.register(wake, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    code: int | None = None
    while True:
        ready = dict(poll.poll(0 if code is not None else None))
        if wake in ready:
            for number in os.read(wake, 512):
                if number == _signal.SIGWINCH:
                    _resize(master)
                elif number not in (_signal.SIGCHLD, _signal.SIGURG):
                    forward(pidfd, number)
        if master in ready:
            data = _read(master)
            if data:
                _write(1, data)
            elif code is not None:
                return code
            else:
                poll.unregister(master)
        if ready.get(0):
            data = _read(0)
            if data:
                _write(master, data)
            else:
                poll.unregister(0)
                _write(master, b"\x04")
        if code is None and (pidfd in ready or wake in ready):
            code = reap(pid)
            if code is not None:
                poll.unregister(pidfd)
        if code is not None and master not in ready:
            return code


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: the other side of a terminal is closed
        return b""


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:  # gone; the process's end will be heard
        pass


def _resize(master: int) -> None:
    if os.isatty(0):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(_SIZE))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
