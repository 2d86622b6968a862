"""In-place resize: what is written, in which order, and what is told."""

from __future__ import annotations

import dataclasses

from pyrt.ids import ContainerId, SandboxId
from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.resources import ContainerResizePolicy, ResourceRequirements
from pyrt.pods import resize
from pyrt.pods.compute import container_resources, pod_resources
from pyrt.pods.model import (
    SECOND,
    Failure,
    Observed,
    ObservedContainer,
    ObservedResize,
    ObservedSandbox,
    Rejection,
    ResizePod,
    ResizeStep,
    StopContainer,
)
from pyrt.pods.reconcile import reconcile
from pyrt.runtime.status import ContainerState

MI = 1 << 20
BOX = SandboxId("box")


def needs(cpu: str, memory: str) -> ResourceRequirements:
    return ResourceRequirements(limits={"cpu": cpu, "memory": memory}, requests={"cpu": cpu, "memory": memory})


def a_pod(restart: str = "", **containers: ResourceRequirements) -> Pod:
    policy = [ContainerResizePolicy(resource_name="memory", restart_policy=restart)] if restart else []
    made = [
        Container(name=n, image="x", resources=r, image_pull_policy="Never", resize_policy=policy)
        for n, r in containers.items()
    ]
    spec = PodSpec(containers=made, restart_policy="Always", termination_grace_period_seconds=5)
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid="u", generation=2), spec=spec)


def observe(pod: Pod, **has: ResourceRequirements) -> tuple[Observed, ObservedSandbox]:
    """Containers that run with ``has``, in a pod whose cgroup is what they need."""
    before = Pod(metadata=pod.metadata, spec=dataclasses_replace(pod.spec, has))
    sandbox = ObservedSandbox(BOX, 0, ready=True, resources=pod_resources(before))
    containers = tuple(
        ObservedContainer(
            ContainerId(name), name, 0, ContainerState.RUNNING, BOX, started_at=1, image="x", requirements=resources
        )
        for name, resources in has.items()
    )
    observed = Observed(
        accepted_at=1, sandboxes=(sandbox,), containers=containers, volumes_ready=True, resize=ObservedResize(2)
    )
    return observed, sandbox


def dataclasses_replace(spec: PodSpec, has: dict[str, ResourceRequirements]) -> PodSpec:
    import msgspec

    made = [msgspec.structs.replace(c, resources=has[c.name]) for c in spec.containers]
    return msgspec.structs.replace(spec, containers=made)


def told(steps: tuple[ResizeStep, ...]) -> list[tuple[str, str, int]]:
    """(whose, what, how much) of each step."""
    found = []
    for step in steps:
        r = step.resources
        what = "memory" if r.memory_limit else "quota" if r.cpu_quota else "shares"
        found.append((step.name or "pod", what, r.memory_limit or r.cpu_quota or r.cpu_shares or 0))
    return found


def test_nothing_to_do() -> None:
    pod = a_pod(app=needs("100m", "64Mi"))
    observed, sandbox = observe(pod, app=needs("100m", "64Mi"))
    assert resize.steps(pod, observed, sandbox) == ()
    assert not resize.in_progress(pod, observed)
    assert resize.steps(pod, dataclasses.replace(observed, resize=None), sandbox) == ()


def test_growing_the_pod_goes_first() -> None:
    pod = a_pod(app=needs("200m", "128Mi"))
    observed, sandbox = observe(pod, app=needs("100m", "64Mi"))
    assert told(resize.steps(pod, observed, sandbox)) == [
        ("pod", "memory", 128 * MI),
        ("app", "memory", 128 * MI),
        ("pod", "quota", 20000),
        ("pod", "shares", 204),
        ("app", "quota", 20000),
    ]


def test_shrinking_the_containers_go_first() -> None:
    pod = a_pod(app=needs("100m", "64Mi"))
    observed, sandbox = observe(pod, app=needs("200m", "128Mi"))
    steps = resize.steps(pod, observed, sandbox)
    assert told(steps) == [
        ("app", "memory", 64 * MI),
        ("pod", "memory", 64 * MI),
        ("app", "quota", 10000),
        ("pod", "shares", 102),
        ("pod", "quota", 10000),
    ]
    assert [step.shrinks_memory_to for step in steps] == [64 * MI, 64 * MI, 0, 0, 0]


def test_who_shrinks_makes_room_for_who_grows() -> None:
    pod = a_pod(a=needs("100m", "100Mi"), b=needs("100m", "50Mi"))
    observed, sandbox = observe(pod, a=needs("100m", "50Mi"), b=needs("100m", "100Mi"))
    assert told(resize.steps(pod, observed, sandbox)) == [("b", "memory", 50 * MI), ("a", "memory", 100 * MI)]


def test_after_each_step_it_is_known_what_was_reached() -> None:
    pod = a_pod(app=needs("200m", "128Mi"))
    observed, sandbox = observe(pod, app=needs("100m", "64Mi"))
    memory, cpu = (s for s in resize.steps(pod, observed, sandbox) if s.container_id is not None)
    assert memory.requirements == ResourceRequirements(
        limits={"memory": "128Mi", "cpu": "100m"}, requests={"memory": "128Mi", "cpu": "100m"}
    )
    assert cpu.requirements == needs("200m", "128Mi")


def test_a_request_alone_touches_the_shares_only() -> None:
    wanted = ResourceRequirements(limits={"cpu": "1", "memory": "64Mi"}, requests={"cpu": "500m", "memory": "32Mi"})
    has = ResourceRequirements(limits={"cpu": "1", "memory": "64Mi"}, requests={"cpu": "100m", "memory": "32Mi"})
    pod = a_pod(app=wanted)
    observed, sandbox = observe(pod, app=has)
    steps = resize.steps(pod, observed, sandbox)
    assert told(steps)[0] == ("pod", "shares", 512)
    assert steps[-1].resources.cpu_shares == container_resources(wanted).cpu_shares == 512


def test_reconciling_carries_it_out_and_waits_after_a_failure() -> None:
    pod = a_pod(app=needs("200m", "64Mi"))
    observed, _ = observe(pod, app=needs("100m", "64Mi"))
    now = 1000 * SECOND
    (action,) = reconcile(pod, observed, now).actions
    assert isinstance(action, ResizePod)
    failed = dataclasses.replace(observed, resize=ObservedResize(2, failure=Failure("Error", "in use", now)))
    decision = reconcile(pod, failed, now + SECOND)
    assert (decision.actions, decision.wake_at) == ((), now + 10 * SECOND)
    assert reconcile(pod, failed, now + 10 * SECOND).actions == (action,)


def test_a_policy_of_restart_stops_the_container_and_holds_the_pods_shrinking() -> None:
    pod = a_pod("RestartContainer", app=needs("100m", "32Mi"), other=needs("100m", "32Mi"))
    observed, _ = observe(pod, app=needs("100m", "64Mi"), other=needs("100m", "32Mi"))
    (stop,) = reconcile(pod, observed, 1000 * SECOND).actions
    assert isinstance(stop, StopContainer)
    assert (stop.name, stop.reason, stop.message) == ("app", "Changed", "Container app resize requires restart")
    assert resize.in_progress(pod, observed)


def test_the_policy_of_another_resource_does_not_count() -> None:
    pod = a_pod("RestartContainer", app=needs("200m", "64Mi"))
    observed, _ = observe(pod, app=needs("100m", "64Mi"))
    (action,) = reconcile(pod, observed, 1000 * SECOND).actions
    assert isinstance(action, ResizePod)


def test_conditions() -> None:
    pod = a_pod(app=needs("200m", "64Mi"))
    observed, _ = observe(pod, app=needs("100m", "64Mi"))
    pending = ObservedResize(1, Rejection("Deferred", "no room"), Failure("Error", "in use", 5))
    found = resize.conditions(pod, dataclasses.replace(observed, resize=pending), "2026-01-01T00:00:00Z")
    assert [(c.type, c.status, c.reason, c.message, c.observed_generation) for c in found] == [
        ("PodResizePending", "True", "Deferred", "no room", 2),
        ("PodResizeInProgress", "True", "Error", "in use", 1),
    ]
    pod.status.conditions = found
    later = resize.conditions(pod, dataclasses.replace(observed, resize=pending), "2026-01-01T09:00:00Z")
    assert {c.last_transition_time for c in later} == {"2026-01-01T00:00:00Z"}


def test_what_is_shown_is_what_runs() -> None:
    pod = a_pod(app=needs("200m", "64Mi"))
    observed, _ = observe(pod, app=needs("100m", "64Mi"))
    assert resize.actual(needs("200m", "64Mi"), observed.containers[0]) == needs("100m", "64Mi")


def test_the_kubelets_words() -> None:
    pod = a_pod(app=needs("200m", "64Mi"))
    assert resize.summary("started", pod, 2) == (
        'Pod resize started: {"containers":[{"name":"app","resources":{"limits":{"cpu":"200m","memory":"64Mi"},'
        '"requests":{"cpu":"200m","memory":"64Mi"}}}],"generation":2}'
    )
    step = resize.ResizeStep(container_resources(needs("1", "64Mi")), ContainerId("x"), "app", None, 64 * MI)
    assert resize.refusal_of([(step, 64 * MI - 1)]) == ""
    assert resize.refusal_of([(step, 64 * MI)]) == (
        'cannot decrease memory limits: attempting to set container "app" memory limit (67108864) '
        "below current usage (67108864)"
    )
