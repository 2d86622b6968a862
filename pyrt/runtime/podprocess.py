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
import os
import secrets
import signal as signals
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from pyrt.launch.version import VERSION, younger_than
from pyrt.runtime import pod_program, protocol
from pyrt.runtime.encodedplan import EncodedPlan, close_packed
from pyrt.runtime.pod_program import EXECUTABLE
from pyrt.runtime.poderrors import PodGoneError, PodProcessError, PodTooOldError
from pyrt.runtime.podfiles import CONTROL_SOCKET, ExitRecord, start_ticks
from pyrt.runtime.podrequests import PodRequests, fail, nothing, unread
from pyrt.runtime.podstreams import Attachment, ContainerIo, ExecProcess, StartedProcess, pipe
from pyrt.runtime.protocol import NO_SLOT, ProcessItem, ProcessPhase, Reply, Stdio

_TITLE_ROOM: Final = 160
"""Bytes for the name of a pod that is not known yet; more of it is not shown."""
_GRACE: Final = 1.0
"""Seconds between the end of the connection and taking the process for alive."""


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
        self.plan_version = VERSION
        """Of the plans that it plays; one that was started by an earlier daemon may be behind ours."""
        self.on_exit: Callable[[str, ExitRecord], None] | None = None
        self.on_closed: Callable[[], None] | None = None
        self._pidfd = pidfd
        self._execs: dict[str, asyncio.Future[ExitRecord]] = {}
        self._finished = False
        self._loop = asyncio.get_running_loop()
        self._dead = self._loop.create_future()
        self._requests = PodRequests(sock, self._exited, self._channel_ended, self._gone)
        if pidfd >= 0:
            self._loop.add_reader(pidfd, self._process_died)

    # ------------------------------------------------------------------ life

    @classmethod
    def spawn(
        cls,
        run_dir: Path,
        name: str | None,
        *,
        host_netns: int,
        stderr: int | None = None,
        executable: Path = EXECUTABLE,
        cgroup: str | None = None,
    ) -> PodProcess:
        """Start a pod process; it lives in a session of its own and outlives the daemon.

        ``run_dir`` exists and is private to this pod. ``name`` (``namespace/pod``) is what ps shows; ``None`` leaves
        room for :meth:`rename`. ``host_netns`` is a descriptor of the host's network namespace; ``stderr`` of its log
        (default: /dev/null); ``cgroup`` the cgroup v2 directory it is born into (default: ours). Raises
        :class:`PodProcessError` when the program cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as undo, theirs:
            undo.callback(ours.close)
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            try:
                fds = dict(enumerate((null, null, null if stderr is None else stderr, theirs.fileno(), host_netns)))
                pid, pidfd = pod_program.spawn(executable, [_title(name), os.fspath(run_dir)], fds, cgroup)
            except OSError as error:
                raise PodProcessError(
                    subject=f"pod {name or '(spare)'}", operation=f"start {executable}", errno=error.errno
                ) from error
            finally:
                os.close(null)
            undo.pop_all()
        pod = cls(run_dir, pid, pidfd, ours)
        pod._requests.tell(protocol.hello(0, subscribe=True))
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
        self._requests.close()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        execs = list(self._execs.values())
        self._execs.clear()
        fail(execs, self._gone)

    async def stop(self) -> None:
        """Kill every process of the pod and end the pod process; exit records are written. Returns when it is gone."""
        if not self.alive:
            return
        with contextlib.suppress(PodGoneError):  # gone is what was asked for
            await self._requests.request(lambda seq: protocol.bare(seq, protocol.STOP), nothing)
        await self.died()

    def kill(self) -> None:
        """SIGKILL the pod process; its containers die with it, without exit records."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signals.pidfd_send_signal(self._pidfd, signals.SIGKILL)

    # ------------------------------------------------------------------ requests

    def rename(self, name: str, run_dir: Path) -> None:
        """Move the run directory to ``run_dir``, a path of the same length, and have ps show it, and ``name``.

        Raises OSError.
        """
        os.rename(self.run_dir, run_dir)
        self.run_dir = run_dir
        self._requests.tell(protocol.name(0, name, os.fspath(run_dir)))

    def destroy(self) -> None:
        """Kill it, and wait for that: for one that never had a container."""
        self.kill()
        if self.alive and self._pidfd >= 0:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        self.close()

    def prepare(self, plan: EncodedPlan) -> asyncio.Future[None]:
        """Play a plan on the pod process itself before there is a sandbox: without one, it ends with its clients.

        Fails with :class:`PlanFailedError`.
        """
        return self._play(protocol.PREPARE, plan)

    def play(self, plan: EncodedPlan) -> asyncio.Future[None]:
        """Play a plan on the pod process itself; the first one makes the sandbox.

        Fails with :class:`PlanFailedError`.
        """
        return self._play(protocol.PLAY, plan)

    def _play(self, kind: int, plan: EncodedPlan) -> asyncio.Future[None]:
        data, fds = plan.pack()
        try:
            return self._requests.request(lambda seq: protocol.play(seq, kind, data, plan.slots), nothing, fds)
        finally:
            close_packed(data, fds)

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
        if self.plan_version < VERSION and (error := self._too_old(plan)) is not None:
            refused: asyncio.Future[StartedProcess] = self._loop.create_future()
            refused.set_exception(error)
            return refused
        data, fds = plan.pack()
        try:
            return self._requests.request(
                lambda seq: protocol.start(seq, protocol.START, data, plan.places, *process), _started, fds
            )
        finally:
            close_packed(data, fds)

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
        if self.plan_version < VERSION and (error := self._too_old(plan)) is not None:
            raise error
        exec_id = exec_id or secrets.token_hex(16)
        data, fds = plan.pack()
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            if not data:
                theirs.callback(os.close, fds[0])
            ends: list[int | None] = [None, None, None]
            if not tty:
                child = [
                    pipe(wanted, number == 0, ours, theirs) for number, wanted in enumerate((stdin, stdout, stderr))
                ]
                ends = [end for end, _ in child]
                at = 0 if data else 1
                fds = [*fds[:at], *(far for _, far in child), *fds[at:]]
            exited: asyncio.Future[ExitRecord] = self._loop.create_future()
            self._execs[exec_id] = exited
            try:
                stdio = Stdio.TTY if tty else Stdio.FDS
                process = (exec_id, container_id, "", stdio, 0, 0, 0)
                request = self._requests.request(
                    lambda seq: protocol.start(seq, protocol.EXEC, data, plan.places, *process), _started_exec, fds
                )
                theirs.close()
                started, master = await request
            except asyncio.CancelledError:
                self._abandon_exec(exec_id, request)
                raise
            except BaseException:
                self._execs.pop(exec_id, None)
                raise
            if tty:
                ours.callback(os.close, master)
                ends = [master, os.dup(master), None]
            ours.pop_all()
            return ExecProcess(exec_id, started.pid, started.started_at, ends[0], ends[1], ends[2], exited)

    def _abandon_exec(self, exec_id: str, request: asyncio.Future[tuple[StartedProcess, int]]) -> None:
        """Nobody waits for it any more: kill it as soon as it has started."""
        self._execs.pop(exec_id, None)
        if request.done() and not request.cancelled() and request.exception() is None and request.result()[1] >= 0:
            os.close(request.result()[1])
        self.signal(exec_id, signals.SIGKILL, everyone=True).add_done_callback(unread)

    def signal(self, process_id: str, number: int, *, everyone: bool = False) -> asyncio.Future[None]:
        """Send a signal to a container's or exec's process; ``everyone``: to its whole PID namespace, of an
        exec to its process group.

        Fails with errno ESRCH when it has ended, ENOENT when it is unknown, EINVAL when ``everyone`` is asked of one
        that leads no PID namespace.
        """
        return self._requests.request(lambda seq: protocol.signal(seq, process_id, number, everyone), nothing)

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
                    ends[number], far = pipe(True, number == 0, ours, theirs)
                    fds.append(far)
                    streams |= 1 << number
            request = self._requests.request(lambda seq: protocol.attach(seq, container_id, streams), nothing, fds)
            theirs.close()
            await request
            ours.pop_all()
            return Attachment(ends[0], ends[1], ends[2])

    def resize(self, container_id: str, rows: int, columns: int) -> asyncio.Future[None]:
        """Set the size of a container's terminal. Fails with ENOTTY when it has none."""
        return self._requests.request(lambda seq: protocol.resize(seq, container_id, rows, columns), nothing)

    def close_stdin(self, container_id: str) -> asyncio.Future[None]:
        """Let the container's process read end of file."""
        return self._requests.request(lambda seq: protocol.target(seq, protocol.CLOSE_STDIN, container_id), nothing)

    def reopen_log(self, container_id: str) -> asyncio.Future[None]:
        """Open the log file anew by its path, after someone has renamed it."""
        return self._requests.request(lambda seq: protocol.target(seq, protocol.REOPEN_LOG, container_id), nothing)

    def forget(self, container_id: str) -> asyncio.Future[None]:
        """Drop an exited container and its records. Fails with EBUSY while it runs."""
        return self._requests.request(lambda seq: protocol.target(seq, protocol.FORGET, container_id), nothing)

    async def connect_tcp(self, address: str, port: int, *, timeout: float = 10.0) -> socket.socket:  # noqa: ASYNC109
        """A non-blocking connection made inside the pod's network namespace.

        ``address`` is numeric; ``timeout`` in seconds. Raises
        :class:`PodProcessError` with the errno of connect(2), ETIMEDOUT after ``timeout``.
        """
        number = IPv6Address(address) if ":" in address else IPv4Address(address)
        family = socket.AF_INET6 if number.version == 6 else socket.AF_INET
        return await self._requests.request(
            lambda seq: protocol.connect(seq, family, number.packed, port, max(1, round(timeout * 1000))), _connection
        )

    async def list_processes(self) -> dict[str, ProcessItem]:
        """Every container and exec that was not forgotten, by id."""
        return {item.id: item for item in await self._ask_items(lambda seq: protocol.bare(seq, protocol.LIST))}

    # ------------------------------------------------------------------ machinery

    def _too_old(self, plan: EncodedPlan) -> PodTooOldError | None:
        unknown = younger_than(self.plan_version, plan.data)
        return None if unknown is None else PodTooOldError(unknown.__name__)

    async def _say_hello(self) -> None:
        items: list[ProcessItem] = []
        reply = await self._requests.request(lambda seq: protocol.hello(seq, subscribe=True), _reply, items=items)
        self.pid, self.started_at, self.sandbox = reply.pid, reply.started, protocol.SandboxPhase(reply.sandbox)
        self.plan_version = 1 if reply.operation == NO_SLOT else reply.operation
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
                self._requests.tell(protocol.target(0, protocol.FORGET, item.id))

    async def _ask_items(self, encode: Callable[[int], bytes]) -> list[ProcessItem]:
        items: list[ProcessItem] = []
        await self._requests.request(encode, nothing, items=items)
        return items

    def _exited(self, record: ExitRecord) -> None:
        if not record.is_exec:
            if self.on_exit is not None:
                self.on_exit(record.id, record)
            return
        waiter = self._execs.pop(record.id, None)
        if waiter is not None:
            waiter.set_result(record)
        # Of one that nobody waits for any more as well: its record would stay as long as the pod.
        self._requests.tell(protocol.target(0, protocol.FORGET, record.id))

    def _gone(self) -> PodGoneError:
        return PodGoneError(
            "the pod process has ended" if not self.alive else "not connected", subject=str(self.run_dir)
        )

    def _channel_ended(self) -> None:
        """The socket first, the process an instant later: wait for the pidfd, so that :attr:`alive` tells the truth."""
        if not self.alive or self._pidfd < 0:
            self._finish()
        else:
            self._loop.call_later(_GRACE, self._finish)

    def _process_died(self) -> None:
        self._requests.drain()
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


def _title(name: str | None) -> str:
    return f"pyrt-pod {name}" if name is not None else "pyrt-pod (spare)".ljust(_TITLE_ROOM)


def _reply(reply: Reply, _fds: list[int]) -> Reply:
    return reply


def _started(reply: Reply, _fds: list[int]) -> StartedProcess:
    return StartedProcess(reply.pid, reply.started, reply.start_ticks)


def _started_exec(reply: Reply, fds: list[int]) -> tuple[StartedProcess, int]:
    return _started(reply, fds), fds[0] if fds else -1


def _connection(_reply: Reply, fds: list[int]) -> socket.socket:
    """An object at once: who asked may be cancelled before the answer reaches it, and then it closes itself."""
    return socket.socket(fileno=fds[0])
