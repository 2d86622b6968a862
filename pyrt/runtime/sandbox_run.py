"""Making a pod sandbox."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from pyrt._native import Errand
from pyrt.cgroups.detect import CgroupMode
from pyrt.cgroups.driver import Join
from pyrt.cgroups.foreign import is_foreign
from pyrt.errors import PyrtError
from pyrt.ids import new_sandbox_id
from pyrt.launch.plan import Plan
from pyrt.network.types import Attachment
from pyrt.network.veth import loopback_only
from pyrt.runtime.config import NamespaceMode, Owner, PodMetadata, SandboxConfig
from pyrt.runtime.container_create import cgroup_place
from pyrt.runtime.container_exit import container_exited
from pyrt.runtime.core import Core
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.errors import InvalidConfigError, SandboxError, SandboxStoppedError
from pyrt.runtime.pid_namespace import PAUSE_ID, pause_plan
from pyrt.runtime.poderrors import PlanFailedError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.podstreams import ContainerIo
from pyrt.runtime.records import CniPhase, SandboxRecord
from pyrt.runtime.resources import linux_resources
from pyrt.runtime.sandbox_end import pod_process_died, take_down
from pyrt.runtime.sandbox_files import begin_files, make_files
from pyrt.runtime.sandbox_network import attach, wants_plugins
from pyrt.runtime.sandbox_plan import link_plan, sandbox_places, sandbox_plan
from pyrt.runtime.status import EventKind

log = logging.getLogger(__name__)

_CGROUP_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.:@-]*(/[A-Za-z0-9_][A-Za-z0-9_.:@-]*)*")
_HOST_NAME_MAX = 64
"""Bytes (gethostname(2))."""


def subject_of(config: SandboxConfig) -> str:
    """``pod default/web``, as errors name it."""
    return f"pod {config.metadata.namespace}/{config.metadata.name}"


class Birth:
    """A sandbox whose plan has been sent to its pod process, and not been answered yet."""

    __slots__ = ("_answers", "_begun", "_core", "_files", "_resources", "_spare", "pod", "record")

    def __init__(self, core: Core, config: SandboxConfig) -> None:
        """Nothing is touched before :meth:`begin`."""
        self._core = core
        self._spare = core.spare_pods.take(config)
        sandbox_id = new_sandbox_id() if self._spare is None else self._spare.id
        self.record = SandboxRecord(id=sandbox_id, config=config, created_at=time.time_ns(), boot=core.boot, pod_pid=0)
        self.pod: PodProcess | None = None
        self._resources = linux_resources(config.resources)
        self._answers: list[tuple[asyncio.Future[Any], Plan | None]] = []
        self._begun: Errand | None = None
        self._files = -1
        """The mount of the files of /etc, for a sandbox that does not know its addresses yet."""

    def begin(self) -> None:
        """Start the pod process first, then get ready what its plan needs while it comes up; send the plan."""
        core, record, config = self._core, self.record, self.record.config
        run_dir = core.paths.pod(record.id)
        foreign = is_foreign(config.cgroup_parent)
        if not foreign:
            core.sweeper.give_up(config.cgroup_parent)  # a pod's next sandbox has the cgroup of its last
        born_inside = core.cgroups.hierarchies.mode is CgroupMode.V2
        join = self._make_cgroup() if born_inside or foreign else None
        if join is None:
            core.cgroups.begin(config.cgroup_parent, self._resources)
        self.pod = pod = self._process(Path(run_dir), None if join is None else join.directory)
        pod.on_exit = partial(container_exited, core)
        pod.on_closed = partial(pod_process_died, core, record.id)
        core.pods[record.id] = pod
        attachment: Attachment | None = None
        core.add_sandbox(record)
        with core.tables.store.transaction():
            if wants_plugins(core, config):
                attachment, record.cni = loopback_only(), CniPhase.ADDING
            elif config.network is not NamespaceMode.NODE:
                attachment = core.network.attach(record.id, config.host_ports)
                record.addresses = attachment.addresses
            core.tables.put_sandbox(record)
        self._begun = begin_files(config, record.addresses)
        if self._spare is not None and attachment is not None:
            self._make_link(pod, attachment)
        join = join or self._make_cgroup()
        places = sandbox_places(core.paths, record.id)
        os.mkdir(places.etc, 0o711)
        if config.ipc is not NamespaceMode.NODE:
            os.mkdir(places.shm, 0o711)
        core.emit(EventKind.CREATED, record.id, at=record.created_at)
        with ExitStack() as stack:
            begun, self._begun = self._begun, None
            files = make_files(config, record.addresses, str(core.config.node.resolv_conf), begun)
            stack.callback(os.close, files)
            if record.cni is not None:
                self._files = os.dup(files)
            place = cgroup_place(join, core.cgroup_mounts)
            ready = self._spare is not None
            plan = sandbox_plan(config, places, place, attachment, files, core.features, prepared=ready)
            self._answers.append((pod.play(EncodedPlan.of(plan, stack)), plan))
            if config.pid is NamespaceMode.POD:
                pause = EncodedPlan.of(_pause(core, record), stack)
                self._answers.append((pod.start(PAUSE_ID, pause, ContainerIo()), None))

    def _make_link(self, pod: PodProcess, attachment: Attachment) -> None:
        """Already now: the kernel is busy with it while the rest is got ready."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink, ExitStack() as stack:
            plan = link_plan(attachment, netlink.fileno())
            self._answers.append((pod.prepare(EncodedPlan.of(plan, stack)), plan))

    def _process(self, run_dir: Path, cgroup: str | None) -> PodProcess:
        meta = self.record.config.metadata
        name = f"{meta.namespace}/{meta.name}"
        if self._spare is not None:
            self._spare.process.rename(name, run_dir)
            return self._spare.process
        os.mkdir(run_dir, 0o700)
        return PodProcess.spawn(run_dir, name, host_netns=self._core.host_netns, cgroup=cgroup)

    def _make_cgroup(self) -> Join:
        config = self.record.config
        if is_foreign(config.cgroup_parent):
            join, self.record.made_cgroups = self._core.cgroups.create_below(config.cgroup_parent, self.record.id)
            return join
        return self._core.cgroups.create_pod(config.cgroup_parent, self._resources)

    async def ready(self) -> None:
        """Wait for the pod process's answers. Raises :class:`SandboxError`."""
        for answer, plan in self._answers:
            try:
                await answer
            except PlanFailedError as error:
                for other, _ in self._answers:
                    other.add_done_callback(_noticed)  # they failed because this one did
                failure = plan.failure(error.index, error.errno or 0) if plan is not None else error
                raise SandboxError(
                    failure.message,
                    subject=subject_of(self.record.config),
                    operation=failure.operation,
                    errno=failure.errno,
                ) from error
        assert self.pod is not None
        if self.record.cni is not None:
            await attach(self._core, self.record, self.pod, self._files)
        self.record.pod_pid = self.pod.pid
        self._core.emit(EventKind.STARTED, self.record.id)

    def close(self) -> None:
        """Let go of what only the birth needed."""
        if self._files >= 0:
            os.close(self._files)
            self._files = -1

    async def undo(self) -> None:
        """Take everything back."""
        if self._begun is not None:
            self._begun.discard()
            self._begun = None
        self.close()
        await take_down(self._core, self.record)


def _pause(core: Core, record: SandboxRecord) -> Plan:
    directory, mapped = core.paths.pod(record.id), record.config.user_namespace is not None
    if mapped:
        return pause_plan(directory, mapped=True)
    proc = sandbox_places(core.paths, record.id).proc
    os.mkdir(proc, 0o700)
    return pause_plan(directory, proc=proc)


def _noticed(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()


def check(config: SandboxConfig) -> None:
    """Raise :class:`InvalidConfigError` for what can never work."""
    subject = subject_of(config)
    if not config.metadata.name or not config.metadata.uid:
        raise InvalidConfigError("expected a name and a uid", subject=subject, operation="metadata")
    if not _CGROUP_PATH.fullmatch(config.cgroup_parent) or ".." in config.cgroup_parent.split("/"):
        raise InvalidConfigError(
            f"expected a path, got {config.cgroup_parent!r}", subject=subject, operation="cgroup_parent"
        )
    if config.network is NamespaceMode.POD and not 0 < len(config.hostname.encode()) <= _HOST_NAME_MAX:
        raise InvalidConfigError("expected 1 to 64 characters", subject=subject, operation="hostname")
    modes = (config.network, config.pid, config.ipc)
    if config.user_namespace is not None and NamespaceMode.NODE in modes:
        raise InvalidConfigError("not together with a namespace of the host's", subject=subject, operation="hostUsers")
    for name in config.sysctls:
        if not re.fullmatch(r"[A-Za-z0-9_]+([./][A-Za-z0-9_*@-]+)+", name) or ".." in name:
            raise InvalidConfigError(f"{name!r} is no sysctl", subject=subject, operation="sysctls")


async def begin_sandbox(core: Core, config: SandboxConfig) -> Birth | SandboxRecord:
    """Send a new sandbox's plan; or the sandbox of this identity that there is already.

    Raises :class:`SandboxError` after taking everything back. The caller goes on with :func:`finish_sandbox`, in a
    :class:`flight`.
    """
    check(config)
    known = await find(core, config)
    if known is not None:
        return known
    birth = Birth(core, config)
    try:
        birth.begin()
    except BaseException as error:
        await asyncio.shield(birth.undo())
        raise _translated(config, error) from error
    return birth


async def finish_sandbox(core: Core, birth: Birth) -> None:
    """Wait until a sandbox is ready. Raises :class:`SandboxError` after taking everything back."""
    try:
        await birth.ready()
    except BaseException as error:
        await asyncio.shield(birth.undo())
        raise _translated(birth.record.config, error) from error
    birth.close()


def _translated(config: SandboxConfig, error: BaseException) -> BaseException:
    """What went wrong below, in this layer's family."""
    subject = subject_of(config)
    if isinstance(error, PyrtError) and not isinstance(error, SandboxError):
        return SandboxError(str(error).removeprefix(f"{subject}: "), subject=subject)
    if isinstance(error, OSError):
        return SandboxError(subject=subject, operation=f"create {error.filename}", errno=error.errno)
    if isinstance(error, SandboxError) and not error.subject:
        error.subject = subject
    return error


async def run_sandbox(core: Core, config: SandboxConfig) -> SandboxRecord:
    """See :meth:`pyrt.runtime.Runtime.run_sandbox`."""
    birth = await begin_sandbox(core, config)
    if isinstance(birth, SandboxRecord):
        return birth
    return await complete_sandbox(core, birth)


async def complete_sandbox(core: Core, birth: Birth) -> SandboxRecord:
    """:func:`finish_sandbox`, with nothing else to do meanwhile."""
    with flight(core, birth.record):
        core.spare_pods.fill()
        await finish_sandbox(core, birth)
    return birth.record


def _key(config: SandboxConfig) -> tuple[Owner, PodMetadata]:
    return config.owner, config.metadata


async def find(core: Core, config: SandboxConfig) -> SandboxRecord | None:
    """The sandbox of this identity, if there is one; waits for one that is being made. A stopped one is not brought
    back.
    """
    key = _key(config)
    waiting = core.flights.get(key)
    if waiting is not None:
        return await asyncio.shield(waiting)
    for record in core.sandboxes.values():
        if record.config.metadata == config.metadata and record.config.owner is config.owner:
            if record.stopped:
                raise SandboxStoppedError(
                    "a stopped sandbox of the same attempt exists; remove it, or ask for the next attempt",
                    subject=subject_of(config),
                )
            return record
    return None


class flight:  # noqa: N801 - a context manager, used as a verb
    """While a sandbox is being made, whoever asks for the same one waits for the outcome."""

    def __init__(self, core: Core, record: SandboxRecord) -> None:
        self._core = core
        self._record = record
        self._key = _key(record.config)

    def __enter__(self) -> None:
        self._future: asyncio.Future[SandboxRecord] = asyncio.get_running_loop().create_future()
        self._core.flights[self._key] = self._future
        self._core.rush.begin()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        del self._core.flights[self._key]
        self._core.rush.end()
        if error is None:
            self._future.set_result(self._record)
        else:
            self._future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            self._future.exception()  # nobody may be waiting
