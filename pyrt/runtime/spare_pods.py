"""Pod processes that wait for a pod: started, and in network, IPC and UTS namespaces of their own.

Starting one and making namespaces is a third of what a sandbox takes, and is the same for every pod that shares none of
these with the host. So the next one is made while the last one's container comes up. A spare has nothing of any pod (no
cgroup, no mount namespace, no link, no address, no name), is used for one pod, and is never taken back.

A spare is no sandbox yet: it ends with its connection, so a daemon that is killed leaves none. On cgroup v2 a pod
process is born in its pod's cgroup, since moving there later waits for the whole machine; there are no spares then.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from pyrt._native import remove_tree
from pyrt.cgroups.detect import CgroupMode
from pyrt.ids import SandboxId, new_sandbox_id
from pyrt.launch.sandbox import compile_spare
from pyrt.runtime.config import NamespaceMode, SandboxConfig
from pyrt.runtime.encodedplan import EncodedPlan
from pyrt.runtime.paths import RuntimePaths
from pyrt.runtime.poderrors import PodProcessError
from pyrt.runtime.podprocess import PodProcess
from pyrt.runtime.sandbox_plan import DEFAULT_NET_SYSCTLS, OOM_SCORE_ADJ
from pyrt.runtime.trash import Trash

log = logging.getLogger(__name__)

SPARES = 2
"""Kept waiting: one for the pod that comes next, one while it is being replaced."""
_FIRST_SECONDS = 0.2
"""After the daemon's start."""


class SparePod(NamedTuple):
    """A pod process and the id of the sandbox that it is going to be."""

    id: SandboxId
    process: PodProcess


class SparePods:
    """One event loop. Nothing is made before :meth:`prepare`."""

    def __init__(self, paths: RuntimePaths, trash: Trash, mode: CgroupMode, host_netns: int) -> None:
        self._paths = paths
        self._trash = trash
        self._wanted = 0 if mode is CgroupMode.V2 else SPARES
        self._host_netns = host_netns
        self._plan = compile_spare(DEFAULT_NET_SYSCTLS, OOM_SCORE_ADJ)
        self._ready: deque[SparePod] = deque()
        self._making: dict[SandboxId, PodProcess] = {}
        self._timer: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Begin, when the daemon has had time for what it finds. What an earlier one had ends, and is cleared away."""
        os.makedirs(self._paths.spare_pods, 0o700, exist_ok=True)
        for name in os.listdir(self._paths.spare_pods):
            self._trash.remove(self._paths.spare_pod(name))
        if self._wanted:
            self._timer = asyncio.get_running_loop().call_later(_FIRST_SECONDS, self.fill)

    def close(self) -> None:
        """End all of them."""
        self._wanted = 0
        if self._timer is not None:
            self._timer.cancel()
        for sandbox_id, process in [*self._making.items(), *self._ready]:
            self._drop(sandbox_id, process)
        self._ready.clear()
        self._making.clear()

    def take(self, config: SandboxConfig) -> SparePod | None:
        """One for such a sandbox; ``None`` if there is none, or it would not fit."""
        if NamespaceMode.NODE in (config.network, config.ipc) or config.user_namespace is not None:
            return None
        while self._ready:
            spare = self._ready.popleft()
            if spare.process.alive:
                spare.process.on_closed = None
                return spare
        return None

    def fill(self) -> None:
        """Make what is missing. Takes a millisecond for each: to be called when there is only waiting to do."""
        while len(self._ready) + len(self._making) < self._wanted:
            try:
                self._make()
            except (OSError, PodProcessError) as error:
                # The pod that comes next meets the same, and tells.
                log.info("no spare pod process: %s", error)
                return

    def _make(self) -> None:
        sandbox_id = new_sandbox_id()
        run_dir = self._paths.spare_pod(sandbox_id)
        os.mkdir(run_dir, 0o700)
        try:
            process = PodProcess.spawn(Path(run_dir), None, host_netns=self._host_netns)
        except BaseException:
            os.rmdir(run_dir)
            raise
        self._making[sandbox_id] = process
        process.on_closed = lambda: self._died(sandbox_id, process)
        with ExitStack() as stack:
            answer = process.prepare(EncodedPlan.of(self._plan, stack))
        answer.add_done_callback(lambda done: self._made(sandbox_id, done))

    def _made(self, sandbox_id: SandboxId, answer: asyncio.Future[None]) -> None:
        process = self._making.pop(sandbox_id, None)
        if process is None or answer.cancelled():
            return
        error = answer.exception()
        if error is not None:
            log.warning("no spare pod processes from now on: %s", error)
            self._wanted = 0
            self._drop(sandbox_id, process)
            return
        self._ready.append(SparePod(sandbox_id, process))

    def _died(self, sandbox_id: SandboxId, process: PodProcess) -> None:
        log.warning("spare pod process %d has died", process.pid)
        self._making.pop(sandbox_id, None)
        self._ready = deque(spare for spare in self._ready if spare.id != sandbox_id)
        self._drop(sandbox_id, process)

    def _drop(self, sandbox_id: SandboxId, process: PodProcess) -> None:
        process.on_closed = None
        process.destroy()
        run_dir = self._paths.spare_pod(sandbox_id)
        try:
            remove_tree(run_dir)
        except OSError as error:
            log.warning("remove %s: %s", run_dir, error.strerror)
