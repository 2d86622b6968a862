"""A command that stays until its container's process has ended: signals go on to that, its exit code comes back."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import os

from pyrt import _native

_ALL = set(_signal.valid_signals())
_OWN = frozenset(
    (
        _signal.SIGCHLD,
        _signal.SIGWINCH,
        _signal.SIGURG,
        _signal.SIGKILL,
        _signal.SIGSTOP,
        _signal.SIGTTOU,
        _signal.SIGTTIN,
    )
)


def block_signals() -> None:
    """From now on signals wait; called before there is a process that they might be meant for."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL)


def wait(pid: int, pidfd: int) -> int:
    """Wait for a child and pass every signal on to it; its exit code, 128 + n for signal n.

    Children that somebody else has left to this process are reaped too.
    """
    while True:
        code = reap(pid)
        if code is not None:
            return code
        info = _signal.sigwaitinfo(_ALL)
        if info.si_signo in _OWN:
            continue
        forward(pidfd, info.si_signo)


def forward(pidfd: int, number: int) -> None:
    """Pass a signal on."""
    with contextlib.suppress(ProcessLookupError):
        _native.pidfd_send_signal(pidfd, number)


def reap(pid: int) -> int | None:
    """Reap every child that has ended; the exit code of ``pid`` if it is among them."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == 0:
            return code
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def become_subreaper() -> None:
    """What the container leaves behind becomes this process's (PR_SET_CHILD_SUBREAPER)."""
    _native.set_child_subreaper()
