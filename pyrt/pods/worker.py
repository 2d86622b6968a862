"""One pod's worker: observes, asks :func:`pyrt.pods.reconcile.reconcile` what to do, has it done, and writes the
status.

Small on purpose: everything that is decided is decided in the pure function. A worker sleeps until its pod changes, the
runtime reports something about one of its containers, or the time that the decision named has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from typing import Final

from pyrt.errors import PyrtError
from pyrt.ids import SandboxId
from pyrt.kube.pod import Pod
from pyrt.pods.actions import Actions, StepFailed
from pyrt.pods.attendance import Attendance, needs_attendance
from pyrt.pods.lifetime import REFUSED
from pyrt.pods.model import (
    SECOND,
    BackOffNotice,
    Decision,
    Observed,
    RemoveContainer,
    RemovePod,
    StopContainer,
    StopSandbox,
)
from pyrt.pods.reconcile import reconcile
from pyrt.pods.resizing import settle
from pyrt.pods.state import PodState, Tools
from pyrt.pods.status import Node, compute_status

log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 10
"""After a fault in pyrt itself."""


class PodWorker:
    """Keeps one pod as its spec says."""

    def __init__(self, pod: Pod, tools: Tools) -> None:
        self._state = PodState(pod, tools)
        if needs_attendance(pod):
            self._state.attendance = Attendance(tools.prober, self._state.warn, self.wake)
        self._actions = Actions(self._state, self.wake)
        self._tools = tools
        self._node = Node(tools.facts.name, tools.facts.addresses)
        self._noticed: dict[str, str] = {}
        self._pending = False
        self._waiter: asyncio.Future[None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._finished = False

    # --- from outside -------------------------------------------------------------------------------------------------

    @property
    def pod(self) -> Pod:
        """The present object."""
        return self._state.pod

    @pod.setter
    def pod(self, pod: Pod) -> None:
        self._state.pod = pod
        self._state.volumes.stale = bool(pod.spec.volumes)  # labels are in files of a downwardAPI volume

    def reconsider(self) -> None:
        """Something that the pod refers to has appeared or changed."""
        self._state.reconsider()
        self.wake()

    @property
    def state(self) -> PodState:
        """What is known of the pod."""
        return self._state

    @property
    def sandboxes(self) -> tuple[SandboxId, ...]:
        """Every sandbox of this pod that the runtime may still know."""
        return tuple(self._state.sandboxes)

    def adopt(self, sandbox_id: SandboxId) -> None:
        """A sandbox that an earlier daemon made for this pod."""
        self._state.adopt(sandbox_id)

    def start(self) -> None:
        """Begin to work."""
        self._main = asyncio.create_task(
            self._run(), name=f"pod {self.pod.metadata.namespace}/{self.pod.metadata.name}"
        )

    def wake(self) -> None:
        """Something happened: look again."""
        self._pending = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def retry_volumes(self) -> None:
        """What the pod's volumes wait for may be there now."""
        failure = self._state.volumes_failure
        if failure is not None and failure.at:
            self._state.volumes_failure = dataclasses.replace(failure, at=0)
            self.wake()

    async def close(self) -> None:
        """Stop working; the pod runs on."""
        self._finished = True
        main = self._main
        if main is not None and main is not asyncio.current_task():
            main.cancel()
            await asyncio.gather(main, return_exceptions=True)
        if self._state.attendance is not None:
            self._state.attendance.close()
        await self._actions.close()

    # --- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._finished:
            self._pending = False
            try:
                wake_at = await self._round()
            except PyrtError as error:
                # What no action answers for: a full disk, most likely. It may be better later.
                log.error("pod %s/%s: %s", self.pod.metadata.namespace, self.pod.metadata.name, error)
                wake_at = time.time_ns() + _RETRY_SECONDS * SECOND
            except Exception:
                # A fault in pyrt must not leave the pod without a worker; it is logged with its trace and tried again.
                log.exception("pod %s/%s: internal error", self.pod.metadata.namespace, self.pod.metadata.name)
                wake_at = time.time_ns() + _RETRY_SECONDS * SECOND
            if not self._pending and not self._finished:
                await self._sleep(wake_at)

    async def _round(self) -> int | None:
        """Act until there is nothing to do now; answers when to look again."""
        while True:
            observed = self._state.observe()
            decision = reconcile(self._state.view, observed, time.time_ns())
            self._notice(decision.notices)
            if not decision.actions:
                self._publish(observed)
                return decision.wake_at
            if any(isinstance(action, RemovePod) for action in decision.actions):
                await self._wind_up(decision)
                return None
            if any(isinstance(action, StopContainer | StopSandbox | RemoveContainer) for action in decision.actions):
                # Taking things down takes its time; that a container has ended is news now. And the status remembers
                # what the runtime is about to forget.
                self._publish(observed)
            with contextlib.suppress(StepFailed):
                for action in decision.actions:
                    await self._actions.perform(action, observed)

    async def _sleep(self, wake_at: int | None) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if wake_at is None:
                await self._waiter
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(wake_at - time.time_ns(), 0) / SECOND):
                        await self._waiter
        finally:
            self._waiter = None

    def _publish(self, observed: Observed) -> None:
        status = compute_status(self._state.view, observed, time.time_ns(), self._node)
        if status != self.pod.status:
            if status.reason and status.phase == "Failed" != self.pod.status.phase:
                # Refused, or past its deadline: the kubelet tells the first as a warning.
                say = self._state.tell if status.reason == "DeadlineExceeded" else self._state.warn
                say(status.reason, status.message.removeprefix(REFUSED))
            self._tools.keeper.write_status(self.pod, status)
        settle(self._state, observed)

    def _notice(self, notices: tuple[BackOffNotice, ...]) -> None:
        """One event for each back-off, not for each look at it."""
        current = {notice.container: notice.message for notice in notices}
        for notice in notices:
            if self._noticed.get(notice.container) != notice.message:
                say = self._state.tell if notice.reason == "ImagePullBackOff" else self._state.warn
                say("BackOff", notice.message, notice.container)
        self._noticed = current

    # --- the end --------------------------------------------------------------------------------------------------

    async def _wind_up(self, decision: Decision) -> None:
        """The last round of a deleted pod: when its sandboxes are down, the object goes, and the rest is cleared away
        behind it. Finalizers keep the object, and nothing of what it stood for.
        """
        for action in decision.actions:
            if isinstance(action, StopSandbox):
                await self._actions.stop_sandbox(action)
        if self.pod.metadata.finalizers:
            if self._state.volumes.ready:
                await self._state.volumes.release(self.pod)
            self._publish(self._state.observe())
            self._tools.keeper.hold(self.pod)
            return
        self._finished = True
        self._tools.keeper.finish(self.pod, self.sandboxes)
