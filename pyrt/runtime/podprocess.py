"""The daemon's side of one pod process (``pyrt-pod``): spawn or reconnect, ask, and hear of exits.

Requests are sent when the method is called, not when its result is awaited, so a sandbox plan and the first container
can be sent back to back::

    pod = PodProcess.spawn(run_dir, "default/web", host_netns=netns)
    ready = pod.play(sandbox_plan)
    started = pod.start(container_id, plan, ContainerIo(log_path=path))
    await ready
    print((await started).pid)

Nothing here takes a decision about containers, and nothing is kept that the pod process does not know better.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal as signals
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pyrt.errors import PyrtError
from pyrt.launch.plan import Plan
from pyrt.runtime import pod_program, protocol
from pyrt.runtime.pod_program import EXECUTABLE, FIRST_FREE_FD
from pyrt.runtime.podchannel import PodChannel
from pyrt.runtime.podfiles import CONTROL_SOCKET, ExitRecord, start_ticks
from pyrt.runtime.protocol import NO_SLOT, ProcessItem, ProcessPhase, Reply, Stdio

_INLINE_PLAN: Final = protocol.MAX_MESSAGE - 8192
_GRACE: Final = 1.0
"""Seconds between the end of the connection and taking the process for alive."""

T = TypeVar("T")
_Convert = Callable[[Reply, list[int]], Any]


class PodProcessError(PyrtError):
    """The pod process refused a request; ``errno`` says why."""


class PlanFailedError(PodProcessError):
    """An operation of a plan failed. ``index`` is its place in the plan; one past the last: clone3 itself."""

    def __init__(self, index: int, errno: int, *, subject: str = "") -> None:
        super().__init__(subject=subject, operation=f"operation {index} of the plan", errno=errno)
        self.index = index


class PodGoneError(PodProcessError):
    """There is no pod process to talk to: it has ended, or the connection is closed."""


@dataclass(frozen=True, slots=True)
class EncodedPlan:
    """A plan as the player wants it (native/plan.h), with the descriptors that it names.

    ``fds`` fill the plan's descriptor table in order, except for two entries that only the pod process can fill:
    ``target_slot`` gets a pidfd of the target container, ``console_slot`` the socket on which the player hands back the
    master of the terminal that it opened. Negative numbers in ``fds`` stand for these two and are skipped
    (:meth:`pyrt.launch.plan.Plan.open_fds` puts them there).
    """

    data: bytes
    fds: Sequence[int] = ()
    target_slot: int | None = None
    console_slot: int | None = None

    @classmethod
    def of(cls, plan: Plan, stack: contextlib.ExitStack) -> EncodedPlan:
        """Encode a plan and open the descriptors that it names; ``stack`` closes them, when they have been sent."""
        return cls(plan.encode(), plan.open_fds(stack), plan.target_slot, plan.console_slot)

    @property
    def given(self) -> list[int]:
        """The descriptors that travel with the plan."""
        return [fd for fd in self.fds if fd >= 0]

    @property
    def slots(self) -> int:
        """Entries of the table."""
        return len(self.given) + (self.target_slot is not None) + (self.console_slot is not None)


@dataclass(frozen=True, slots=True)
class ContainerIo:
    """Where a container's input comes from and its output goes. Sizes in bytes; 0 means no limit."""

    log_path: Path | None = None
    """In an existing directory, absolute; ``None`` drops the output (attached clients still see it)."""
    stdin: bool = False
    """Keep a pipe open for :meth:`PodProcess.attach`; else stdin is /dev/null."""
    stdin_once: bool = False
    """Close it when the first attachment with stdin ends."""
    tty: bool = False
    """The plan opens a terminal (its ``console_slot``)."""
    log_max_size: int = 10 * 1024 * 1024
    log_max_files: int = 5
    """The current file included."""


class StartedProcess(NamedTuple):
    """A process whose execve has succeeded."""

    pid: int
    """In the host's PID namespace."""
    started_at: int
    """Unix time in ns."""
    start_ticks: int
    """/proc/PID/stat, field 22."""


@dataclass(slots=True)
class ExecProcess:
    """A process started in a running container.

    The caller owns the descriptors, which are non-blocking; ``None`` was not asked for. With a terminal, ``stdin`` and
    ``stdout`` are two descriptors of its master.
    """

    id: str
    pid: int
    started_at: int
    stdin: int | None
    stdout: int | None
    stderr: int | None
    exited: asyncio.Future[ExitRecord] = field(repr=False)

    async def wait(self) -> ExitRecord:
        """Its end. Raises :class:`PodGoneError` when the pod process has died first."""
        return await asyncio.shield(self.exited)


class Attachment(NamedTuple):
    """Descriptors of an attachment, the caller's own, non-blocking: write ``stdin``, read the others to end of file."""

    stdin: int | None
    stdout: int | None
    stderr: int | None


class PodProcess:
    """One pod process. Use :meth:`spawn` or :meth:`connect`; on the event loop's thread only.

    ``on_exit(id, record)`` is called for every container that ends (exec processes answer through
    :meth:`ExecProcess.wait`); its record is on disk by then and stays until :meth:`forget`. ``on_closed()`` is called
    once, when the connection has ended without :meth:`close`: as good as always because the process died, see
    :attr:`alive`.
    """

    def __init__(self, run_dir: Path, pid: int, pidfd: int, sock: socket.socket) -> None:
        self.run_dir = run_dir
        self.pid = pid
        self.started_at = 0
        self.returncode: int | None = None
        """How the process ended, if it has and was a child of this one: an exit code, or minus a signal number."""
        self.processes: dict[str, ProcessItem] = {}
        """What the pod process knew when it was connected to (empty after :meth:`spawn`)."""
        self.sandbox = protocol.SandboxPhase.NONE
        """Likewise."""
        self.on_exit: Callable[[str, ExitRecord], None] | None = None
        self.on_closed: Callable[[], None] | None = None
        self._pidfd = pidfd
        self._seq = 0
        self._pending: dict[int, tuple[asyncio.Future[Any], _Convert]] = {}
        self._items: dict[int, list[ProcessItem]] = {}
        self._execs: dict[str, asyncio.Future[ExitRecord]] = {}
        self._finished = False
        self._loop = asyncio.get_running_loop()
        self._dead = self._loop.create_future()
        self._channel = PodChannel(sock, self._packet, self._channel_ended)
        if pidfd >= 0:
            self._loop.add_reader(pidfd, self._process_died)

    # ------------------------------------------------------------------ life

    @classmethod
    def spawn(
        cls,
        run_dir: Path,
        name: str,
        *,
        host_netns: int,
        stderr: int | None = None,
        executable: Path = EXECUTABLE,
        cgroup: str | None = None,
    ) -> PodProcess:
        """Start a pod process; it lives in a session of its own and outlives the daemon.

        ``run_dir`` exists and is private to this pod. ``name`` (``namespace/pod``) is what ps shows. ``host_netns`` is
        a descriptor of the host's network namespace; ``stderr`` of its log (default: /dev/null); ``cgroup`` the
        cgroup v2 directory it is born into (default: ours). Raises :class:`PodProcessError` when the program cannot
        be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo, theirs:
            undo.callback(ours.close)
            with contextlib.ExitStack() as copies:
                null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                copies.callback(os.close, null)
                sources = (null, null, null if stderr is None else stderr, theirs.fileno(), host_netns)
                fds = {target: _clear_of_targets(fd, copies) for target, fd in enumerate(sources)}
                pid = _spawn(executable, name, run_dir, fds, cgroup)
            undo.pop_all()
        pod = cls(run_dir, pid, os.pidfd_open(pid), ours)
        pod._channel.send(protocol.hello(0, subscribe=True))
        return pod

    @classmethod
    async def connect(cls, run_dir: Path) -> PodProcess:
        """Take over a pod process that an earlier daemon started; :attr:`processes` tells its containers.

        Raises :class:`PodGoneError` if none answers in ``run_dir``.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo:
            undo.callback(sock.close)
            # Through the directory's descriptor: the path of a socket has 108 bytes at most (unix(7)).
            try:
                directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    sock.connect(f"/proc/self/fd/{directory}/{CONTROL_SOCKET}")
                finally:
                    os.close(directory)
            except OSError as error:
                raise PodGoneError(operation=f"connect to {run_dir / CONTROL_SOCKET}", errno=error.errno) from error
            undo.pop_all()
        pod = cls(run_dir, 0, -1, sock)
        try:
            await pod._say_hello()
        except BaseException:
            pod.close()
            raise
        return pod

    @property
    def alive(self) -> bool:
        """Whether the process is known to live."""
        return not self._dead.done()

    async def died(self) -> None:
        """Return when the process has ended. Raises :class:`PodGoneError` after :meth:`close`: nobody watches then."""
        if self.alive and self._finished:
            raise self._gone()
        await asyncio.shield(self._dead)

    def close(self) -> None:
        """Let go of the process: it and its containers run on."""
        self._finished = True
        self._channel.close()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._fail_pending()

    async def stop(self) -> None:
        """Kill every process of the pod and end the pod process; exit records are written. Returns when it is gone."""
        if not self.alive:
            return
        with contextlib.suppress(PodGoneError):  # gone is what was asked for
            await self._request(lambda seq: protocol.bare(seq, protocol.STOP), _nothing)
        await self.died()

    def kill(self) -> None:
        """SIGKILL the pod process; its containers die with it, without exit records."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signals.pidfd_send_signal(self._pidfd, signals.SIGKILL)

    # ------------------------------------------------------------------ requests

    def play(self, plan: EncodedPlan) -> asyncio.Future[None]:
        """Play a plan on the pod process itself; the first one makes the sandbox.

        Fails with :class:`PlanFailedError`.
        """
        data, fds = _place(plan)
        try:
            return self._request(lambda seq: protocol.play(seq, data, plan.slots), _nothing, fds)
        finally:
            _close_memfd(data, fds)

    def start(
        self,
        container_id: str,
        plan: EncodedPlan,
        io: ContainerIo,
        *,
        target: str = "",
        shared_pid_namespace: bool = False,
    ) -> asyncio.Future[StartedProcess]:
        """Start a container; done when its execve has succeeded. Fails with :class:`PlanFailedError` if the plan did.

        ``target`` is the container whose pidfd fills the plan's ``target_slot`` (the one that holds a shared PID
        namespace). ``shared_pid_namespace``: the container does not lead a PID namespace of its own.
        """
        flags = (
            (protocol.STDIN_OPEN if io.stdin else 0)
            | (protocol.STDIN_ONCE if io.stdin_once else 0)
            | (protocol.SHARED_PIDNS if shared_pid_namespace else 0)
        )
        log_path = os.fspath(io.log_path) if io.log_path is not None else ""
        stdio = Stdio.TTY if io.tty else Stdio.LOG
        process = (container_id, target, log_path, stdio, flags, io.log_max_files, io.log_max_size)
        data, fds = _place(plan)
        try:
            return self._request(
                lambda seq: protocol.start(seq, protocol.START, data, _slots(plan), *process), _started, fds
            )
        finally:
            _close_memfd(data, fds)

    async def exec(
        self,
        container_id: str,
        plan: EncodedPlan,
        *,
        exec_id: str = "",
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> ExecProcess:
        """Start another process in a running container, with pipes for the streams asked for, or a terminal.

        Raises :class:`PlanFailedError` if its plan failed, :class:`PodProcessError` with ENOENT or ESRCH when the
        container is unknown or has ended.
        """
        exec_id = exec_id or secrets.token_hex(16)
        data, fds = _place(plan)
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            if not data:
                theirs.callback(os.close, fds[0])
            ends: list[int | None] = [None, None, None]
            if not tty:
                child = [
                    _pipe(wanted, number == 0, ours, theirs) for number, wanted in enumerate((stdin, stdout, stderr))
                ]
                ends = [end for end, _ in child]
                at = 0 if data else 1
                fds = [*fds[:at], *(far for _, far in child), *fds[at:]]
            exited: asyncio.Future[ExitRecord] = self._loop.create_future()
            self._execs[exec_id] = exited
            try:
                stdio = Stdio.TTY if tty else Stdio.FDS
                process = (exec_id, container_id, "", stdio, 0, 0, 0)
                request = self._request(
                    lambda seq: protocol.start(seq, protocol.EXEC, data, _slots(plan), *process), _started_exec, fds
                )
                theirs.close()
                started, master = await request
            except BaseException:
                self._execs.pop(exec_id, None)
                raise
            if tty:
                ours.callback(os.close, master)
                ends = [master, os.dup(master), None]
            ours.pop_all()
            return ExecProcess(exec_id, started.pid, started.started_at, ends[0], ends[1], ends[2], exited)

    def signal(self, process_id: str, number: int, *, everyone: bool = False) -> asyncio.Future[None]:
        """Send a signal to a container's or exec's process; ``everyone``: to its whole PID namespace.

        Fails with errno ESRCH when it has ended, ENOENT when it is unknown, EINVAL when ``everyone`` is asked of one
        that leads no PID namespace.
        """
        return self._request(lambda seq: protocol.signal(seq, process_id, number, everyone), _nothing)

    async def attach(
        self, container_id: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Attachment:
        """Live copies of a container's output from now on, and its input. A terminal's output is all on stdout.

        An attachment that does not read is dropped: its descriptors come to end of file.
        """
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            ends: list[int | None] = [None, None, None]
            fds = []
            streams = 0
            for number, wanted in enumerate((stdin, stdout, stderr)):
                if wanted:
                    ends[number], far = _pipe(True, number == 0, ours, theirs)
                    fds.append(far)
                    streams |= 1 << number
            request = self._request(lambda seq: protocol.attach(seq, container_id, streams), _nothing, fds)
            theirs.close()
            await request
            ours.pop_all()
            return Attachment(ends[0], ends[1], ends[2])

    def resize(self, container_id: str, rows: int, columns: int) -> asyncio.Future[None]:
        """Set the size of a container's terminal. Fails with ENOTTY when it has none."""
        return self._request(lambda seq: protocol.resize(seq, container_id, rows, columns), _nothing)

    def close_stdin(self, container_id: str) -> asyncio.Future[None]:
        """Let the container's process read end of file."""
        return self._request(lambda seq: protocol.target(seq, protocol.CLOSE_STDIN, container_id), _nothing)

    def reopen_log(self, container_id: str) -> asyncio.Future[None]:
        """Open the log file anew by its path, after someone has renamed it."""
        return self._request(lambda seq: protocol.target(seq, protocol.REOPEN_LOG, container_id), _nothing)

    def forget(self, container_id: str) -> asyncio.Future[None]:
        """Drop an exited container and its records. Fails with EBUSY while it runs."""
        return self._request(lambda seq: protocol.target(seq, protocol.FORGET, container_id), _nothing)

    async def connect_tcp(self, address: str, port: int, *, timeout: float = 10.0) -> socket.socket:  # noqa: ASYNC109
        """A non-blocking connection made inside the pod's network namespace.

        ``address`` is numeric; ``timeout`` in seconds. Raises
        :class:`PodProcessError` with the errno of connect(2), ETIMEDOUT after ``timeout``.
        """
        number = IPv6Address(address) if ":" in address else IPv4Address(address)
        family = socket.AF_INET6 if number.version == 6 else socket.AF_INET
        fd = await self._request(
            lambda seq: protocol.connect(seq, family, number.packed, port, max(1, round(timeout * 1000))), _descriptor
        )
        return socket.socket(fileno=fd)

    async def list_processes(self) -> dict[str, ProcessItem]:
        """Every container and exec that was not forgotten, by id."""
        return {item.id: item for item in await self._ask_items(lambda seq: protocol.bare(seq, protocol.LIST))}

    # ------------------------------------------------------------------ machinery

    async def _say_hello(self) -> None:
        items: list[ProcessItem] = []
        reply = await self._request(lambda seq: protocol.hello(seq, subscribe=True), _reply, items=items)
        self.pid, self.started_at, self.sandbox = reply.pid, reply.started, protocol.SandboxPhase(reply.sandbox)
        try:
            self._pidfd = os.pidfd_open(reply.pid)
            ticks = start_ticks(reply.pid)
        except OSError as error:
            raise PodGoneError(operation="find the pod process", errno=error.errno) from error
        if ticks != reply.start_ticks:  # it died just now, and its number is in use again
            raise PodGoneError("the pod process has ended")
        self._loop.add_reader(self._pidfd, self._process_died)
        self.processes = {item.id: item for item in items}
        for item in items:
            if item.is_exec and item.phase == ProcessPhase.EXITED:
                self._channel.send(protocol.target(0, protocol.FORGET, item.id))

    async def _ask_items(self, encode: Callable[[int], bytes]) -> list[ProcessItem]:
        items: list[ProcessItem] = []
        await self._request(encode, _nothing, items=items)
        return items

    def _request(
        self,
        encode: Callable[[int], bytes],
        convert: Callable[[Reply, list[int]], T],
        fds: Sequence[int] = (),
        *,
        items: list[ProcessItem] | None = None,
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        self._seq = seq = self._seq % 0xFFFFFFFF + 1  # 0 asks for no answer
        packet = encode(seq)
        if self._channel.closed:
            future.set_exception(self._gone())
            return future
        self._pending[seq] = future, convert
        if items is not None:
            self._items[seq] = items
        try:
            self._channel.send(packet, fds)
        except OSError as error:
            del self._pending[seq]
            self._items.pop(seq, None)
            future.set_exception(PodGoneError(operation="send a request", errno=error.errno))
        return future

    def _packet(self, packet: bytes, fds: list[int]) -> None:
        message = protocol.decode(packet)
        if isinstance(message, Reply):
            self._replied(message, fds)
            return
        kind, item = message
        if kind == protocol.ITEM:
            items = self._items.get(item.seq)
            if items is not None:
                items.append(item)
            return
        record = ExitRecord(item.id, item.is_exec, item.pid, item.status, item.started, item.finished)
        if not item.is_exec:
            if self.on_exit is not None:
                self.on_exit(item.id, record)
            return
        waiter = self._execs.pop(item.id, None)
        if waiter is not None:
            waiter.set_result(record)
            self._channel.send(protocol.target(0, protocol.FORGET, item.id))

    def _replied(self, reply: Reply, fds: list[int]) -> None:
        future, convert = self._pending.pop(reply.seq, (None, _nothing))
        self._items.pop(reply.seq, None)
        if future is None or future.done():
            for fd in fds:
                os.close(fd)
        elif reply.errno:
            failed = reply.operation != NO_SLOT
            future.set_exception(
                PlanFailedError(reply.operation, reply.errno) if failed else PodProcessError(errno=reply.errno)
            )
        else:
            future.set_result(convert(reply, fds))

    def _gone(self) -> PodGoneError:
        return PodGoneError(
            "the pod process has ended" if not self.alive else "not connected", subject=str(self.run_dir)
        )

    def _fail_pending(self) -> None:
        pending = [future for future, _ in self._pending.values()]
        pending += self._execs.values()
        self._pending.clear()
        self._items.clear()
        self._execs.clear()
        for future in pending:
            if not future.done():
                future.set_exception(self._gone())
                future.exception()  # a request whose answer nobody awaits is not worth a warning

    def _channel_ended(self) -> None:
        """The socket first, the process an instant later: wait for the pidfd, so that :attr:`alive` tells the truth."""
        if not self.alive or self._pidfd < 0:
            self._finish()
        else:
            self._loop.call_later(_GRACE, self._finish)

    def _process_died(self) -> None:
        self._channel.drain()
        self._loop.remove_reader(self._pidfd)
        with contextlib.suppress(ChildProcessError):  # an earlier daemon's child, init reaps it
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
            if result is not None:
                self.returncode = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        if self.alive:
            self._dead.set_result(None)
        self._finish()

    def _finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        if self.alive:
            self.kill()  # it lives and does not talk to us any more: nobody would ever hear of its containers again
        self.close()
        if self.on_closed is not None:
            self.on_closed()


def _clear_of_targets(fd: int, copies: contextlib.ExitStack) -> int:
    """``fd``, or a copy of it out of the way of the numbers that the new process's descriptors will have."""
    if fd >= FIRST_FREE_FD:
        return fd
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
    copies.callback(os.close, copy)
    return copy


def _spawn(executable: Path, name: str, run_dir: Path, fds: dict[int, int], cgroup: str | None) -> int:
    argv = [f"pyrt-pod {name}", os.fspath(run_dir)]
    try:
        return pod_program.spawn(executable, argv, fds, cgroup)
    except OSError as error:
        raise PodProcessError(subject=f"pod {name}", operation=f"start {executable}", errno=error.errno) from error


def _place(plan: EncodedPlan) -> tuple[bytes, list[int]]:
    """The plan as it goes into the packet, and the packet's descriptors; the first holds the plan if it is large."""
    if len(plan.data) <= _INLINE_PLAN:
        return plan.data, plan.given
    memfd = os.memfd_create("plan", os.MFD_CLOEXEC)
    try:
        rest = memoryview(plan.data)
        while rest:
            rest = rest[os.write(memfd, rest) :]
    except BaseException:
        os.close(memfd)
        raise
    return b"", [memfd, *plan.given]


def _slots(plan: EncodedPlan) -> tuple[int, int, int]:
    target = NO_SLOT if plan.target_slot is None else plan.target_slot
    console = NO_SLOT if plan.console_slot is None else plan.console_slot
    return plan.slots, target, console


def _close_memfd(data: bytes, fds: list[int]) -> None:
    if not data:
        os.close(fds[0])


def _pipe(
    wanted: bool, into_process: bool, ours: contextlib.ExitStack, theirs: contextlib.ExitStack
) -> tuple[int | None, int]:
    """Our end (non-blocking; ``None`` if unwanted) and the process's end of a new pipe, each closed by its stack."""
    if not wanted:
        far = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        theirs.callback(os.close, far)
        return None, far
    read, write = os.pipe()
    near, far = (write, read) if into_process else (read, write)
    ours.callback(os.close, near)
    theirs.callback(os.close, far)
    os.set_blocking(near, False)
    return near, far


def _nothing(_reply: Reply, _fds: list[int]) -> None:
    return None


def _reply(reply: Reply, _fds: list[int]) -> Reply:
    return reply


def _started(reply: Reply, _fds: list[int]) -> StartedProcess:
    return StartedProcess(reply.pid, reply.started, reply.start_ticks)


def _started_exec(reply: Reply, fds: list[int]) -> tuple[StartedProcess, int]:
    return _started(reply, fds), fds[0] if fds else -1


def _descriptor(_reply: Reply, fds: list[int]) -> int:
    return fds[0]
