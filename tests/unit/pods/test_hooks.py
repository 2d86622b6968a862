"""When hooks run and what they take of the grace, and what failed probes do, on a virtual clock."""

from __future__ import annotations

import pytest

from pyrt.kube.container import Container
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.probes import ExecAction, Lifecycle, LifecycleHandler, Probe
from pyrt.pods import model
from pyrt.pods.model import SECOND
from tests.unit.pods.simulation import World

HOOK = LifecycleHandler(exec=ExecAction(command=["true"]))
POST_START, PRE_STOP = Lifecycle(post_start=HOOK), Lifecycle(pre_stop=HOOK)


def container(name: str, **fields: object) -> Container:
    return Container(name=name, image=f"{name}:1", **fields)


def world(*containers: Container, inits: list[Container] | None = None, grace: int = 30, **fields: object) -> World:
    spec = PodSpec(
        containers=[*containers],
        init_containers=inits or [],
        restart_policy=fields.pop("policy", "Always"),
        termination_grace_period_seconds=grace,
    )
    made = World(Pod(metadata=ObjectMeta(name="p", namespace="default", uid="u", generation=1), spec=spec))
    for name, value in fields.items():
        setattr(made, name, value)
    made.step()
    return made


def stops(found: World) -> list[tuple[float, str, int]]:
    return [
        (at, a.name, a.grace_seconds) for at, a in found.done(model.StopContainer) if isinstance(a, model.StopContainer)
    ]


def test_the_next_container_waits_for_a_post_start_hook() -> None:
    found = world(container("a", lifecycle=POST_START), container("b"), hook_seconds=7)
    assert found.running() == ["a"]
    assert found.container("a").state.waiting is not None
    assert found.status.phase == "Pending"
    found.run(7)
    assert found.running() == ["a", "b"]
    assert found.container("a").state.running is not None
    assert found.status.phase == "Running"


def test_the_next_init_container_waits_for_a_sidecars_hook() -> None:
    side = container("side", restart_policy="Always", lifecycle=POST_START)
    found = world(container("a"), inits=[side, container("init")], hook_seconds=7)
    assert found.running() == ["side"]
    found.run(7)
    assert found.running() == ["side", "init"]


def test_a_failed_post_start_hook_stops_its_container() -> None:
    found = world(container("a", lifecycle=POST_START), hooks_fail=True)
    (_, stop) = found.done(model.StopContainer)[0]
    assert isinstance(stop, model.StopContainer)
    assert (stop.reason, stop.message, stop.grace_seconds) == ("FailedPostStartHook", "FailedPostStartHook", 30)
    found.exit("a", 143)
    assert found.starts("a") == [0, 0]
    found.exit("a", 143)
    waiting = found.container("a").state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("PostStartHookError", "no")
    found.run(4)
    waiting = found.container("a").state.waiting
    assert waiting is not None
    assert waiting.reason == "CrashLoopBackOff"


def test_a_hook_takes_its_time_off_the_grace() -> None:
    found = world(container("a", lifecycle=PRE_STOP), hook_seconds=10)
    found.delete(30)
    assert stops(found) == []
    found.run(31)
    assert stops(found) == [(10, "a", 21)]  # the time of a deletion has whole seconds, rounded in the pod's favour
    assert found.removed


def test_a_hook_may_take_all_and_two_seconds_are_left() -> None:
    found = world(container("a", lifecycle=PRE_STOP), hook_seconds=1000)
    found.delete(30)
    found.run(40)
    assert stops(found) == [(31, "a", 2)]
    assert found.removed


def test_a_shorter_grace_shortens_the_hook() -> None:
    found = world(container("a", lifecycle=PRE_STOP), hook_seconds=1000, grace=600)
    found.delete(600)
    found.run(10)
    found.delete(5)
    found.run(20)
    assert stops(found) == [(16, "a", 2)]


def test_no_grace_no_hook() -> None:
    found = world(container("a", lifecycle=PRE_STOP), grace=0)
    found.delete(0)
    assert found.done(model.RunPreStop) == []
    assert found.removed


def test_the_hook_of_a_stop_for_another_reason_counts_from_its_beginning() -> None:
    found = world(container("a", lifecycle=PRE_STOP), hook_seconds=10)
    found.run(100)
    found.fails("a")
    found.run(10)
    assert stops(found) == [(110, "a", 20)]


def test_looking_again_does_not_shorten_a_hook() -> None:
    found = world(container("a", lifecycle=PRE_STOP), container("b"), hook_seconds=20)
    found.pod.spec.active_deadline_seconds = 10
    found.run(10)
    found.run(15)
    found.exit("b")
    assert [name for _, name, _ in stops(found)] == ["b"]
    found.run(6)
    assert stops(found)[1:] == [(30, "a", 10)]


def test_hooks_of_sidecars_run_at_once_and_their_stops_wait() -> None:
    inits = [container(f"side{i}", restart_policy="Always", lifecycle=PRE_STOP) for i in (1, 2)]
    found = world(container("a"), inits=inits)
    found.delete(30)
    assert {a.name for _, a in found.done(model.RunPreStop) if isinstance(a, model.RunPreStop)} == {"side1", "side2"}
    assert [name for _, name, _ in stops(found)] == ["a"]
    found.exit("a")
    assert [name for _, name, _ in stops(found)] == ["a", "side2"]


def test_when_the_grace_is_over_sidecars_wait_for_nobody() -> None:
    inits = [container(f"side{i}", restart_policy="Always") for i in (1, 2)]
    found = world(container("a", lifecycle=PRE_STOP), inits=inits, hook_seconds=1000)
    found.delete(30)
    found.run(31)
    assert sorted(stops(found)) == [(31, "a", 2), (31, "side1", 2), (31, "side2", 2)]


@pytest.mark.parametrize(("policy", "restarted"), [("Always", True), ("OnFailure", True), ("Never", False)])
def test_a_failed_probe_restarts_by_policy_whatever_the_exit_code(policy: str, restarted: bool) -> None:
    found = world(container("a"), policy=policy)
    found.fails("a")
    (_, stop) = found.done(model.StopContainer)[0]
    assert isinstance(stop, model.StopContainer)
    assert stop.message == "Container a failed liveness probe" + (", will be restarted" if restarted else "")
    found.exit("a", 0, "Completed")
    assert found.starts("a") == ([0, 0] if restarted else [0])
    assert found.status.phase == ("Running" if restarted else "Succeeded")


@pytest.mark.parametrize(("kind", "grace"), [("liveness", 7), ("startup", 90)])
def test_the_grace_of_a_probe(kind: str, grace: int) -> None:
    probes = {
        "liveness_probe": Probe(termination_grace_period_seconds=7),
        "startup_probe": Probe(termination_grace_period_seconds=90),
    }
    found = world(container("a", **probes))
    found.fails("a", kind)
    assert stops(found) == [(0, "a", grace)]
    found.delete(5)
    assert stops(found)[1:] == [(0, "a", 5)]


def test_a_sidecar_that_fails_its_probe() -> None:
    found = world(container("a"), inits=[container("side", restart_policy="Always")])
    found.fails("side", "startup")
    (_, stop) = found.done(model.StopContainer)[0]
    assert isinstance(stop, model.StopContainer)
    assert stop.message == "Init container side failed startup probe"
    found.exit("side", 0)
    assert len(found.starts("side")) == 2


def test_a_sidecar_may_be_stopped_for_a_probe_while_the_pod_is_deleted() -> None:
    found = world(container("a", lifecycle=PRE_STOP), hook_seconds=3)
    found.fails("a")
    found.now += SECOND
    found.delete(10)
    found.run(2)
    assert [name for _, name, _ in stops(found)] == ["a"]
    assert len(found.done(model.RunPreStop)) == 1
