"""Whether a container that ended is started again, and what its instances were."""

from __future__ import annotations

from collections.abc import Iterable

from pyrt.kube.container import Container, ContainerRestartRule, EphemeralContainer
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import ContainerStatus
from pyrt.pods.model import Observed, ObservedContainer, ObservedSandbox

LOST_EXIT_CODE = 137
"""What a container is taken to have ended with whose end nobody saw."""


def is_sidecar(container: Container | EphemeralContainer) -> bool:
    """An init container that keeps running beside the others."""
    return container.restart_policy == "Always"


def matching_rule(container: Container, exit_code: int) -> ContainerRestartRule | None:
    """The first of the container's restart rules that is about this exit code."""
    for rule in container.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (exit_code in codes.values) == (codes.operator == "In"):
            return rule
    return None


def should_restart(container: Container, spec: PodSpec, exit_code: int) -> bool:
    """By the container's rules if one matches (every action of a rule restarts it), else by its own policy, else by the
    pod's.
    """
    policy = container.restart_policy
    if policy is None:
        policy = spec.restart_policy or "Always"
    elif container.restart_policy_rules and matching_rule(container, exit_code) is not None:
        return True
    if policy == "Always":
        return True
    return policy == "OnFailure" and exit_code != 0


UNHEALTHY = "Unhealthy"
"""The stop reason of a container whose liveness or startup probe has failed."""
POST_START_FAILED = "FailedPostStartHook"
"""The stop reason of a container whose postStart hook has failed; also the text of its Killing event."""


def restarts(container: Container, spec: PodSpec, last: ObservedContainer) -> bool:
    """Whether an instance that has ended is followed by another. After a failed probe its exit code says nothing: only
    Never keeps it down (kubelet, ``computePodActions``).
    """
    if last.stop_reason == UNHEALTHY and (container.restart_policy or spec.restart_policy) != "Never":
        return True
    return should_restart(container, spec, last.exit_code)


def remembered(pod: Pod, name: str) -> ContainerStatus | None:
    """The status of a container before this one, if it tells of an instance."""
    status = pod.status
    for known in (*status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses):
        if known.name == name:
            return known if known.container_id or known.restart_count or known.last_state.terminated else None
    return None


def ran_for_good(pod: Pod, container: Container) -> bool:
    """Whether a container that the runtime knows nothing of has run, by the last status, and must not run again."""
    known = remembered(pod, container.name)
    if known is None:
        return False
    end = known.state.terminated or known.last_state.terminated
    return not should_restart(container, pod.spec, LOST_EXIT_CODE if end is None else end.exit_code)


def latest_by_name(containers: Iterable[ObservedContainer]) -> dict[str, ObservedContainer]:
    """The newest instance of each container."""
    latest: dict[str, ObservedContainer] = {}
    for container in containers:
        known = latest.get(container.name)
        if known is None or container.attempt > known.attempt:
            latest[container.name] = container
    return latest


def newest_sandbox(observed: Observed) -> ObservedSandbox | None:
    """The sandbox of the highest attempt, dead or alive."""
    return max(observed.sandboxes, key=lambda sandbox: sandbox.attempt, default=None)


def usable_sandbox(observed: Observed) -> ObservedSandbox | None:
    """The newest sandbox, if it is ready and the only one that is."""
    newest = newest_sandbox(observed)
    if newest is None or not newest.ready or sum(s.ready for s in observed.sandboxes) > 1:
        return None
    return newest
