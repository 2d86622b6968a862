"""Ephemeral containers: guests in a running pod. They are started once, wait for nobody, and nobody waits for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import ContainerStatus
from pyrt.kube.times import to_text
from pyrt.pods.model import ContainerKind, StartContainer, StopContainer
from tests.unit.pods.simulation import World


def a_pod(*inits: Container, policy: str = "Always") -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="u-1"),
        spec=PodSpec(
            containers=[Container(name="app", image="app:1")], init_containers=list(inits), restart_policy=policy
        ),
    )


def visit(world: World, name: str = "guest") -> None:
    world.pod.spec.ephemeral_containers.append(EphemeralContainer(name=name, image="tools:1"))
    world.step()


def status_of(world: World, name: str = "guest") -> ContainerStatus:
    (found,) = [s for s in world.pod.status.ephemeral_container_statuses if s.name == name]
    return found


def test_a_guest_is_started_in_the_running_pod() -> None:
    world = World(a_pod())
    world.step()
    visit(world)
    assert world.running() == ["app", "guest"]
    action = world.log[-1][1]
    assert isinstance(action, StartContainer)
    assert action.kind is ContainerKind.EPHEMERAL
    status = status_of(world)
    assert status.state.running is not None
    assert (status.ready, status.started, status.restart_count) == (False, None, 0)


def test_a_guest_may_come_before_the_init_containers_are_done() -> None:
    world = World(a_pod(Container(name="init", image="init:1")))
    world.step()
    visit(world)
    assert sorted(world.running()) == ["guest", "init"]
    assert world.pod.status.phase == "Pending"


def test_a_guest_is_never_restarted() -> None:
    world = World(a_pod())
    world.step()
    visit(world)
    world.exit("guest", 1)
    world.run(700)
    assert len(world.starts("guest")) == 1
    ended = status_of(world).state.terminated
    assert ended is not None
    assert ended.exit_code == 1
    assert world.pod.status.phase == "Running"


def test_a_guest_of_a_lost_sandbox_does_not_come_back() -> None:
    world = World(a_pod())
    world.step()
    visit(world)
    world.lose_sandbox()
    world.run(60)
    assert world.running() == ["app"]
    assert len(world.starts("guest")) == 1


def test_a_guest_that_the_runtime_has_forgotten_does_not_come_back() -> None:
    world = World(a_pod())
    world.pod.status.start_time = to_text(world.now)
    world.pod.status.ephemeral_container_statuses = [ContainerStatus(name="guest", container_id="pyrt://1")]
    world.pod.status.ephemeral_container_statuses[0].state.running = None
    visit(world)
    assert world.running() == ["app"]


def test_an_image_that_is_not_there_is_shown_and_tried_again() -> None:
    world = World(a_pod(), pull_errors={"tools:1": ("ErrImagePull", "no such image")})
    world.step()
    visit(world)
    waiting = status_of(world).state.waiting
    assert waiting is not None
    assert waiting.reason == "ErrImagePull"
    world.pull_errors.clear()
    world.run(20)
    assert world.running() == ["app", "guest"]


def test_a_pod_ends_without_waiting_for_its_guests() -> None:
    world = World(a_pod(policy="Never"))
    world.step()
    visit(world)
    world.exit("app", 0)
    world.run(40)
    assert world.pod.status.phase == "Succeeded"
    assert [a.name for _, a in world.done(StopContainer)] == ["guest"]  # type: ignore[attr-defined]
    assert world.running() == []


def test_sidecars_do_not_wait_for_guests() -> None:
    world = World(a_pod(Container(name="side", image="side:1", restart_policy="Always"), policy="Never"))
    world.step()
    visit(world)
    stopped: list[str] = []
    world.on_action = lambda _, action: stopped.append(action.name) if isinstance(action, StopContainer) else None
    world.exit("app", 0)
    world.step()
    assert sorted(stopped) == ["guest", "side"]


MOMENTS = st.lists(
    st.sampled_from(["visit", "app ends", "guest ends", "init ends", "sandbox lost", "time passes"]), max_size=14
)


@given(MOMENTS, st.sampled_from(["Always", "OnFailure", "Never"]), st.integers(0, 1))
def test_whatever_happens_a_guest_comes_once_and_a_deleted_pod_ends(moments: list[str], policy: str, code: int) -> None:
    world = World(a_pod(Container(name="init", image="init:1"), policy=policy))
    world.step()
    guests: list[str] = []
    for moment in moments:
        running = world.running()
        match moment:
            case "visit" if world.pod.status.phase not in ("Succeeded", "Failed"):
                guests.append(f"guest{len(guests)}")
                visit(world, guests[-1])
            case "guest ends":
                for name in set(running) & set(guests):
                    world.exit(name, code)
            case "app ends" | "init ends" if moment.partition(" ")[0] in running:
                world.exit(moment.partition(" ")[0], code)
            case "sandbox lost":
                world.lose_sandbox()
            case "time passes":
                world.run(30)
        world.step()
    assert all(len(world.starts(name)) <= 1 for name in guests)
    world.delete(5)
    world.run(60)
    assert world.removed
