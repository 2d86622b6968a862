"""Restarting all containers of a pod in place: the action RestartAllContainers of a restart rule (KEP-5532).

A container whose end matches such a rule is the *source* of a reset: every init and app container made before its end
is killed without grace and starts again from the first init container, in the same sandbox. What the kubelet does by
purging the old instances from the runtime is a comparison of times here: an instance made before the reset does not
count as having run. So nothing has to be remembered, the dead instances keep their logs, and a daemon that dies in
between goes on where it was. Unlike the kubelet, the source itself waits for its back-off: a pod that resets itself
again and again must not do so at full speed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pyrt.kube.pod import Pod, PodSpec
from pyrt.pods.model import ObservedContainer
from pyrt.pods.restart import matching_rule
from pyrt.runtime.status import ContainerState

ACTION: Final = "RestartAllContainers"
WAITING: Final = "RestartingAllContainers"
"""Reason of a container that waits for its turn after a reset, and of the end that the reset brought to it."""
WAITING_MESSAGE: Final = "The container is removed because RestartAllContainers in place"


@dataclass(frozen=True, slots=True)
class Reset:
    """The last reset of a pod; :data:`NONE` if there was none."""

    at: int = 0
    """When its source ended (Unix nanoseconds)."""
    source: str = ""
    """The id of the instance that caused it."""

    def ended(self, container: ObservedContainer) -> bool:
        """Whether this instance belongs to the time before, and does not count any more."""
        return container.created_at < self.at or container.id == self.source

    def excused(self, container: ObservedContainer) -> bool:
        """Whether it starts again because of another: without a back-off."""
        return self.ended(container) and container.id != self.source

    def victim(self, container: ObservedContainer) -> bool:
        """Whether it was this reset that ended the instance."""
        return self.excused(container) and container.finished_at >= self.at


NONE: Final = Reset()


def could_reset(spec: PodSpec) -> bool:
    """Whether any container has a rule with the action."""
    return any(
        rule.action == ACTION
        for container in (*spec.init_containers, *spec.containers)
        if container.restart_policy_rules
        for rule in container.restart_policy_rules
    )


def find_reset(pod: Pod, containers: Iterable[ObservedContainer]) -> Reset:
    """Look for the last source among the instances of a pod."""
    if not could_reset(pod.spec):
        return NONE
    specs = {c.name: c for c in (*pod.spec.init_containers, *pod.spec.containers)}
    last = NONE
    for container in sorted(containers, key=lambda c: (c.finished_at, c.id)):
        spec = specs.get(container.name)
        if spec is None or container.state is not ContainerState.EXITED or container.created_at < last.at:
            continue  # one that was killed by the reset before may have a rule for that: it is no source
        rule = matching_rule(spec, container.exit_code)
        if rule is not None and rule.action == ACTION:
            last = Reset(container.finished_at, container.id)
    return last


def to_keep(reset: Reset, containers: Iterable[ObservedContainer]) -> str:
    """The id of the source as long as other instances of its time are there: it is what tells them from new ones."""
    others = (c for c in containers if c.id != reset.source)
    return reset.source if reset is not NONE and any(reset.ended(c) for c in others) else ""
