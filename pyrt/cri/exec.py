"""Inside a running container: ExecSync, Exec, Attach, PortForward, ReopenContainerLog.

ExecSync answers itself. Exec, Attach and PortForward answer with a URL of the streaming server; what cannot work is
refused here, where the kubelet reads why, and looked at again when the client comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from pyrt.config.cri import Cri
from pyrt.cri import runtime_pb2 as cri
from pyrt.cri.errors import invalid
from pyrt.cri.identity import World
from pyrt.cri.services import Handlers
from pyrt.cri.streaming.server import StreamingServer
from pyrt.errors import PyrtError
from pyrt.runtime import Runtime
from pyrt.runtime.errors import StateError
from pyrt.runtime.session import Session
from pyrt.runtime.status import ContainerState, ContainerStatus, SandboxState
from pyrt.streams import outcomes
from pyrt.streams.upgrades import Conversation, Refused, Timeouts, Wanted, forward_ports, remote_command

OUTPUT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of each stream of ExecSync that are kept, as containerd does."""
ANSWER_LIMIT: Final = OUTPUT_LIMIT - 1024
"""Bytes of both together: a gRPC message of more than 16 MiB reaches no kubelet."""


class Exec:
    """What a kubelet does inside containers."""

    def __init__(self, config: Cri, runtime: Runtime, world: World, streaming: StreamingServer) -> None:
        self._runtime = runtime
        self._world = world
        self._streaming = streaming
        self._timeouts = Timeouts(config.stream_idle_timeout_seconds, config.stream_creation_timeout_seconds)

    def handlers(self) -> Handlers:
        """By method."""
        return {
            "ExecSync": self.exec_sync,
            "Exec": self.exec,
            "Attach": self.attach,
            "PortForward": self.port_forward,
            "ReopenContainerLog": self.reopen_log,
        }

    async def exec_sync(self, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
        """Run a command to its end. After ``timeout`` seconds (0: none) it is killed with what it has started, and the
        answer is DEADLINE_EXCEEDED. What it leaves behind is not waited for.
        """
        if request.timeout < 0:
            raise invalid("timeout", f"expected 0 or more seconds, got {request.timeout}")
        container = self._running(request.container_id, "exec")
        result = await self._runtime.exec_sync(
            container.id, tuple(request.cmd), timeout=request.timeout or None, limit=OUTPUT_LIMIT
        )
        stdout, stderr = fitting(result.stdout, result.stderr, ANSWER_LIMIT)
        return cri.ExecSyncResponse(stdout=stdout, stderr=stderr, exit_code=result.exit_code)

    async def exec(self, request: cri.ExecRequest) -> cri.ExecResponse:
        """Where to go to run a command with streams."""
        wanted = _wanted(request)
        container = self._running(request.container_id, "exec")
        command = tuple(request.cmd)

        async def begin() -> Session:
            stdin, stdout, stderr, tty = wanted.stdin, wanted.stdout, wanted.stderr, wanted.tty
            return await self._runtime.exec(container.id, command, stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)

        conversation = Conversation(begin, outcomes.exit_status, _refusing("error executing command in container"))
        return cri.ExecResponse(url=self._announce_command("exec", wanted, conversation))

    async def attach(self, request: cri.AttachRequest) -> cri.AttachResponse:
        """Where to go to take part in a container's own streams. A stdin that it does not have is silence."""
        wanted = _wanted(request)
        container = self._running(request.container_id, "attach")

        async def begin() -> Session:
            stdin = wanted.stdin and container.config.stdin
            return await self._runtime.attach(container.id, stdin=stdin, stdout=wanted.stdout, stderr=wanted.stderr)

        conversation = Conversation(begin, outcomes.success, _refusing("error attaching to container"))
        return cri.AttachResponse(url=self._announce_command("attach", wanted, conversation))

    async def port_forward(self, request: cri.PortForwardRequest) -> cri.PortForwardResponse:
        """Where to go for connections to ports inside a sandbox. Only clients that speak the older WebSocket protocol
        need to say which ports here.
        """
        sandbox = self._world.sandbox(request.pod_sandbox_id)
        if sandbox.state is not SandboxState.READY:
            raise StateError("it is not ready", subject=f"sandbox {sandbox.id}", operation="port-forward")
        for port in request.port:
            if not 0 < port < 65536:
                raise invalid("port", f"expected 1 to 65535, got {port}")
        ports, sandbox_id = list(request.port), sandbox.id

        async def serve(http: web.BaseRequest) -> web.StreamResponse:
            return await forward_ports(
                http, ports, lambda port: self._runtime.connect(sandbox_id, port), self._timeouts
            )

        return cri.PortForwardResponse(url=self._streaming.announce("portforward", serve))

    async def reopen_log(self, request: cri.ReopenContainerLogRequest) -> cri.ReopenContainerLogResponse:
        """The kubelet has renamed the log file: go on in a new one."""
        await self._runtime.reopen_log(self._running(request.container_id, "reopen log").id)
        return cri.ReopenContainerLogResponse()

    def _announce_command(self, kind: str, wanted: Wanted, conversation: Conversation) -> str:
        async def serve(http: web.BaseRequest) -> web.StreamResponse:
            return await remote_command(http, wanted, conversation, self._timeouts)

        return self._streaming.announce(kind, serve)

    def _running(self, container_id: str, operation: str) -> ContainerStatus:
        found = self._world.container(container_id)
        if found.state is not ContainerState.RUNNING:
            raise StateError(
                f"it is {found.state.value}, not running", subject=f"container {found.id}", operation=operation
            )
        return found


def fitting(stdout: bytes, stderr: bytes, limit: int) -> tuple[bytes, bytes]:
    """As much of both as ``limit`` bytes hold; neither is cut below half of them for the other's sake."""
    if len(stdout) + len(stderr) > limit:
        stderr = stderr[: max(limit - len(stdout), limit // 2)]
        stdout = stdout[: limit - len(stderr)]
    return stdout, stderr


def _wanted(request: cri.ExecRequest | cri.AttachRequest) -> Wanted:
    if request.tty and request.stderr:
        raise invalid("stderr", "tty and stderr cannot both be true")
    if not (request.stdin or request.stdout or request.stderr):
        raise invalid("stdin", "one of stdin, stdout, or stderr must be set")
    return Wanted(request.stdin, request.stdout, request.stderr, request.tty)


def _refusing(words: str) -> Callable[[PyrtError], Refused]:
    def refused(error: PyrtError) -> Refused:
        text = f"{words}: {error}"
        return Refused(outcomes.failed(text), text)

    return refused
