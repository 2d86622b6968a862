"""Another process in a running container: streaming, or to its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from contextlib import ExitStack

from pyrt.ids import ContainerId
from pyrt.runtime.core import Core
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.errors import ExecError, ExecTimeoutError, StateError
from pyrt.runtime.exec_plan import exec_program
from pyrt.runtime.poderrors import PlanFailedError, PodProcessError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podrequests import unread
from pyrt.runtime.podstreams import ExecProcess
from pyrt.runtime.records import ContainerRecord
from pyrt.runtime.session import ExecResult, Session
from pyrt.runtime.status import ContainerState

_CHUNK = 65536
_PIPE_CHUNKS = 16
"""More than a pipe holds (pipe(7): 64 KiB): reading on after the exit ends even when something left behind writes for
ever.
"""


def running(core: Core, container_id: ContainerId, operation: str) -> tuple[ContainerRecord, PodProcess]:
    """A container that runs, with its pod process. Raises :class:`StateError` or ContainerNotFoundError."""
    record = core.container(container_id)
    pod = core.pods.get(record.sandbox_id)
    if record.state is not ContainerState.RUNNING or pod is None:
        raise StateError(
            f"it is {record.state.value}, not running", subject=f"container {record.config.name}", operation=operation
        )
    return record, pod


async def start_exec(
    core: Core,
    container_id: ContainerId,
    command: tuple[str, ...],
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
) -> tuple[ExecProcess, PodProcess]:
    """Start ``command``. Raises :class:`ExecError` with the exit code a shell would give."""
    record, pod = running(core, container_id, "exec")
    subject = f"container {record.config.name}"
    if not command or not command[0]:
        raise ExecError("no command", subject=subject, operation="exec", exit_code=127)
    plan, data = exec_program(core, record, command, tty=tty)
    try:
        with ExitStack() as stack:
            program = EncodedPlan(data, plan.open_fds(stack), plan.target_slot, plan.console_slot)
            process = await pod.exec(container_id, program, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
    except PlanFailedError as error:
        failure = plan.failure(error.index, error.errno or 0)
        raise ExecError(
            failure.message,
            subject=subject,
            operation=failure.operation,
            errno=failure.errno,
            exit_code=failure.exit_code or 128,
        ) from error
    except PodProcessError as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            raise StateError("it has ended", subject=subject, operation="exec") from error
        raise ExecError(error.message, subject=subject, operation="exec", errno=error.errno) from error
    return process, pod


async def open_session(
    core: Core,
    container_id: ContainerId,
    command: tuple[str, ...],
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
) -> Session:
    """See :meth:`pyrt.runtime.Runtime.exec`."""
    process, _ = await start_exec(core, container_id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
    if tty:  # pipes come non-blocking from the pod process, a terminal's master as the kernel made it
        for fd in (process.stdin, process.stdout):
            if fd is not None:
                os.set_blocking(fd, False)

    async def wait() -> int:
        return (await process.wait()).exit_code

    session = Session(
        stdin=process.stdin, stdout=process.stdout, stderr=process.stderr, tty=tty, wait=wait, pid=process.pid
    )

    def resize(rows: int, columns: int) -> None:
        fd = session.stdout if session.stdout is not None else session.stdin
        if fd is not None:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    session.on_resize(resize)
    return session


class _Collector:
    """Reads one pipe to its end on the event loop; keeps ``limit`` bytes and drops the rest, so that the writer never
    blocks.
    """

    def __init__(self, fd: int, limit: int) -> None:
        self._fd = fd
        self._left = limit
        self._chunks: list[bytes] = []
        self.truncated = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._read)

    def _read(self) -> bool:
        """One chunk; ``False`` when there is none now, or never again."""
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self.close()
            return False
        kept = chunk[: self._left]
        self._left -= len(kept)
        self.truncated = self.truncated or len(kept) < len(chunk)
        if kept:
            self._chunks.append(kept)
        return True

    def finish(self) -> bytes:
        """Everything written before now: what a process wrote is in the pipe by the time its exit is known.

        Does not wait for end of file: something left behind by the process may hold the pipe for ever.
        """
        for _ in range(_PIPE_CHUNKS):
            if self._fd < 0 or not self._read():
                break
        self.close()
        return b"".join(self._chunks)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


async def exec_sync(
    core: Core,
    container_id: ContainerId,
    command: tuple[str, ...],
    *,
    timeout: float | None,  # noqa: ASYNC109 - it kills, which a cancelled scope would not
    limit: int,
) -> ExecResult:
    """See :meth:`pyrt.runtime.Runtime.exec_sync`."""
    process, pod = await start_exec(core, container_id, command, stdin=False, stdout=True, stderr=True, tty=False)
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = _Collector(process.stdout, limit), _Collector(process.stderr, limit)
    try:
        try:
            record = await (asyncio.wait_for(process.wait(), timeout) if timeout else process.wait())
        except TimeoutError:
            with contextlib.suppress(PodProcessError):
                # With what it has started: a probe a second must not leave a process a second.
                await pod.signal(process.id, signal.SIGKILL, everyone=True)
                await process.wait()
            raise ExecTimeoutError(
                f"command {command[0]!r} timed out after {timeout:g} s",
                subject=f"container {core.containers[container_id].config.name}"
                if container_id in core.containers
                else "",
                operation="exec",
                stdout=stdout.finish(),
                stderr=stderr.finish(),
            ) from None
        except asyncio.CancelledError:
            # The caller has hung up; what it does not wait for must not run on.
            pod.signal(process.id, signal.SIGKILL, everyone=True).add_done_callback(unread)
            raise
        out, err = stdout.finish(), stderr.finish()
        return ExecResult(record.exit_code, out, err, stdout.truncated or stderr.truncated)
    finally:
        stdout.close()
        stderr.close()
