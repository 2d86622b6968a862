"""Lifecycle hooks of containers: postStart and preStop, run beside the worker (kubelet, ``lifecycle/handlers.go``).

When one is run and how long it may take is decided in :mod:`pyrt.pods.reconcile`; here it is carried out. A hook is
delivered at least once: one that was under way when the daemon ended is run again by the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from pyrt.errors import PyrtError
from pyrt.ids import ContainerId
from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.probes import LifecycleHandler
from pyrt.pods.errors import PodError
from pyrt.pods.hold import pod_text
from pyrt.pods.model import Hook, HookState
from pyrt.pods.probes import Prober
from pyrt.pods.probes.connection import join
from pyrt.pods.probes.report import Outcome, Report
from pyrt.pods.probes.request import Request, make_request

OUTPUT_MAX: Final = 10 * 1024
"""Bytes of a command's output that are kept for the message."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
Warn = Callable[[str, str, str], None]


class HookError(PodError):
    """A hook failed; the text is what the kubelet says of it."""

    reason = "PostStartHookError"


class Hooks:
    """The hooks of one pod's container instances: those under way and what became of the others."""

    def __init__(self, prober: Prober, warn: Warn) -> None:
        self._prober = prober
        self._warn = warn
        self._post_start: dict[ContainerId, Hook] = {}
        self._pre_stop: dict[ContainerId, Hook] = {}
        self._tasks: dict[ContainerId, set[asyncio.Task[None]]] = {}

    def post_start(self, container_id: ContainerId) -> Hook | None:
        """How far it is."""
        return self._post_start.get(container_id)

    def pre_stop(self, container_id: ContainerId) -> Hook | None:
        """How far it is."""
        return self._pre_stop.get(container_id)

    def begin_post_start(
        self, pod: Pod, container: Container, container_id: ContainerId, address: str, spawn: Spawn
    ) -> None:
        """Begin; :meth:`post_start` tells how far it is."""
        assert container.lifecycle is not None
        assert container.lifecycle.post_start is not None
        work = self._run(container.lifecycle.post_start, pod, container, container_id, address)
        event = ("FailedPostStartHook", "PostStartHook failed")
        self._begin(work, self._post_start, container, container_id, event, spawn)

    def begin_pre_stop(
        self, pod: Pod, container: Container, container_id: ContainerId, address: str, spawn: Spawn
    ) -> None:
        """Begin; :meth:`pre_stop` tells how far it is."""
        assert container.lifecycle is not None
        assert container.lifecycle.pre_stop is not None
        work = self._run(container.lifecycle.pre_stop, pod, container, container_id, address)
        event = ("FailedPreStopHook", "PreStopHook failed")
        self._begin(work, self._pre_stop, container, container_id, event, spawn)

    def end(self, container_id: ContainerId) -> None:
        """The container runs no more: what is still under way for it has lost its meaning."""
        for task in self._tasks.pop(container_id, ()):
            task.cancel()

    def forget(self, container_id: ContainerId) -> None:
        """The container was removed."""
        self.end(container_id)
        self._post_start.pop(container_id, None)
        self._pre_stop.pop(container_id, None)

    def _begin(
        self,
        work: Coroutine[Any, Any, None],
        hooks: dict[ContainerId, Hook],
        container: Container,
        container_id: ContainerId,
        event: tuple[str, str],
        spawn: Spawn,
    ) -> None:
        hooks[container_id] = Hook(HookState.RUNNING, time.time_ns())

        async def run() -> None:
            state, text = HookState.DONE, ""
            try:
                await work
            except HookError as error:
                state, text = HookState.FAILED, str(error)
                # The event does not tell why: a command's output may hold secrets.
                self._warn(*event, container.name)
            finally:
                if container_id in hooks:
                    hooks[container_id] = replace(hooks[container_id], state=state, message=text)

        task = spawn(run())
        self._tasks.setdefault(container_id, set()).add(task)

    async def _run(
        self, handler: LifecycleHandler, pod: Pod, container: Container, container_id: ContainerId, address: str
    ) -> None:
        where = f'for Container "{container.name}" in Pod "{pod_text(pod)}" failed - error:'
        if handler.exec is not None:
            await self._execute(handler.exec.command, container_id, where)
        elif handler.http_get is not None:
            try:
                await self._get(make_request(handler.http_get, container, address, "lifecycle"), container.name)
            except PodError as error:
                raise HookError(f"HTTP lifecycle hook ({handler.http_get.path}) {where} {error}") from error
        elif handler.sleep is not None:
            await asyncio.sleep(handler.sleep.seconds)
        else:
            # What the API takes and no kubelet runs: tcpSocket.
            raise HookError("Cannot run handler: invalid handler: tcpSocket")

    async def _execute(self, command: list[str], container_id: ContainerId, where: str) -> None:
        title = f"Exec lifecycle hook ([{' '.join(command)}]) {where}"
        try:
            result = await self._prober.runtime.exec_sync(container_id, tuple(command), limit=OUTPUT_MAX)
        except PyrtError as error:
            raise HookError(f'{title} {error}, message: ""') from error
        if result.exit_code:
            errors = result.stderr.decode(errors="replace")
            why = f"command '{' '.join(command)}' exited with {result.exit_code}: {errors}"
            output = (result.stdout + result.stderr)[:OUTPUT_MAX].decode(errors="replace")
            raise HookError(f'{title} {why}, message: "{output}"')

    async def _get(self, request: Request, container: str) -> None:
        """Any answer will do. A server that speaks plain HTTP where HTTPS was asked for is asked again."""
        report, plain = await self._ask(request)
        if plain:
            headers = tuple(header for header in request.headers if header[0] != "Authorization")
            second, _ = await self._ask(replace(request, scheme="http", headers=headers))
            if second.outcome is Outcome.SUCCESS:
                address = join(request.host, request.port)
                text = f"request to HTTPS lifecycle hook {address} got HTTP response, retry with HTTP succeeded"
                self._warn("LifecycleHTTPFallback", text, "")
                return
        if report.outcome is not Outcome.SUCCESS:
            raise HookError(report.text)

    async def _ask(self, request: Request) -> tuple[Report, bool]:
        from pyrt.pods.probes.http import HttpAttempt  # loaded when it is needed, see pyrt.pods.probes.checks

        future: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        attempt = HttpAttempt(self._prober.poller, request, future.set_result, _any_answer)
        attempt.begin()
        try:
            return await future, attempt.plain_server
        finally:
            attempt.cancel()


def _any_answer(_answer: object) -> Report:
    return Report(Outcome.SUCCESS)
