"""What probes and hooks make of a container that runs: added to what is observed, for the pods that have any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStatus
from pyrt.pods.hooks import Hooks
from pyrt.pods.model import Hook, HookState, ObservedContainer
from pyrt.pods.probes import PodProbes, Prober, has_probes
from pyrt.pods.status import RUNTIME_SCHEME
from pyrt.runtime.status import ContainerState

_DONE = Hook(HookState.DONE, 0)


class Attendance:
    """The probes and hooks of one pod."""

    def __init__(self, prober: Prober, warn: Callable[[str, str, str], None], wake: Callable[[], None]) -> None:
        self._prober = prober
        self.probes = PodProbes(prober, warn, wake)
        self.hooks = Hooks(prober, warn)

    def attend(
        self,
        pod: Pod,
        containers: Sequence[ObservedContainer],
        address: str,
        find: Callable[[str], Container | EphemeralContainer | None],
    ) -> list[ObservedContainer]:
        """Go on probing what runs, and tell what is held of it. ``address`` is the pod's."""
        found = []
        running = set()
        for container in containers:
            spec = find(container.name)
            if container.state is not ContainerState.RUNNING:
                self.hooks.end(container.id)
                if (hook := self.hooks.post_start(container.id)) is not None:
                    container = replace(container, post_start=hook)
            elif isinstance(spec, Container):
                running.add(container.id)
                container = self._running(pod, spec, container, address)
            found.append(container)
        self.probes.retain(running)
        return found

    def _running(self, pod: Pod, spec: Container, container: ObservedContainer, address: str) -> ObservedContainer:
        known = _known(pod, container)
        post_start, pre_stop = self.hooks.post_start(container.id), self.hooks.pre_stop(container.id)
        if post_start is None and known is not None and known.state.running is not None:
            post_start = _DONE  # an earlier daemon has seen its end: a container is not shown as running before
        hooked = spec.lifecycle is not None and spec.lifecycle.post_start is not None
        if hooked and (post_start is None or post_start.state is not HookState.DONE):
            return replace(container, post_start=post_start, pre_stop=pre_stop, started=False, ready=False)
        standing = self.probes.follow(
            spec,
            container.id,
            started_at=container.started_at,
            address=address,
            ending=pod.metadata.deletion_timestamp is not None or bool(container.stop_reason),
            known=known,
        )
        return replace(
            container,
            post_start=post_start,
            pre_stop=pre_stop,
            started=standing.started,
            ready=standing.ready,
            unhealthy=standing.failed.value.lower() if standing.failed is not None else "",
        )

    def close(self) -> None:
        """Ask no more; hooks that are under way are their tasks' owner's."""
        self.probes.close()


def _known(pod: Pod, container: ObservedContainer) -> ContainerStatus | None:
    """What the last status says of this very instance."""
    wanted = RUNTIME_SCHEME + container.id
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    return next((status for status in statuses if status.container_id == wanted), None)


def needs_attendance(pod: Pod) -> bool:
    """Whether any container has a probe or a hook."""
    return has_probes(pod) or any(
        c.lifecycle is not None and (c.lifecycle.post_start is not None or c.lifecycle.pre_stop is not None)
        for c in (*pod.spec.init_containers, *pod.spec.containers)
    )
