"""A pod process in a directory of its own, and the smallest plans that make a sandbox and a container of it."""

# ruff: noqa: ASYNC110, ASYNC222 - what other processes do can only be looked for
from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pyrt.launch import operations as ops
from pyrt.launch.plan import Plan, PodSupplied
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.pod_program import EXECUTABLE
from pyrt.runtime.podfiles import ExitRecord
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import ContainerIo, StartedProcess

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
ENVIRONMENT = ("PATH=/bin", "HOME=/root")

# RTM_NEWLINK (16), NLM_F_REQUEST | NLM_F_ACK, sequence 1; ifinfomsg: index 1, IFF_UP set and in the change mask.
_LOOPBACK_UP = struct.pack("=IHHII BBHiII", 32, 16, 5, 1, 0, 0, 0, 0, 1, 1, 1)


def sandbox_plan() -> Plan:
    """Namespaces of its own, loopback up."""
    return Plan(
        (
            ops.Unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS),
            ops.Propagation(ops.HOST, "/", MS_SLAVE),
            ops.NetlinkOpen(ops.POD_NETLINK),
            ops.Netlink(ops.POD_NETLINK, _LOOPBACK_UP),
        )
    )


def container_plan(
    root: Path,
    *argv: str,
    tty: bool = False,
    own_pid_namespace: bool = True,
    binds: tuple[tuple[Path, str], ...] = (),
    join: bool = False,
) -> Plan:
    """``argv`` in ``root`` and new mount and PID namespaces, or (``join``) in the PID namespace of the target."""
    steps: list[ops.Operation] = [
        ops.SetSid(),
        ops.Propagation(ops.HOST, "/", MS_SLAVE),
        ops.Bind(ops.HOST, str(root), "", ops.HOST, str(root), 0),
        ops.Open(ops.ROOT, ops.HOST, str(root)),
        ops.MountNew(ops.NO_FD, "proc", "proc", (), 0, ops.ROOT, "proc"),
        ops.MountNew(ops.NO_FD, "tmpfs", "tmpfs", (), 0, ops.ROOT, "tmp"),
        ops.MountNew(ops.NO_FD, "tmpfs", "tmpfs", (), 0, ops.ROOT, "dev"),
        ops.MakeNode(ops.ROOT, "dev/null", 0o020666, 1, 3),
        ops.MakeNode(ops.ROOT, "dev/tty", 0o020666, 5, 0),
        ops.MountNew(ops.PTS, "devpts", "devpts", ("newinstance", "ptmxmode=0666"), 0, ops.ROOT, "dev/pts", 0o755),
    ]
    steps += [ops.Bind(ops.HOST, str(host), "", ops.ROOT, inside, 4) for host, inside in binds]
    if tty:
        steps.append(ops.Terminal(0, ops.PTS, "ptmx", ops.NO_FD, "", 24, 80))
    steps += [ops.Pivot(ops.ROOT), ops.ParentDeathSignal(9), ops.Exec(argv[0], argv, ENVIRONMENT)]
    special = PodSupplied("console" if tty else "target")
    return Plan(
        tuple(steps),
        fds=(special,) if tty or join else (),
        clone_flags=CLONE_NEWNS | (CLONE_NEWPID if own_pid_namespace and not join else 0),
        console_slot=0 if tty else None,
        target_slot=0 if join else None,
        pidns_fd=0 if join else None,
    )


def exec_plan(*argv: str, tty: bool = False) -> Plan:
    """``argv`` in the PID and mount namespaces of the target."""
    steps: list[ops.Operation] = [ops.SetSid(), ops.SetNs(0, CLONE_NEWNS)]
    if tty:
        steps.append(ops.Open(ops.PTS, ops.HOST, "/dev/pts"))
        steps.append(ops.Terminal(1, ops.PTS, "ptmx", ops.NO_FD, "", 24, 80))
    steps.append(ops.Exec(argv[0], argv, ENVIRONMENT))
    return Plan(
        tuple(steps),
        fds=(PodSupplied("target"), PodSupplied("console")) if tty else (PodSupplied("target"),),
        target_slot=0,
        console_slot=1 if tty else None,
        pidns_fd=0,
    )


def encoded(plan: Plan, *fds: int) -> EncodedPlan:
    """As bytes; ``fds`` are the descriptors of its table that are not the pod process's to fill."""
    with contextlib.ExitStack() as stack:
        result = EncodedPlan.of(plan, stack)
        return EncodedPlan(result.data, (*result.fds, *fds), result.target_slot, result.console_slot)


@dataclass
class Pod:
    """A pod process with a sandbox, and what has been heard of it."""

    process: PodProcess
    root: Path
    logs: Path
    exits: dict[str, ExitRecord] = field(default_factory=dict)
    _waiters: dict[str, asyncio.Future[ExitRecord]] = field(default_factory=dict)

    def listen(self) -> None:
        """Hear of exits through the client that ``process`` is now."""
        self.process.on_exit = self._exited

    def _exited(self, name: str, record: ExitRecord) -> None:
        self.exits[name] = record
        if name in self._waiters:
            self._waiters.pop(name).set_result(record)

    async def exit_of(self, name: str) -> ExitRecord:
        """How a container ended, once it has."""
        if name in self.exits:
            return self.exits[name]
        waiter = self._waiters.setdefault(name, asyncio.get_running_loop().create_future())
        return await asyncio.wait_for(waiter, 30)

    def start(self, name: str, plan: Plan, *fds: int, target: str = "", **io: object) -> Awaitable[StartedProcess]:
        """Start a container that logs to ``name``.log."""
        return self.process.start(
            name,
            encoded(plan, *fds),
            ContainerIo(log_path=self.logs / f"{name}.log", tty=plan.console_slot is not None, **io),  # type: ignore[arg-type]
            target=target,
            shared_pid_namespace=not plan.clone_flags & CLONE_NEWPID,
        )

    async def run(self, name: str, *argv: str, **io: object) -> ExitRecord:
        """Start ``argv`` as a container and wait for its end."""
        await self.start(name, container_plan(self.root, *argv), **io)
        return await self.exit_of(name)

    def log(self, name: str) -> bytes:
        """The raw log of a container: rotated files first."""
        files = [*sorted(self.logs.glob(f"{name}.log.*")), self.logs / f"{name}.log"]
        return b"".join(file.read_bytes() for file in files)

    def output(self, name: str, stream: bytes | None = None) -> bytes:
        """What a container has written, put together again from its log."""
        parts = []
        for line in self.log(name).split(b"\n")[:-1]:
            _, source, tag, rest = line.split(b" ", 3)
            assert tag in (b"F", b"P")
            if stream is None or source == stream:
                parts.append(rest)
                if tag == b"F":
                    parts.append(b"\n")
        return b"".join(parts)

    async def log_has(self, name: str, text: bytes) -> None:
        """Return when the log contains ``text``."""
        async with asyncio.timeout(30):
            while text not in self.output(name):
                await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def host_netns() -> Iterator[int]:
    """The host's network namespace."""
    fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture(scope="session")
def executable() -> Path:
    """pyrt-pod: the built one, or the one a sanitizer run names."""
    return Path(os.environ.get("PYRT_POD_EXECUTABLE", EXECUTABLE))


@pytest.fixture
async def spawn(workdir: Path, host_netns: int, executable: Path) -> AsyncIterator[Callable[[str], PodProcess]]:
    """Make a bare pod process in a new run directory below the work directory."""
    made: list[tuple[PodProcess, int]] = []

    def make(name: str) -> PodProcess:
        run_dir = workdir / name
        run_dir.mkdir()
        process = PodProcess.spawn(run_dir, f"test/{name}", host_netns=host_netns, stderr=2, executable=executable)
        made.append((process, os.pidfd_open(process.pid)))
        return process

    yield make
    for process, pidfd in made:  # some tests have closed the client, some have ended the process
        process.close()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)


@pytest.fixture
def busybox_root(busybox_root: Path, workdir: Path) -> Path:
    """A copy: these plans bind the root itself, with no overlay above it, and make mount points in it."""
    return Path(shutil.copytree(busybox_root, workdir / "rootfs", symlinks=True))


@pytest.fixture
async def pod(spawn: Callable[[str], PodProcess], busybox_root: Path, workdir: Path) -> Pod:
    """A pod with a sandbox."""
    process = spawn("pod")
    logs = workdir / "logs"
    logs.mkdir()
    made = Pod(process, busybox_root, logs)
    made.listen()
    await process.play(encoded(sandbox_plan()))
    return made
