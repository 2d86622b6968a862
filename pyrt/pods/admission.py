"""Who is taken in, and who gets more: the node's answer to new pods and to resizes.

What pods were given counts, not what they ask for meanwhile. A resize that does not fit waits, and is looked at again
when a pod goes or has ended, and every three minutes (kubelet, ``pkg/kubelet/allocation/allocation_manager.go``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import msgspec

from pyrt.kube.pod import Pod
from pyrt.pods import resize
from pyrt.pods.allocation import (
    DEFERRED,
    Allocatable,
    Allocation,
    Demand,
    allocation_of,
    demand_of,
    grows,
    postponement,
    refusal,
    same_resources,
    shortage,
    total,
    turn,
)
from pyrt.pods.lifetime import TERMINAL
from pyrt.pods.model import Rejection
from pyrt.pods.state import PodState
from pyrt.store import Store, StoreError

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 180
NOTHING: Final = Demand()
_decoder: Final = msgspec.json.Decoder(Allocation)


class Resident(Protocol):
    """A pod's worker, as far as room is concerned."""

    @property
    def state(self) -> PodState:
        """What is known of the pod."""

    def wake(self) -> None:
        """Have it look again."""


class Admission:
    """Room for pods. One event loop."""

    def __init__(self, store: Store, allocatable: Allocatable, residents: Callable[[], Iterable[Resident]]) -> None:
        self.allocatable = allocatable
        self.pressure: Callable[[Pod], Rejection | None] = lambda _: None
        """Asked before anything else: whether the node is too short of something to take a pod."""
        self._table = store.table("pod-allocations")
        self._residents = residents
        self._waiting: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    # --- new pods -------------------------------------------------------------------------------------------------

    def admit(self, state: PodState) -> Rejection | None:
        """Why the node does not take a new pod; ``None`` if it does, or while gates keep the pod from it."""
        if state.pod.spec.scheduling_gates:
            return None
        if (found := self.pressure(state.pod)) is not None:
            return found
        demand = state.demand
        if demand == NOTHING and len(list(self._residents())) <= self.allocatable.pods:
            return None  # most pods: not worth a look at each of the others
        others = self._others(state)
        used = total(other.state.demand for other in others)
        short = shortage(demand, used, len(others), self.allocatable)
        return None if short is None else refusal(short)

    def _others(self, state: PodState) -> list[Resident]:
        """Those that count: neither over nor refused nor waiting at a gate."""
        return [
            resident
            for resident in self._residents()
            if resident.state is not state
            and resident.state.rejection is None
            and resident.state.pod.status.phase not in TERMINAL
            and not resident.state.pod.spec.scheduling_gates
        ]

    # --- resizes --------------------------------------------------------------------------------------------------

    def restore(self, residents: Mapping[str, Resident]) -> None:
        """Take up, by the pods' uids, what an earlier daemon has given; what it had not looked at is looked at now."""
        for uid, value in self._table.items():
            if uid in residents:
                residents[uid].state.allocation = _decoder.decode(value)
            else:
                self._table.delete(uid)
        for resident in residents.values():
            state = resident.state
            if state.pod.status.start_time is None and state.pod.status.phase not in TERMINAL:
                state.rejection = self.admit(state)
            self.consider(resident)

    def keep(self, uid: str, allocation: Allocation) -> None:
        """Write down what a pod was given."""
        self._table.put(uid, msgspec.json.encode(allocation))

    def forget(self, state: PodState) -> None:
        """The pod is gone: what it had may do for others."""
        if state.allocation is not None:
            self._table.delete(state.pod.metadata.uid)
        self._waiting.discard(state.pod.metadata.uid)
        self.reconsider()

    def before_resize(self, state: PodState) -> None:
        """Another spec is about to be stored: remember what the pod has."""
        if state.allocation is None:
            allocation = allocation_of(state.pod, done=True)
            self.keep(state.pod.metadata.uid, allocation)
            state.allocation = allocation

    def consider(self, resident: Resident) -> None:
        """Give a pod what its spec asks for, if there is room; else say why not."""
        state = resident.state
        if state.allocation is None:
            return
        pod, uid = state.pod, state.pod.metadata.uid
        found = None
        if not same_resources(pod.spec, state.view.spec):
            wanted = demand_of(pod.spec)
            if grows(state.demand, wanted):
                others = self._others(state)
                used = total(other.state.demand for other in others)
                short = shortage(wanted, used, 0, self.allocatable)
                found = None if short is None else postponement(short)
            if found is None:
                self._give(state)
        self._put_off(state, found)
        if found is not None and found.reason == DEFERRED:
            self._waiting.add(uid)
            self._set_timer()
        else:
            self._waiting.discard(uid)
        resident.wake()

    def _give(self, state: PodState) -> None:
        allocation = allocation_of(state.pod, done=False)
        self.keep(state.pod.metadata.uid, allocation)
        state.allocation, state.resize_failure = allocation, None
        state.tell("ResizeStarted", resize.summary("started", state.pod, allocation.generation))

    def _put_off(self, state: PodState, found: Rejection | None) -> None:
        generation, before = state.pod.metadata.generation, state.resize_pending
        news = found is not None and (before is None or before != (generation, found))
        state.resize_pending = (generation, found) if found is not None else None
        if found is not None and news:
            text = resize.summary(found.reason, state.pod, generation, found.message)
            state.warn(f"Resize{found.reason}", text)

    def reconsider(self) -> None:
        """There may be more room than before."""
        if not self._waiting:
            return
        waiting = [r for r in self._residents() if r.state.pod.metadata.uid in self._waiting]
        waiting.sort(key=_turn)
        for resident in waiting:
            try:
                self.consider(resident)
            except StoreError as error:
                log.error("a resize is not written yet: %s", error)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, self.reconsider)


def _turn(resident: Resident) -> tuple[bool, int, bool, str]:
    state = resident.state
    conditions = (c for c in state.pod.status.conditions if c.type == resize.PENDING)
    since = next((c.last_transition_time or "" for c in conditions), "")
    return turn(state.pod, growing=grows(state.demand, demand_of(state.pod.spec)), since=since)
