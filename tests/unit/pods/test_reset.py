"""The action RestartAllContainers of a restart rule."""

from __future__ import annotations

import pytest

from pyrt.kube.container import Container, ContainerRestartRule, ContainerRestartRuleOnExitCodes
from pyrt.kube.podstatus import PodCondition
from pyrt.pods import model
from pyrt.pods.model import SECOND
from pyrt.pods.reset import find_reset
from tests.unit.pods.simulation import World
from tests.unit.pods.test_reconcile import a_pod

RULE = ContainerRestartRule(
    action="RestartAllContainers", exit_codes=ContainerRestartRuleOnExitCodes(operator="In", values=[42])
)


def a_world(**spec: object) -> World:
    """An init container, a sidecar, a container that restarts all when it ends with 42, and another."""
    source = Container(name="source", image="a:1", restart_policy="Never", restart_policy_rules=[RULE])
    inits = (Container(name="init", image="i:1"), Container(name="proxy", image="p:1", restart_policy="Always"))
    world = World(a_pod(source, Container(name="other", image="b:1"), policy="Never", inits=inits, **spec))
    world.step()
    world.run(1)
    world.exit("init", 0)
    world.run(1)
    return world


def condition(world: World) -> PodCondition:
    return next(c for c in world.status.conditions if c.type == "AllContainersRestarting")


def test_everything_starts_again_in_order_and_in_the_same_sandbox() -> None:
    world = a_world()
    assert world.running() == ["proxy", "source", "other"]
    world.exit("source", 42, "Error")
    stops = [(a.name, a.grace_seconds, a.reason) for _, a in world.done(model.StopContainer)]  # type: ignore[attr-defined]
    assert stops == [("proxy", 0, "RestartAllContainers"), ("other", 0, "RestartAllContainers")]
    assert world.running() == ["init"]
    assert world.status.phase == "Pending"
    world.run(1)
    world.exit("init", 0)
    assert sorted(world.running()) == ["other", "proxy", "source"]
    assert [world.container(name).restart_count for name in ("init", "proxy", "source", "other")] == [1, 1, 1, 1]
    assert len(world.done(model.CreateSandbox)) == 1
    assert world.status.phase == "Running"


def test_what_it_looks_like_meanwhile() -> None:
    world = a_world()
    assert (condition(world).status, condition(world).reason) == ("False", "")
    seen: list[PodCondition] = []
    world.on_round = lambda w: seen.append(condition(w))
    world.exit("source", 42, "Error")
    under_way = next(c for c in seen if c.status == "True")
    assert under_way.reason == "RestartAllContainersStarted"
    assert condition(world).status == "False"
    other, source = world.container("other"), world.container("source")
    assert other.state.waiting is not None
    assert other.state.waiting.reason == "RestartingAllContainers"
    assert other.last_state.terminated is not None
    assert (other.last_state.terminated.exit_code, other.last_state.terminated.reason) == (
        137,
        "RestartingAllContainers",
    )
    assert source.last_state.terminated is not None
    assert (source.last_state.terminated.exit_code, source.last_state.terminated.reason) == (42, "Error")
    initialized = next(c for c in world.status.conditions if c.type == "Initialized")
    assert initialized.status == "True"


def test_only_the_source_waits_for_its_back_off() -> None:
    world = a_world()
    for _ in range(2):
        world.exit("source", 42, "Error")
        world.run(1)
        world.exit("init", 0)
        world.run(1)
    assert world.running() == ["proxy", "other"]
    assert world.container("source").state.waiting.reason == "CrashLoopBackOff"  # type: ignore[union-attr]
    world.run(10)
    assert sorted(world.running()) == ["other", "proxy", "source"]
    assert world.observed.containers[-1].back_off.delay_seconds == 20


def test_a_victim_with_such_a_rule_is_no_source() -> None:
    world = a_world()
    rule = ContainerRestartRule(
        action="RestartAllContainers", exit_codes=ContainerRestartRuleOnExitCodes(operator="NotIn", values=[0])
    )
    world.pod.spec.containers[1].restart_policy = "Never"
    world.pod.spec.containers[1].restart_policy_rules = [rule]
    world.exit("source", 42, "Error")
    world.run(1)
    world.exit("init", 0)
    world.run(60)
    assert sorted(world.running()) == ["other", "proxy", "source"]
    assert world.container("source").restart_count == 1


def test_other_ends_follow_the_policy() -> None:
    world = a_world()
    world.exit("source", 1, "Error")
    world.exit("other", 0, "Completed")
    world.run(31)
    assert world.status.phase == "Failed"
    assert (condition(world).status, condition(world).reason) == ("False", "PodFailed")


def test_a_deleted_pod_is_not_reset() -> None:
    world = a_world()
    world.delete(5)
    world.exit("source", 42, "Error")
    assert sorted(world.running()) == ["other", "proxy"]
    world.run(11)
    assert world.removed


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_new_daemon_goes_on_where_the_old_one_was(forgotten: bool) -> None:
    world = a_world()
    world.exit("source", 42, "Error", then=False)
    world.observed = model.Observed(
        accepted_at=world.observed.accepted_at,
        sandboxes=world.observed.sandboxes,
        containers=world.observed.containers,
        longest_back_off=5 if forgotten else 300,
    )
    world.step()
    assert world.running() == ["init"]
    assert world.now - find_reset(world.pod, world.observed.containers).at < SECOND
