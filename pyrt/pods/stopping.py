"""How containers are stopped: whose turn it is, hooks first, and what is left of the grace (kubelet: ``killContainer``,
``terminationOrdering``). Pure, a part of :mod:`pyrt.pods.reconcile`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.times import from_text
from pyrt.pods.model import SECOND, Action, HookState, Observed, ObservedContainer, RunPreStop, StopContainer
from pyrt.pods.restart import is_sidecar
from pyrt.runtime.status import ContainerState

DEFAULT_GRACE_SECONDS = 30
LEAST_GRACE_SECONDS = 2
"""A stop is never given less, unless it is forced with a grace of 0."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """Orders stops into ``actions``; ``wake`` asks for another look at a time."""

    pod: Pod
    observed: Observed
    now: int
    actions: list[Action]
    wake: Callable[[int], None]

    def everyone(self, reason: str) -> bool:
        """Stop what has its turn of a pod that ends. Answers whether anything is still alive.

        Sidecars serve the others until these have ended, then leave in reverse order; nobody waits for ephemeral
        containers. Hooks are not held back. When the grace is over nobody is waited for, and force waits for no one.
        """
        live = [c for c in self.observed.containers if c.live]
        if not live:
            return False
        sidecars = [c.name for c in self.pod.spec.init_containers if is_sidecar(c)]
        guests = {c.name for c in self.pod.spec.ephemeral_containers}
        ordinary = [c for c in live if c.name not in sidecars and c.name not in guests]
        serving = sorted((c for c in live if c.name in sidecars), key=lambda c: sidecars.index(c.name))
        whole = self._whole()
        end = self._end(reason, whole)
        turn = live if self.now >= end else [*(ordinary or serving[-1:]), *(c for c in live if c.name in guests)]
        for container in live:
            message = f"Stopping container {container.name}"
            if whole == 0:
                self.force(container, reason, message)
            elif container in turn:
                self._stop(container, whole, end, reason, message)
            elif not container.stop_deadline:
                self._hooked(container, end, reason, message)
        if self.now < end:
            self.wake(end)
        return True

    def one(self, container: ObservedContainer, reason: str, message: str, spec: Container | None = None) -> None:
        """Stop one container of a pod that lives on. ``spec`` is given when a failed probe is the reason: that may have
        a grace of its own, which need not be the shorter one.
        """
        whole = self._whole()
        if spec is not None:
            probe = spec.liveness_probe if container.unhealthy == "liveness" else spec.startup_probe
            own = probe.termination_grace_period_seconds if probe is not None else None
            whole = whole if own is None else own
        whole = max(whole, LEAST_GRACE_SECONDS)
        self._stop(container, whole, (container.stop_began or self.now) + whole * SECOND, reason, message)

    def force(self, container: ObservedContainer, reason: str, message: str) -> None:
        """Kill a container."""
        self._order(container, 0, reason, message)

    def _whole(self) -> int:
        """The whole grace in seconds; 0 is force."""
        meta, spec, eviction = self.pod.metadata, self.pod.spec, self.observed.eviction
        default = spec.termination_grace_period_seconds
        whole = DEFAULT_GRACE_SECONDS if default is None else default
        if eviction is not None:
            whole = min(whole, eviction.grace_seconds)
        if meta.deletion_timestamp is None:
            return max(whole, LEAST_GRACE_SECONDS)
        if meta.deletion_grace_period_seconds is not None:
            whole = meta.deletion_grace_period_seconds
        return max(whole, 0)

    def _end(self, reason: str, whole: int) -> int:
        """When the grace of the whole pod is over: counted from the request of a deletion, else from the first stop for
        the same reason.
        """
        if self.pod.metadata.deletion_timestamp is not None:
            # The timestamp has whole seconds and may be up to one second early.
            return from_text(self.pod.metadata.deletion_timestamp) + SECOND
        began = (c.stop_began for c in self.observed.containers if c.stop_began and c.stop_reason == reason)
        return min(began, default=self.now) + whole * SECOND

    def _stop(self, container: ObservedContainer, whole: int, end: int, reason: str, message: str) -> None:
        """Stop a container whose grace is over at ``end``: its preStop hook first, then the signal."""
        if not container.stop_deadline and self._hooked(container, end, reason, message):
            return
        left = min(whole, math.ceil((end - self.now) / SECOND))
        self._order(container, max(left, LEAST_GRACE_SECONDS), reason, message)

    def _order(self, container: ObservedContainer, grace: int, reason: str, message: str) -> None:
        """Begin a stop, or shorten the one under way; one second of slack keeps rounding from repeating it."""
        if container.stop_deadline and container.stop_deadline <= self.now + (grace + 1) * SECOND:
            return
        action = StopContainer(container.id, container.name, grace, reason, message)
        if action not in self.actions:
            self.actions.append(action)

    def _hooked(self, container: ObservedContainer, end: int, reason: str, message: str) -> bool:
        """Whether the stop has to wait for the container's preStop hook, which is begun if that is not done yet."""
        if container.state is not ContainerState.RUNNING:
            return False
        hook = container.pre_stop
        if hook is None:
            everyone = (*self.pod.spec.init_containers, *self.pod.spec.containers)
            lifecycle = next((c.lifecycle for c in everyone if c.name == container.name), None)
            if lifecycle is None or lifecycle.pre_stop is None or self.now >= end:
                return False
            action = RunPreStop(container.id, container.name, reason, message)
            if action not in self.actions:
                self.actions.append(action)
            return True
        if hook.state is not HookState.RUNNING or self.now >= end:
            return False
        self.wake(end)
        return True
