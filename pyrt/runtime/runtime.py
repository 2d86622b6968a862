"""The runtime: pod sandboxes and containers, on one machine, in CRI's vocabulary."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import socket

import msgspec

from pyrt.cgroups import CgroupDriver, CgroupStats
from pyrt.config import Config
from pyrt.ids import ContainerId, ImageId, SandboxId
from pyrt.network import Network
from pyrt.network.cni import CniNetwork
from pyrt.runtime import (
    container_create,
    container_exec,
    container_remove,
    container_start,
    container_stop,
    resources_update,
    sandbox_end,
    sandbox_run,
    usage,
)
from pyrt.runtime import recover as recovery
from pyrt.runtime.config import ContainerConfig, Owner, Resources, SandboxConfig
from pyrt.runtime.container_exit import cgroup_of
from pyrt.runtime.core import Core
from pyrt.runtime.errors import StateError
from pyrt.runtime.image_mounts import images_of
from pyrt.runtime.poderrors import PodProcessError
from pyrt.runtime.session import ExecResult, Session
from pyrt.runtime.spares import Spares
from pyrt.runtime.stats import ContainerStats
from pyrt.runtime.status import ContainerState, ContainerStatus, RuntimeEvent, SandboxStatus
from pyrt.spec import Config as Spec
from pyrt.store import Store

EXEC_OUTPUT_LIMIT = 16 * 1024 * 1024


class Runtime:
    """Sandboxes and containers of one pyrt instance. One event loop; every method may be called concurrently.

    Every call that changes something is idempotent: making what exists answers with it, stopping what is stopped and
    removing what is absent succeed. Errors are of the family :class:`pyrt.runtime.errors.RuntimeFailure`.
    """

    def __init__(self, config: Config, store: Store, network: Network | None = None) -> None:
        """Nothing is touched before :meth:`recover`. ``network`` is made from ``config`` if it is not given."""
        self._core = Core(config, store, network if network is not None else Network(config, store))

    # ------------------------------------------------------------------ life

    async def recover(self) -> None:
        """Get ready, and take over from an earlier daemon. Call once, before anything else.

        Live pods go on, exits of dead ones are read, the half-made is removed.
        """
        core = self._core
        core.prepare()
        await recovery.recover(core)
        core.spare_pods.prepare()

    async def close(self) -> None:
        """Let go of every pod process; pods run on."""
        self._core.close()
        await asyncio.sleep(0)

    def subscribe(self, callback: Callable[[RuntimeEvent], None]) -> Callable[[], None]:
        """Call back for every event, on the event loop, in order, when the status already shows it; the answer
        unsubscribes.
        """
        return self._core.subscribe(callback)

    # ------------------------------------------------------------------ sandboxes

    async def run_sandbox(self, config: SandboxConfig) -> SandboxStatus:
        """Make a sandbox, or answer with the one of the same metadata.

        Raises :class:`SandboxError` after taking back what was half-made.
        """
        return (await sandbox_run.run_sandbox(self._core, config)).status()

    async def run_pod(self, config: SandboxConfig, container: ContainerConfig) -> tuple[SandboxStatus, ContainerId]:
        """A sandbox and its first container, started, in one go: the container's plan follows the sandbox's without a
        wait between.

        Raises :class:`SandboxError` when the sandbox failed (nothing is left then); CreateError, InvalidConfigError
        or StartError when the container did: the sandbox stays, and :meth:`list_sandboxes` shows it.
        """
        core = self._core
        birth = await sandbox_run.begin_sandbox(core, config)
        if isinstance(birth, sandbox_run.Birth) and birth.record.cni is not None:
            # A container must not run before the plugins have made its network.
            birth = await sandbox_run.complete_sandbox(core, birth)
        if isinstance(birth, sandbox_run.Birth):
            with sandbox_run.flight(core, birth.record):
                try:
                    record = container_create.create_container(core, birth.record.id, container)
                    launch = container_start.begin_start(core, record.id)
                except BaseException:
                    await sandbox_run.finish_sandbox(core, birth)
                    raise
                core.spare_pods.fill()  # while the container comes up there is only waiting to do
                await sandbox_run.finish_sandbox(core, birth)
            await launch.started()
            return birth.record.status(), record.id
        container_id = await self.create_container(birth.id, container)
        if core.container(container_id).state is ContainerState.CREATED:
            await self.start_container(container_id)
        return birth.status(), container_id

    async def stop_sandbox(self, sandbox_id: SandboxId) -> None:
        """Kill whatever runs in it, and give its addresses back; answers when the last process is gone."""
        await sandbox_end.stop_sandbox(self._core, sandbox_id)

    async def remove_sandbox(self, sandbox_id: SandboxId) -> None:
        """Stop it, then remove it with its containers."""
        await sandbox_end.remove_sandbox(self._core, sandbox_id)

    def sandbox_status(self, sandbox_id: SandboxId) -> SandboxStatus:
        """Raises :class:`SandboxNotFoundError`."""
        return self._core.sandbox(sandbox_id).status()

    def list_sandboxes(self, owner: Owner | None = None) -> list[SandboxStatus]:
        """All, or those of one owner, oldest first. One that is being made is NOT_READY."""
        return [r.status() for r in self._core.sandboxes.values() if owner is None or r.config.owner is owner]

    def images_in_use(self, owner: Owner | None = None) -> set[ImageId]:
        """Images that containers of any kind run on, or that sandboxes have mounted; ``owner``: those of one."""
        core = self._core
        sandboxes = {i: one for i, one in core.sandboxes.items() if owner is None or one.config.owner is owner}
        containers = (one for one in core.containers.values() if owner is None or one.sandbox_id in sandboxes)
        used = {image for record in containers for image in images_of(record.config)}
        return used | {mount.image for one in sandboxes.values() for mount in one.config.image_mounts}

    @property
    def cni(self) -> CniNetwork:
        """Networks that CNI plugins make; whether pods can have a network at all is its status."""
        return self._core.cni

    # ------------------------------------------------------------------ containers

    async def create_container(self, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerId:
        """Make a container of a ready sandbox, or answer with the one of the same name and attempt.

        Raises CreateError, InvalidConfigError, StateError, SandboxNotFoundError.
        """
        return container_create.create_container(self._core, sandbox_id, config).id

    async def start_container(self, container_id: ContainerId) -> None:
        """Run its command; answers after execve. Raises StartError (the container is then EXITED), StateError,
        ContainerNotFoundError.
        """
        await container_start.start_container(self._core, container_id)

    async def stop_container(self, container_id: ContainerId, grace_seconds: float, signal: str | None = None) -> None:
        """Send ``signal`` (else the container's, else its image's, else SIGTERM), and SIGKILL after ``grace_seconds``.

        Answers as soon as the container has ended; at once when it has not started or is not known.
        """
        await container_stop.stop_container(self._core, container_id, grace_seconds, signal)

    async def remove_container(self, container_id: ContainerId) -> None:
        """Remove it; a running one is killed."""
        await container_remove.remove_container(self._core, container_id)

    async def wait_container(self, container_id: ContainerId) -> ContainerStatus:
        """The status once the container has exited."""
        return await container_stop.wait_exit(self._core, self._core.container(container_id))

    def container_status(self, container_id: ContainerId) -> ContainerStatus:
        """Raises :class:`ContainerNotFoundError`."""
        return self._core.container(container_id).status()

    def list_containers(
        self, sandbox_id: SandboxId | None = None, *, owner: Owner | None = None
    ) -> list[ContainerStatus]:
        """All, or those of one sandbox (none if it is not known), or of one owner's sandboxes, oldest first."""
        records = self._core.containers if sandbox_id is None else self._core.members.get(sandbox_id, {})
        if owner is None:
            return [record.status() for record in records.values()]
        of = self._core.sandboxes
        return [record.status() for record in records.values() if of[record.sandbox_id].config.owner is owner]

    async def update_resources(
        self, container_id: ContainerId, resources: Resources, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Change the limits of a container; ``None`` leaves a limit as it is. ``annotations`` are added to its own."""
        resources_update.update_container(self._core, container_id, resources, annotations)

    async def update_sandbox_resources(self, sandbox_id: SandboxId, resources: Resources) -> None:
        """Change the limits of a pod's cgroup; ``None`` leaves a limit as it is."""
        resources_update.update_sandbox(self._core, sandbox_id, resources)

    def keep_sandbox_request(self, sandbox_id: SandboxId, request: bytes) -> None:
        """Put other words in the place of :attr:`SandboxConfig.request`. Raises SandboxNotFoundError, StoreError."""
        record = self._core.sandbox(sandbox_id)
        record.config = dataclasses.replace(record.config, request=request)
        self._core.tables.put_sandbox(msgspec.structs.replace(record, pod_pid=0))

    def container_spec(self, container_id: ContainerId) -> Spec:
        """The runtime-spec configuration that a container is made from; its root is not in it.

        Raises ContainerNotFoundError, InvalidConfigError, LaunchError.
        """
        record = self._core.container(container_id)
        return container_create.spec_of(self._core, self._core.sandbox(record.sandbox_id), record)

    def container_cgroup(self, container_id: ContainerId) -> CgroupStats:
        """What the kernel counted for one container: a few small files. Raises ContainerNotFoundError."""
        return resources_update.container_cgroup(self._core, container_id)

    @property
    def cgroups(self) -> CgroupDriver:
        """To count with, from any thread."""
        return self._core.cgroups

    def cgroup_path(self, container_id: ContainerId) -> str:
        """The container's cgroup, as :attr:`cgroups` knows it. Raises ContainerNotFoundError."""
        return cgroup_of(self._core, self._core.container(container_id))

    def writable_layer(self, container_id: ContainerId) -> Path:
        """Where a container's own files are; the directory may be gone at any time."""
        return Path(self._core.paths.container(container_id), "upper")

    def sandbox_cgroup(self, sandbox_id: SandboxId) -> CgroupStats:
        """What the kernel counted for a whole pod. Raises SandboxNotFoundError."""
        return resources_update.sandbox_cgroup(self._core, sandbox_id)

    async def reopen_log(self, container_id: ContainerId) -> None:
        """Open the log file anew by its path, after somebody has renamed it. Raises StateError when it does not run."""
        record, pod = container_exec.running(self._core, container_id, "reopen log")
        try:
            await pod.reopen_log(record.id)
        except PodProcessError as error:
            raise StateError(
                subject=f"container {record.config.name}", operation="reopen log", errno=error.errno
            ) from error

    # ------------------------------------------------------------------ inside

    async def exec(
        self,
        container_id: ContainerId,
        command: tuple[str, ...],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> Session:
        """Start a command in a running container, with pipes or a terminal. Raises ExecError, StateError,
        ContainerNotFoundError.
        """
        return await container_exec.open_session(
            self._core, container_id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty
        )

    async def exec_sync(
        self,
        container_id: ContainerId,
        command: tuple[str, ...],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it kills, which a cancelled scope would not
        limit: int = EXEC_OUTPUT_LIMIT,
    ) -> ExecResult:
        """Run a command to its end; ``limit`` bytes of each stream are kept.

        After ``timeout`` seconds it is killed. Raises ExecTimeoutError, ExecError, StateError, ContainerNotFoundError.
        """
        return await container_exec.exec_sync(self._core, container_id, command, timeout=timeout, limit=limit)

    async def attach(
        self, container_id: ContainerId, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Session:
        """Connect to the container's own process: its output from now on, its input if it was made with ``stdin``."""
        core = self._core
        record, pod = container_exec.running(core, container_id, "attach")
        tty = record.config.tty
        try:
            ends = await pod.attach(container_id, stdin=stdin, stdout=stdout, stderr=stderr and not tty)
        except PodProcessError as error:
            raise StateError(
                subject=f"container {record.config.name}", operation="attach", errno=error.errno
            ) from error

        async def wait() -> int:
            return (await container_stop.wait_exit(core, record)).exit_code

        def resize(rows: int, columns: int) -> None:
            pod.resize(container_id, rows, columns).add_done_callback(_ignore)

        return Session(
            stdin=ends.stdin, stdout=ends.stdout, stderr=ends.stderr, tty=tty, wait=wait, resize=resize, pid=record.pid
        )

    async def connect(self, sandbox_id: SandboxId, port: int) -> socket:
        """A non-blocking TCP connection to localhost:``port`` inside the sandbox (127.0.0.1, then ::1).

        Raises StateError, with ECONNREFUSED when nothing listens.
        """
        record = self._core.sandbox(sandbox_id)
        pod = self._core.pods.get(sandbox_id)
        subject = sandbox_run.subject_of(record.config)
        if pod is None:
            raise StateError("it is not running", subject=subject, operation="connect")
        refused = errno.ECONNREFUSED
        for address in ("127.0.0.1", "::1"):
            try:
                return await pod.connect_tcp(address, port)
            except PodProcessError as error:
                refused = error.errno if error.errno is not None and address == "127.0.0.1" else refused
        raise StateError(subject=subject, operation=f"connect to localhost:{port} inside", errno=refused)

    # ------------------------------------------------------------------ figures

    async def container_stats(self, container_id: ContainerId) -> ContainerStats:
        """What it uses."""
        return await usage.container_stats(self._core, container_id)

    @property
    def rushing(self) -> bool:
        """Whether somebody waits for a pod just now."""
        return self._core.rush.on

    async def rush_over(self) -> None:
        """Return when no pod is being started, after a second at the latest: for what can wait."""
        await self._core.rush.over()

    @property
    def spares(self) -> Spares:
        """Directories on disk that are ready; the layer above keeps its own things of a pod beside the runtime's."""
        return self._core.spares

    def flush_ends(self) -> None:
        """Have every container's end that was told in the database; otherwise that is done within some 20 ms.

        For a caller that is about to write down what follows from an end: after a power cut the database must not
        know the consequence and not the cause.
        """
        self._core.flush_ends()

    async def drained(self) -> None:
        """Return when everything that was removed is gone from disk as well (tests, and an orderly end)."""
        await self._core.trash.drained()


def _ignore(future: asyncio.Future[None]) -> None:
    """A window's size is not worth an error: the process may have ended meanwhile."""
    if not future.cancelled():
        future.exception()
