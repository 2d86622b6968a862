"""A container without a daemon: a spec compiled, its plan played by the extension, its output read."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyrt import _native, spec
from pyrt.launch import CgroupPlace, ContainerContext, LaunchError, OverlayRoot, Plan, compile_container, probe
from pyrt.launch import capabilities as caps
from pyrt.launch.defaults import MASKED_PATHS, READONLY_PATHS, default_mounts
from pyrt.launch.seccomp_default import runtime_default


@dataclass
class Running:
    """A started plan."""

    plan: Plan
    child: _native.Child
    output: int
    console: int = -1
    closed: bool = False

    def report(self) -> _native.Failure | None:
        select.select([self.child.report_fd], [], [])
        data = os.read(self.child.report_fd, 64)
        return _native.read_report(data)

    def go(self) -> None:
        os.write(self.child.report_fd, b"g")

    def finish(self) -> Result:
        failure = self.report()
        text = b""
        while chunk := _read(self.output):
            text += chunk
        status = _native.pidfd_wait(self.child.pidfd)
        self.close()
        assert status is not None
        error = None if failure is None else self.plan.failure(failure.index, failure.errno)
        return Result(text.decode(errors="replace"), os.waitstatus_to_exitcode(status), error)

    def kill(self) -> None:
        if not self.closed:
            _native.pidfd_send_signal(self.child.pidfd, 9)
            _native.pidfd_wait(self.child.pidfd)
            self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.child.pidfd)
            os.close(self.child.report_fd)
            os.close(self.output)
            if self.console >= 0:
                os.close(self.console)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # a terminal's master answers EIO once nobody holds the other side
        return b""


@dataclass(frozen=True)
class Result:
    """What the container printed, its exit code, and the error if it did not come to that."""

    output: str
    code: int
    error: LaunchError | None = None


@dataclass
class Box:
    """A container to be: edit ``spec`` and ``context``, then ``run``."""

    spec: spec.Config
    context: ContainerContext
    root: Path
    started: list[Running] = field(default_factory=list)

    def process(self, **changes: Any) -> None:
        assert self.spec.process is not None
        self.spec = msgspec.structs.replace(self.spec, process=msgspec.structs.replace(self.spec.process, **changes))

    def linux(self, **changes: Any) -> None:
        assert self.spec.linux is not None
        self.spec = msgspec.structs.replace(self.spec, linux=msgspec.structs.replace(self.spec.linux, **changes))

    def mount(self, *mounts: spec.Mount) -> None:
        self.spec = msgspec.structs.replace(self.spec, mounts=(*self.spec.mounts, *mounts))

    def readonly(self) -> None:
        self.spec = msgspec.structs.replace(self.spec, root=spec.Root(readonly=True))

    def capabilities(self, *names: str) -> None:
        self.process(capabilities=spec.LinuxCapabilities(bounding=names, effective=names, permitted=names))

    def start(self, *args: str) -> Running:
        if args:
            self.process(args=args)
        return play(compile_container(self.spec, self.context), self.started)

    def sh(self, script: str) -> Result:
        return self.start("sh", "-c", script).finish()

    def run(self, *args: str) -> Result:
        return self.start(*args).finish()


def play(plan: Plan, started: list[Running], **supplied: int) -> Running:
    """Start a plan with its output in a pipe, or with a terminal."""
    read_end, write_end = os.pipe()
    ours = theirs = None
    if plan.console_slot is not None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        supplied["console"] = theirs.fileno()
    with ExitStack() as stack:
        fds = plan.open_fds(stack, **supplied)
        child = _native.plan_spawn(plan.encode(), fds, (-1, write_end, write_end))
    os.close(write_end)
    running = Running(plan, child, read_end)
    started.append(running)
    if ours is not None and theirs is not None:
        theirs.close()
        with ours:
            _, masters, _, _ = socket.recv_fds(ours, 1, 1)
        if masters:
            os.close(read_end)
            running.output = masters[0]
    return running


@pytest.fixture
def box(busybox_root: Path, workdir: Path) -> Iterator[Box]:
    """A container with a Kubernetes container's defaults on an overlay of the busybox root; its process is ``sh``."""
    for name in ("upper", "work", "mnt"):
        (workdir / name).mkdir()
    names = caps.DEFAULT
    config = spec.Config(
        root=spec.Root(),
        mounts=default_mounts(),
        process=spec.Process(
            args=("sh",),
            env=("PATH=/bin", "HOME=/root"),
            capabilities=spec.LinuxCapabilities(bounding=names, effective=names, permitted=names),
        ),
        linux=spec.Linux(
            namespaces=tuple(
                spec.LinuxNamespace(type=kind) for kind in ("mount", "pid", "cgroup", "ipc", "uts", "network")
            ),
            masked_paths=MASKED_PATHS,
            readonly_paths=READONLY_PATHS,
            seccomp=runtime_default(names),
        ),
    )
    root = OverlayRoot((str(busybox_root),), str(workdir / "upper"), str(workdir / "work"), str(workdir / "mnt"))
    made = Box(config, ContainerContext(root, CgroupPlace(), probe()), workdir)
    yield made
    for running in made.started:
        running.kill()


@pytest.fixture
def play_plan() -> Iterator[Callable[[Plan], Running]]:
    """Start any plan."""
    started: list[Running] = []
    yield lambda plan: play(plan, started)
    for running in started:
        running.kill()
