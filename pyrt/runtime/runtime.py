"""The runtime: pod sandboxes and containers, on one machine, in CRI's vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket

from pyrt.config import Config
from pyrt.ids import ContainerId, SandboxId
from pyrt.runtime.config import ContainerConfig, Resources, SandboxConfig
from pyrt.runtime.session import ExecResult, Session
from pyrt.runtime.stats import ContainerStats, SandboxStats
from pyrt.runtime.status import ContainerStatus, RuntimeEvent, SandboxStatus
from pyrt.store import Store


class Runtime:
    """Sandboxes and containers of one pyrt instance. One event loop; every method may be called concurrently.

    Every call that changes something is idempotent: stopping what is stopped and removing what is absent succeed.
    """

    def __init__(self, config: Config, store: Store) -> None: ...

    async def recover(self) -> None:
        """Adopt what an earlier daemon left: live pods go on, exits of dead ones are read, the half-made is removed. Call once."""

    async def close(self) -> None:
        """Let go of every pod process; pods run on."""

    def subscribe(self, callback: Callable[[RuntimeEvent], None]) -> Callable[[], None]:
        """Call back for every event, on the event loop, in order, after the status already shows it. Returns the unsubscriber."""

    async def run_sandbox(self, config: SandboxConfig) -> SandboxStatus: ...

    async def run_pod(self, config: SandboxConfig, container: ContainerConfig) -> tuple[SandboxStatus, ContainerId]:
        """run_sandbox, create_container and start_container in one go: the fast path for a pod's first container."""

    async def create_container(self, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerId: ...

    async def start_container(self, container_id: ContainerId) -> None: ...

    async def stop_container(self, container_id: ContainerId, grace_seconds: float, signal: str | None = None) -> None: ...

    async def remove_container(self, container_id: ContainerId) -> None: ...

    async def stop_sandbox(self, sandbox_id: SandboxId) -> None: ...

    async def remove_sandbox(self, sandbox_id: SandboxId) -> None: ...

    async def exec(
        self, container_id: ContainerId, command: tuple[str, ...], *, stdin: bool = False, stdout: bool = True,
        stderr: bool = True, tty: bool = False,
    ) -> Session: ...

    async def exec_sync(
        self, container_id: ContainerId, command: tuple[str, ...], *, timeout: float | None = None, limit: int = 16 * 1024 * 1024
    ) -> ExecResult: ...

    async def attach(
        self, container_id: ContainerId, *, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> Session: ...

    async def connect(self, sandbox_id: SandboxId, port: int) -> socket:
        """A non-blocking TCP connection to localhost:``port`` inside the sandbox's network namespace (127.0.0.1, then ::1)."""

    async def update_resources(self, container_id: ContainerId, resources: Resources) -> None: ...

    async def reopen_log(self, container_id: ContainerId) -> None: ...

    def sandbox_status(self, sandbox_id: SandboxId) -> SandboxStatus: ...

    def container_status(self, container_id: ContainerId) -> ContainerStatus: ...

    def list_sandboxes(self) -> list[SandboxStatus]: ...

    def list_containers(self, sandbox_id: SandboxId | None = None) -> list[ContainerStatus]: ...

    async def container_stats(self, container_id: ContainerId) -> ContainerStats: ...

    async def sandbox_stats(self, sandbox_id: SandboxId) -> SandboxStats: ...

    async def wait_container(self, container_id: ContainerId) -> ContainerStatus:
        """The status once the container has exited (returns at once if it already has)."""
