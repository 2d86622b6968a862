"""Starting ``pyrt-init`` with a plan, and hearing how far it gets."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from pyrt import _native
from pyrt.launch import LaunchError, Plan
from pyrt.oci.errors import OciError

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_libexec", "pyrt-init")


def sealed_program() -> int:
    """A copy of ``pyrt-init`` in memory that nobody can change (CVE-2019-5736); the caller closes it."""
    try:
        source = os.open(PROGRAM, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _native.memfd_copy("pyrt-init", source)
        finally:
            os.close(source)
    except OSError as error:
        raise OciError(operation=f"read {PROGRAM}", errno=error.errno) from error


class Player:
    """A process that plays a plan."""

    def __init__(self, plan: Plan, child: _native.Child, page: object) -> None:
        self.plan = plan
        self.pid = child.pid
        self.pidfd = child.pidfd
        self._report = child.report_fd
        self._page = page
        os.set_blocking(self._report, True)

    def next_stop(self) -> int | None:
        """Wait until it stops at a WAIT (its place in the plan) or has executed the program (``None``).

        Raises :class:`LaunchError`: it could not go on.
        """
        stop = read_stop(self._report, self.plan)
        if self.pid and (born := _native.born(self._page)) and born != self.pid:
            os.waitpid(self.pid, 0)  # the one that the second birth has replaced
            os.close(self.pidfd)
            self.pid, self.pidfd = born, _native.pidfd_open(born)
        return stop

    def go(self) -> None:
        """Let it go on."""
        try:
            os.write(self._report, b"\0")
        except (BrokenPipeError, ConnectionResetError):
            return  # it has died, which whoever listens next hears

    def kill(self) -> None:
        """End it, and wait for that."""
        with suppress(ProcessLookupError):
            _native.pidfd_send_signal(self.pidfd, 9)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def close(self) -> None:
        """Let go of the descriptors."""
        os.close(self._report)
        os.close(self.pidfd)


def read_stop(fd: int, plan: Plan | None) -> int | None:
    """One packet of a report. Raises :class:`LaunchError`, or :class:`OciError` without the plan that was played."""
    try:
        data = os.read(fd, 64)
    except ConnectionResetError:
        data = b""
    failure = _native.read_report(data)
    if failure is None:
        return None
    if failure.errno == 0:
        return failure.index
    if plan is not None:
        raise plan.failure(failure.index, failure.errno)
    raise OciError(operation="start", errno=failure.errno)


def launch(
    plan: Plan,
    *,
    stdio: tuple[int, int, int] = (0, 1, 2),
    preserved: int = 0,
    console: int = -1,
    target: int = -1,
) -> Player:
    """Start a plan's process. Raises :class:`LaunchError`."""
    with ExitStack() as stack:
        program = sealed_program()
        stack.callback(os.close, program)
        fds: Sequence[int] = plan.open_fds(stack, console=console, target=target)
        try:
            child, page = _native.plan_launch(plan.encode(), program, fds, stdio, preserved)
        except OSError as error:
            raise _clone_failure(plan, error) from error
    return Player(plan, child, page)


def _clone_failure(plan: Plan, error: OSError) -> LaunchError:
    number = error.errno or errno.EIO
    if number == errno.ENOSPC:
        return LaunchError("too many namespaces of one kind (/proc/sys/user/max_*)", operation=plan.describe()[0])
    return plan.failure(len(plan.operations), number)
