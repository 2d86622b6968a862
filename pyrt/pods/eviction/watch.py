"""The watch: look at the node and its pods every ten seconds, reclaim, evict; one pod a round.

Pods without limits of local storage cost nothing while nothing is short: then a round is six small files.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pyrt.config.eviction import Eviction as Settings
from pyrt.errors import PyrtError
from pyrt.kube.pod import Pod
from pyrt.pods.admission import Resident
from pyrt.pods.allocation import is_critical
from pyrt.pods.events import WARNING
from pyrt.pods.eviction import local, measure, messages
from pyrt.pods.eviction.decide import HARD_GRACE_SECONDS, Memory, Shortfall, choose, look, refuse, resolved
from pyrt.pods.eviction.thresholds import Observation, Signal
from pyrt.pods.eviction.usage import PodUsage, Space
from pyrt.pods.lifetime import TERMINAL
from pyrt.pods.model import Eviction, Rejection
from pyrt.pods.node_conditions import NodeConditions
from pyrt.runtime.status import ContainerState

log = logging.getLogger(__name__)

CLEANUP_SECONDS: Final = 30
"""How long the end of an evicted pod is waited for before the next look (kubelet, ``podCleanupTimeout``)."""
_SHARE: Final = 20
"""Counting files takes at most one part in so many of the time."""
_IMAGES: Final = (Signal.IMAGEFS, Signal.IMAGEFS_INODES)
_DISK: Final = (Signal.NODEFS, Signal.NODEFS_INODES, *_IMAGES)


class EvictionWatch:
    """See the module. ``reclaim`` removes images that nothing uses; ``read`` reads the signals."""

    def __init__(
        self,
        settings: Settings,
        root: Path,
        conditions: NodeConditions,
        residents: Callable[[], Iterable[Resident]],
        reclaim: Callable[[int], Awaitable[int]],
        read: Callable[[Path, Path], Mapping[Signal, Observation]] = measure.signals,
    ) -> None:
        self._settings = settings
        self._nodefs, self._imagefs = root / "pods", root / "layers"
        self._conditions = conditions
        self._residents = residents
        self._reclaim = reclaim
        self._read = read
        self._memory = Memory()
        self._pressures: tuple[str, ...] = ()
        self._rest_until = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, if that is wanted."""
        if self._settings.enabled:
            self._task = asyncio.create_task(self._run(), name="eviction")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def refuse(self, pod: Pod) -> Rejection | None:
        """Why the node does not take a new pod now."""
        return refuse(pod, self._pressures)

    # --- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            evicted: list[Resident] = []
            try:
                evicted = await self.round()
            except (PyrtError, OSError) as error:
                log.error("eviction: %s", error)
            except Exception:
                log.exception("eviction: internal error")
            if evicted:
                await self._ended(evicted)
            else:
                await asyncio.sleep(self._settings.interval_seconds)

    async def round(self) -> list[Resident]:
        """One look, and what follows from it; who was evicted."""
        seen = self._read(self._nodefs, self._imagefs)
        outcome = look(self._settings, self._memory, seen, time.time_ns())
        self._memory, self._pressures = outcome.memory, outcome.conditions
        self._conditions.set(outcome.conditions)
        beyond = await self._beyond_limits()
        if beyond or outcome.shortfall is None:
            return beyond
        return await self._relieve(outcome.shortfall, seen)

    def _candidates(self) -> list[Resident]:
        return [
            resident
            for resident in self._residents()
            if resident.state.eviction is None
            and resident.state.rejection is None
            and resident.state.pod.status.phase not in TERMINAL
            and resident.state.pod.metadata.deletion_timestamp is None
        ]

    async def _ended(self, evicted: list[Resident]) -> None:
        changed = asyncio.Event()
        unsubscribe = evicted[0].state.tools.runtime.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(CLEANUP_SECONDS):
                while any(map(_runs, evicted)):
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            log.warning("eviction: not all of the pods have ended after %d seconds", CLEANUP_SECONDS)
        finally:
            unsubscribe()

    # --- limits of pods -------------------------------------------------------------------------------------------

    async def _beyond_limits(self) -> list[Resident]:
        """Evict every pod that holds more on disk than it may."""
        limited = [r for r in self._candidates() if local.is_limited(r.state.pod)]
        begun = time.monotonic()
        if not limited or begun < self._rest_until:
            return []
        own_imagefs = self._own_imagefs()
        evicted = []
        for resident in limited:
            used = measure.pod_usage(resident.state, await measure.disk_of(resident.state))
            text = local.exceeded(used, own_imagefs=own_imagefs)
            if text is not None and not is_critical(resident.state.pod):
                self._evict(resident, Eviction(text, HARD_GRACE_SECONDS))
                evicted.append(resident)
        self._rest_until = begun + (time.monotonic() - begun) * _SHARE
        return evicted

    # --- pressure -------------------------------------------------------------------------------------------------

    async def _relieve(self, shortfall: Shortfall, seen: Mapping[Signal, Observation]) -> list[Resident]:
        self._conditions.tell(WARNING, messages.ATTEMPT_REASON, messages.attempt(shortfall.resource))
        signal, own_imagefs = shortfall.threshold.signal, self._own_imagefs()
        disk = signal in _DISK
        if signal in _IMAGES or (disk and not own_imagefs):
            await self._remove_dead()
            await self._reclaim(time.time_ns())
            if resolved(self._settings, self._read(self._nodefs, self._imagefs)):
                return []
        candidates = self._candidates()
        usages: list[PodUsage] = []
        for resident in candidates:
            held: dict[str, Space] = await measure.disk_of(resident.state) if disk else {}
            usages.append(measure.pod_usage(resident.state, held))
        chosen = choose(self._settings, shortfall, seen, usages, own_imagefs=own_imagefs)
        if chosen is None:
            log.warning("eviction: the node is low on %s, and there is no pod to evict", shortfall.resource)
            return []
        victim, eviction = chosen
        for resident, used in zip(candidates, usages, strict=True):
            if used is victim and resident.state.pod.metadata.deletion_timestamp is None:
                self._evict(resident, eviction)
                return [resident]
        return []

    async def _remove_dead(self) -> None:
        """Instances that ended, with their layers: of pods that are over all, of others those that have successors."""
        for resident in self._residents():
            state = resident.state
            runtime, newest = state.tools.runtime, dict[str, int]()
            found = [status for sandbox_id in state.sandboxes for status in runtime.list_containers(sandbox_id)]
            if state.pod.status.phase not in TERMINAL:
                for status in found:
                    newest[status.config.name] = max(newest.get(status.config.name, 0), status.config.attempt)
            for status in found:
                kept = newest.get(status.config.name) == status.config.attempt
                if status.state is ContainerState.EXITED and not kept:
                    await runtime.remove_container(status.id)
                    state.forget(status.id)

    def _own_imagefs(self) -> bool:
        return not measure.same_device(self._nodefs, self._imagefs)

    def _evict(self, resident: Resident, eviction: Eviction) -> None:
        meta = resident.state.pod.metadata
        log.warning("eviction: pod %s/%s: %s", meta.namespace, meta.name, eviction.message)
        resident.state.eviction = eviction
        resident.wake()


def _runs(resident: Resident) -> bool:
    state = resident.state
    return any(
        status.state is ContainerState.RUNNING
        for sandbox_id in state.sandboxes
        for status in state.tools.runtime.list_containers(sandbox_id)
    )
