"""From what a resized pod was given to what its cgroups must become, step by step; and how that is told.

After ``doPodResizeAction`` of the kubelet: memory first, then cpu. The pod's cgroup grows before its containers' and
shrinks after them, and among containers those that shrink go first, so that no sum is ever beyond its bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from pyrt.kube.base import ResourceList
from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import PodCondition, PodStatus
from pyrt.kube.resources import ResourceRequirements
from pyrt.pods.compute import container_resources, pod_resources
from pyrt.pods.model import Observed, ObservedContainer, ObservedSandbox, ResizeStep
from pyrt.pods.restart import is_sidecar, latest_by_name, usable_sandbox
from pyrt.runtime.config import Resources
from pyrt.runtime.status import ContainerState

PENDING: Final = "PodResizePending"
IN_PROGRESS: Final = "PodResizeInProgress"
CONDITIONS: Final = (PENDING, IN_PROGRESS)
RESTART_MESSAGE: Final = "Container {} resize requires restart"
_BOTH: Final = ("cpu", "memory")
_UNLIMITED: Final = 1 << 63


def resizable(pod: Pod) -> list[Container]:
    """The containers whose resources may change while they run."""
    return [*(c for c in pod.spec.init_containers if is_sidecar(c)), *pod.spec.containers]


def needs_restart(container: Container, last: ObservedContainer) -> bool:
    """Whether an instance runs with resources that its resizePolicy lets change with a restart only."""
    if last.requirements is None:
        return False
    changed = _changed(last.requirements, container.resources)
    return any(p.restart_policy == "RestartContainer" and p.resource_name in changed for p in container.resize_policy)


def _changed(before: ResourceRequirements, after: ResourceRequirements) -> set[str]:
    return {
        name
        for name in _BOTH
        if before.limits.get(name) != after.limits.get(name) or before.requests.get(name) != after.requests.get(name)
    }


def in_progress(pod: Pod, observed: Observed) -> bool:
    """Whether containers that run, or the pod, do not have yet what they were given. ``pod`` is as it was given."""
    if observed.resize is None:
        return False
    latest = latest_by_name(observed.containers)
    for container in resizable(pod):
        last = latest.get(container.name)
        if last is not None and last.state is ContainerState.RUNNING and last.requirements is not None:
            if _changed(last.requirements, container.resources):
                return True
        elif last is not None and last.state is ContainerState.EXITED and last.stop_reason == "Changed":
            return True  # stopped for this, and not started again
    sandbox = usable_sandbox(observed)
    return sandbox is not None and bool(steps(pod, observed, sandbox))


def steps(pod: Pod, observed: Observed, sandbox: ObservedSandbox) -> tuple[ResizeStep, ...]:
    """What to write, in order; empty when everything is as it was given."""
    if observed.resize is None or sandbox.resources is None:
        return ()
    latest = latest_by_name(observed.containers)
    restarting = False
    updates: list[tuple[Container, ObservedContainer, ResourceRequirements]] = []
    for container in resizable(pod):
        last = latest.get(container.name)
        if last is None or last.state is not ContainerState.RUNNING or last.requirements is None:
            continue
        if last.stop_deadline or needs_restart(container, last):
            restarting = True
        elif _changed(last.requirements, container.resources):
            updates.append((container, last, last.requirements))
    now, then = sandbox.resources, pod_resources(pod)
    found: list[ResizeStep] = []
    for name in ("memory", "cpu"):
        grow, shrink = _pod_steps(name, now, then)
        found += grow
        found += _container_steps(name, updates)
        # What is being stopped still uses what it was given before.
        found += [] if restarting else shrink
    return tuple(found)


def _pod_steps(name: str, now: Resources, then: Resources) -> tuple[list[ResizeStep], list[ResizeStep]]:
    """Those before the containers' and those after. A limit once set is not lifted: the kubelet does not either."""
    before: list[ResizeStep] = []
    after: list[ResizeStep] = []
    if name == "memory":
        if then.memory_limit and then.memory_limit != now.memory_limit:
            smaller = then.memory_limit < (now.memory_limit or _UNLIMITED)
            step = ResizeStep(Resources(memory_limit=then.memory_limit), shrinks_memory_to=then.memory_limit * smaller)
            (after if smaller else before).append(step)
        return before, after
    if then.cpu_quota and then.cpu_quota != now.cpu_quota:
        smaller = then.cpu_quota < (now.cpu_quota or _UNLIMITED)
        step = ResizeStep(Resources(cpu_quota=then.cpu_quota, cpu_period=then.cpu_period))
        (after if smaller else before).append(step)
    if then.cpu_shares and then.cpu_shares != now.cpu_shares:
        smaller = then.cpu_shares < (now.cpu_shares or 0)
        step = ResizeStep(Resources(cpu_shares=then.cpu_shares))
        after.insert(0, step) if smaller else before.append(step)
    return before, after


def _container_steps(
    name: str, updates: list[tuple[Container, ObservedContainer, ResourceRequirements]]
) -> Iterator[ResizeStep]:
    shrinking: list[ResizeStep] = []
    growing: list[ResizeStep] = []
    for container, last, before in updates:
        if name not in _changed(before, container.resources):
            continue
        was, will = container_resources(before), container_resources(container.resources)
        # Memory is written first: when the turn of cpu comes, the instance has its new memory already.
        reached = _merged(before, container.resources, _BOTH if name == "cpu" else ("memory",))
        if name == "memory":
            old, new = was.memory_limit or _UNLIMITED, will.memory_limit or _UNLIMITED
            written = Resources(memory_limit=will.memory_limit, memory_swap_limit=will.memory_swap_limit)
            shrinks_to = new if new < old else 0
        else:
            old, new = was.cpu_quota or _UNLIMITED, will.cpu_quota or _UNLIMITED
            if old == new:
                old, new = was.cpu_shares or 0, will.cpu_shares or 0
            written = Resources(cpu_shares=will.cpu_shares, cpu_quota=will.cpu_quota, cpu_period=will.cpu_period)
            shrinks_to = 0
        step = ResizeStep(written, last.id, container.name, reached, shrinks_to)
        (shrinking if new < old else growing).append(step)
    yield from reversed(shrinking)
    yield from growing


def _merged(old: ResourceRequirements, new: ResourceRequirements, names: Iterable[str]) -> ResourceRequirements:
    def mixed(before: ResourceList, after: ResourceList) -> ResourceList:
        return {n: t for n, t in after.items() if n in names} | {n: t for n, t in before.items() if n not in names}

    return msgspec.structs.replace(
        old, limits=mixed(old.limits, new.limits), requests=mixed(old.requests, new.requests)
    )


def actual(given: ResourceRequirements, last: ObservedContainer) -> ResourceRequirements:
    """``status.containerStatuses[].resources``: what a running instance really has."""
    if last.requirements is None or last.state is not ContainerState.RUNNING:
        return given
    return _merged(given, last.requirements, _BOTH)


def show_pod_level(status: PodStatus, pod: Pod, observed: Observed) -> None:
    """Set ``status.resources`` and ``allocatedResources`` of a pod with resources of its own (KEP-5419)."""
    whole, before = pod.spec.resources, pod.status.resources
    if whole is None:
        return
    status.allocated_resources = whole.requests
    status.resources = before if before is not None and in_progress(pod, observed) else whole


def conditions(pod: Pod, observed: Observed, now_text: str) -> list[PodCondition]:
    """PodResizePending and PodResizeInProgress, as far as they are there; ``pod`` is the pod as it was given."""
    resize = observed.resize
    if resize is None:
        return []
    old = {condition.type: condition for condition in pod.status.conditions}
    made = []
    if resize.pending is not None:
        made.append(
            PodCondition(
                type=PENDING,
                status="True",
                reason=resize.pending.reason,
                message=resize.pending.message,
                observed_generation=pod.metadata.generation,
            )
        )
    if in_progress(pod, observed):
        failure = resize.failure
        made.append(
            PodCondition(
                type=IN_PROGRESS,
                status="True",
                reason="Error" if failure is not None else "",
                message=failure.message if failure is not None else "",
                observed_generation=resize.generation,
            )
        )
    for condition in made:
        before = old.get(condition.type)
        known = before.last_transition_time if before is not None and before.status == "True" else None
        condition.last_transition_time = known or now_text
    return made


def summary(words: str, pod: Pod, generation: int, error: str = "") -> str:
    """The text of an event about a resize: ``Pod resize started: {"containers":[...],"generation":2}``
    (``pkg/kubelet/events/resize.go``).
    """

    def named(containers: list[Container]) -> list[dict[str, object]]:
        return [{"name": c.name, "resources": _plain(c.resources)} for c in containers]

    document: dict[str, object] = {}
    if pod.spec.init_containers:
        document["initContainers"] = named(pod.spec.init_containers)
    document |= {"containers": named(pod.spec.containers), "generation": generation}
    if error:
        document["error"] = error
    return f"Pod resize {words}: {msgspec.json.encode(document).decode()}"


def _plain(resources: ResourceRequirements) -> dict[str, object]:
    pairs = (("limits", resources.limits), ("requests", resources.requests))
    return {kind: dict(sorted(figures.items())) for kind, figures in pairs if figures}


def refusal_of(shrinks: Iterable[tuple[ResizeStep, int]]) -> str:
    """Why memory cannot be taken away: (step, bytes in use) of what would be below its use; empty when it can."""
    texts = []
    for step, used in shrinks:
        if used < step.shrinks_memory_to:
            continue
        whose = f'container "{step.name}"' if step.container_id is not None else "pod"
        texts.append(f"attempting to set {whose} memory limit ({step.shrinks_memory_to}) below current usage ({used})")
    if not texts:
        return ""
    return f"cannot decrease memory limits: {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'}"
