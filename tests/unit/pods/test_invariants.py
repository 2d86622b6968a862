"""What holds whatever happens: random lives of random pods on a virtual clock."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import PodStatus
from pyrt.pods import model
from pyrt.pods.model import SECOND
from pyrt.pods.restart import is_sidecar
from pyrt.runtime.status import ContainerState
from tests.unit.pods.simulation import World


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    inits = [
        Container(name=f"init{i}", image=f"i:{i}", restart_policy=draw(st.sampled_from([None, "Always"])))
        for i in range(draw(st.integers(0, 3)))
    ]
    apps = [Container(name=f"app{i}", image=f"a:{i}") for i in range(draw(st.integers(1, 3)))]
    return Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="u"),
        spec=PodSpec(
            containers=apps,
            init_containers=inits,
            restart_policy=draw(st.sampled_from(["Always", "OnFailure", "Never"])),
            active_deadline_seconds=draw(st.sampled_from([None, None, 300])),
            termination_grace_period_seconds=draw(st.sampled_from([0, 5, 30])),
        ),
    )


steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from([0.2, 3, 11, 60, 700])),
        st.tuples(st.just("exit"), st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 137]))),
        st.tuples(st.just("lose"), st.none()),
        st.tuples(st.just("pulls"), st.booleans()),
        st.tuples(st.just("starts"), st.booleans()),
        st.tuples(st.just("image"), st.integers(0, 2)),
        st.tuples(st.just("restart daemon"), st.none()),
        st.tuples(st.just("forget"), st.none()),
    ),
    max_size=25,
)


def check(world: World) -> None:
    """Looked at before every decision."""
    pod, observed = world.pod, world.observed
    alive = [c.name for c in observed.containers if c.live]
    assert len(alive) == len(set(alive)), "two instances of one container"
    assert sum(s.ready for s in observed.sandboxes) <= 1
    # Init containers before the others, in the sandbox where these run.
    for container in observed.containers:
        if not container.live or not any(c.name == container.name for c in pod.spec.containers):
            continue
        for init in pod.spec.init_containers:
            done = [c for c in observed.containers if c.name == init.name and c.sandbox_id == container.sandbox_id]
            assert done or is_sidecar(init)
            if not is_sidecar(init):
                assert any(c.state is ContainerState.EXITED and c.exit_code == 0 for c in done)


def drive(world: World, kind: str, value: Any) -> None:
    match kind:
        case "run":
            world.run(value)
        case "exit":
            running = sorted(set(world.running()))
            if running:
                world.exit(running[value[0] % len(running)], value[1], "Completed" if value[1] == 0 else "Error")
        case "lose":
            world.lose_sandbox()
            world.step()
        case "pulls":
            world.pull_errors = {f"{k}:{i}": ("ErrImagePull", "no") for k in "ai" for i in range(3)} if value else {}
        case "starts":
            world.start_errors = {"app0": ("CreateContainerError", "no")} if value else {}
        case "image":
            world.pod.spec.containers[0].image = f"a:{value}"
            world.step()
        case "forget":
            world.observed = model.Observed(accepted_at=world.observed.accepted_at)
            world.pulls_done_at.clear()
            world.step()
        case "restart daemon":
            world.observed = model.Observed(
                accepted_at=world.observed.accepted_at,
                sandboxes=world.observed.sandboxes,
                containers=world.observed.containers,
            )
            world.pulls_done_at.clear()
            world.step()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pods(), steps, st.sampled_from([0, 5, 30]))
def test_random_lives(pod: Pod, events: list[tuple[str, Any]], grace: int) -> None:
    world = World(pod, on_round=check)
    final = ""
    starts = 0
    world.step()
    for kind, value in events:
        drive(world, kind, value)
        phase = world.status.phase
        if final:
            assert phase == final, "a final phase was left"
            assert not world.done(model.StartContainer)[starts:]
        elif phase in ("Succeeded", "Failed"):
            final = phase
            starts = len(world.done(model.StartContainer))
    attempts: dict[str, int] = {}
    for _, action in world.done(model.StartContainer):
        assert isinstance(action, model.StartContainer)
        assert action.attempt >= attempts.get(action.name, 0)
        attempts[action.name] = action.attempt
    world.delete(grace)
    world.run(120)
    assert world.removed, "a deleted pod stayed"
    assert (world.observed.containers, world.observed.sandboxes) == ((), ())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.1, 590), min_size=2, max_size=15))
def test_back_off_never_shrinks_while_it_holds(lives: list[float]) -> None:
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="u"),
        spec=PodSpec(containers=[Container(name="app", image="a:1")], restart_policy="Always"),
    )
    world = World(pod)
    world.step()
    waits: list[float] = []
    for life in lives:
        world.now += int(life * SECOND)
        world.exit("app", 1)
        ended = world.now
        world.run(301)
        waits.append((world.observed.containers[-1].created_at - ended) / SECOND)
        world.now = world.observed.containers[-1].created_at
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert max(waits) <= 300


@settings(max_examples=40, deadline=None)
@given(pods(), steps)
def test_the_status_says_the_same_when_asked_twice(pod: Pod, events: list[tuple[str, Any]]) -> None:
    world = World(pod)
    world.step()
    for kind, value in events:
        drive(world, kind, value)
    once = world.status
    world.pod.status = once
    assert world.status == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=PodStatus) == once
