from __future__ import annotations

import dataclasses

import pytest

from pyrt.kube.container import Container, VolumeMount
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodReadinessGate, PodSpec
from pyrt.kube.podstatus import PodCondition
from pyrt.kube.resources import ResourceRequirements
from pyrt.kube.scheduling import PodSchedulingGate
from pyrt.kube.times import to_text
from pyrt.pods.status import compute_status
from pyrt.runtime.status import ContainerState
from tests.unit.pods.simulation import NODE, START, World


def a_world(**spec: object) -> World:
    fields: dict[str, object] = {
        "containers": [Container(name="app", image="app:1")],
        "restart_policy": "Always",
        **spec,
    }
    metadata = ObjectMeta(name="web", namespace="default", uid="u-1", generation=3)
    return World(Pod(metadata=metadata, spec=PodSpec(**fields)))  # type: ignore[arg-type]


def conditions(world: World) -> dict[str, tuple[str, str, str]]:
    return {c.type: (c.status, c.reason, c.message) for c in world.status.conditions}


def test_before_anything_happened() -> None:
    world = a_world()
    status = world.status
    assert status.phase == "Pending"
    assert status.qos_class == "BestEffort"
    assert status.start_time == to_text(START)
    assert status.host_ip == "192.0.2.1"
    assert [h.ip for h in status.host_ips] == ["192.0.2.1", "2001:db8::1"]
    assert status.pod_ip == ""
    waiting = status.container_statuses[0].state.waiting
    assert waiting is not None
    assert waiting.reason == "ContainerCreating"
    assert conditions(world) == {
        "PodReadyToStartContainers": ("False", "", ""),
        "Initialized": ("True", "", ""),
        "Ready": ("False", "ContainersNotReady", "containers with unready status: [app]"),
        "ContainersReady": ("False", "ContainersNotReady", "containers with unready status: [app]"),
        "PodScheduled": ("True", "", ""),
    }
    assert {c.observed_generation for c in status.conditions} == {3}
    assert status.observed_generation == 3


def test_running() -> None:
    world = a_world()
    world.step()
    status = world.status
    assert status.phase == "Running"
    assert [ip.ip for ip in status.pod_ips] == ["10.0.0.2", "fd00::2"]
    assert all(value == ("True", "", "") for value in conditions(world).values())
    app = status.container_statuses[0]
    assert (app.ready, app.started, app.restart_count, app.container_id) == (True, True, 0, "pyrt://app-0")
    assert app.state.running is not None
    assert app.state.running.started_at == to_text(START)


def test_transition_times_change_with_the_status_only() -> None:
    world = a_world()
    world.pull_seconds = 5
    world.run(100)
    times = {c.type: c.last_transition_time for c in world.status.conditions}
    second = 1_000_000_000
    assert times["PodScheduled"] == to_text(START)
    assert times["Ready"] == to_text(START + 5 * second)
    world.pull_seconds = 0
    world.exit("app", 1)
    world.exit("app", 1)
    assert {c.type: c.last_transition_time for c in world.status.conditions}["Ready"] == to_text(world.now)


def test_images_are_named_as_the_runtime_knows_them() -> None:
    world = a_world()
    world.step()
    app = dataclasses.replace(
        world.observed.containers[0],
        image_name="docker.io/library/app:1",
        image_digest="docker.io/library/app@sha256:" + "2" * 64,
    )
    world.observed = dataclasses.replace(world.observed, containers=(app,))
    status = world.container("app")
    assert (status.image, status.image_id) == ("docker.io/library/app:1", "docker.io/library/app@sha256:" + "2" * 64)


@pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (3, "Error")])
def test_a_terminated_container(code: int, reason: str) -> None:
    world = a_world(restart_policy="Never")
    world.step()
    world.exit("app", code)
    ended = world.container("app").state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason, ended.container_id) == (code, reason, "pyrt://app-0")


def test_a_succeeded_pod() -> None:
    world = a_world(restart_policy="Never")
    world.step()
    world.exit("app", 0)
    assert conditions(world) == {
        "PodReadyToStartContainers": ("False", "", ""),
        "Initialized": ("True", "PodCompleted", ""),
        "Ready": ("False", "PodCompleted", ""),
        "ContainersReady": ("False", "PodCompleted", ""),
        "PodScheduled": ("True", "", ""),
    }
    # The address stays known after the sandbox has gone.
    assert world.status.pod_ip == "10.0.0.2"


def test_not_initialised() -> None:
    world = a_world(init_containers=[Container(name="one", image="i"), Container(name="two", image="i")])
    world.step()
    assert conditions(world)["Initialized"] == (
        "False",
        "ContainersNotInitialized",
        "containers with incomplete status: [one two]",
    )
    world.exit("one")
    assert conditions(world)["Initialized"][2] == "containers with incomplete status: [two]"
    assert world.container("one").ready
    world.exit("two")
    assert conditions(world)["Initialized"] == ("True", "", "")


def test_a_container_that_is_not_ready() -> None:
    world = a_world(containers=[Container(name="b", image="b"), Container(name="a", image="a")])
    world.step()
    unready = tuple(dataclasses.replace(c, ready=c.name != "b") for c in world.observed.containers)
    world.observed = dataclasses.replace(world.observed, containers=unready)
    assert [s.name for s in world.status.container_statuses] == ["a", "b"]
    assert conditions(world)["Ready"] == ("False", "ContainersNotReady", "containers with unready status: [b]")


def test_readiness_gates() -> None:
    world = a_world(readiness_gates=[PodReadinessGate(condition_type="example.com/lb")])
    world.step()
    assert conditions(world)["Ready"] == (
        "False",
        "ReadinessGatesNotReady",
        'corresponding condition of pod readiness gate "example.com/lb" does not exist.',
    )
    world.pod.status.conditions.append(PodCondition(type="example.com/lb", status="True"))
    assert conditions(world)["Ready"] == ("True", "", "")
    assert conditions(world)["example.com/lb"] == ("True", "", "")


def test_host_network_has_the_nodes_addresses() -> None:
    world = a_world(host_network=True)
    world.step()
    assert [ip.ip for ip in world.status.pod_ips] == list(NODE.addresses)


def test_a_lost_container_counts_as_killed() -> None:
    world = a_world(restart_policy="Never")
    world.step()
    lost = dataclasses.replace(world.observed.containers[0], state=ContainerState.UNKNOWN)
    observed = dataclasses.replace(world.observed, containers=(lost,))
    ended = compute_status(world.pod, observed, world.now, NODE).container_statuses[0].state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason) == (137, "ContainerStatusUnknown")


def test_resources_mounts_and_user() -> None:
    container = Container(
        name="app",
        image="a",
        resources=ResourceRequirements(limits={"memory": "64Mi"}, requests={"memory": "32Mi"}),
        volume_mounts=[VolumeMount(name="v", mount_path="/v", read_only=True, recursive_read_only="Enabled")],
    )
    world = a_world(containers=[container])
    world.step()
    known = dataclasses.replace(world.observed.containers[0], user=(1000, 1000, (5,)))
    world.observed = dataclasses.replace(world.observed, containers=(known,))
    status = world.container("app")
    assert status.resources == container.resources
    assert status.allocated_resources == {"memory": "32Mi"}
    assert status.volume_mounts[0].recursive_read_only == "Enabled"
    assert status.user is not None
    assert status.user.linux is not None
    assert (status.user.linux.uid, status.user.linux.supplemental_groups) == (1000, [5])
    assert world.status.qos_class == "Burstable"


def test_the_termination_of_an_instance_that_was_removed_is_not_forgotten() -> None:
    world = a_world(restart_policy="OnFailure")
    world.step()
    world.exit("app", 0, "Completed")
    world.step()
    gone = dataclasses.replace(world.observed, containers=())
    status = compute_status(world.pod, gone, world.now, NODE)
    assert status.phase == "Succeeded"
    assert status.container_statuses[0].state.terminated is not None


def test_a_gated_pod_is_not_on_the_node_yet() -> None:
    world = a_world(scheduling_gates=[PodSchedulingGate(name="example.com/wait")])
    world.step()
    status = world.status
    assert (status.phase, status.start_time, status.host_ip, status.container_statuses) == ("Pending", None, "", [])
    message = "Scheduling is blocked due to non-empty scheduling gates"
    assert conditions(world) == {"PodScheduled": ("False", "SchedulingGated", message)}


def test_a_pod_is_running_until_its_sidecars_have_gone() -> None:
    sidecar = Container(name="proxy", image="p:1", restart_policy="Always")
    world = a_world(init_containers=[sidecar], restart_policy="Never")
    world.step()
    seen: list[str] = []
    world.on_round = lambda w: seen.append(w.pod.status.phase)
    world.exit("app", 0, "Completed")
    assert set(seen) == {"Running"}
    world.exit("proxy", 0, "Completed")
    assert seen[-1] == "Succeeded"


def test_who_a_container_runs_as_is_told() -> None:
    world = a_world()
    world.step()
    found = dataclasses.replace(world.observed.containers[0], user=(1000, 3000, (2000, 3000)))
    world.observed = dataclasses.replace(world.observed, containers=(found,))
    user = world.container("app").user
    assert user is not None
    assert user.linux is not None
    assert (user.linux.uid, user.linux.gid, user.linux.supplemental_groups) == (1000, 3000, [2000, 3000])


def test_ephemeral_and_app_containers_are_told_by_name_init_containers_by_the_spec() -> None:
    inits = [Container(name=name, image="i:1") for name in ("z", "a")]
    apps = [Container(name=name, image="a:1") for name in ("y", "b")]
    status = a_world(init_containers=inits, containers=apps).status
    assert [s.name for s in status.init_container_statuses] == ["z", "a"]
    assert [s.name for s in status.container_statuses] == ["b", "y"]


def test_what_was_initialized_stays_so_while_init_containers_run_again() -> None:
    world = a_world(init_containers=[Container(name="init", image="i:1")])
    world.step()
    assert conditions(world)["Initialized"][:2] == ("False", "ContainersNotInitialized")
    world.exit("init", 0, "Completed")
    assert conditions(world)["Initialized"][0] == "True"
    world.lose_sandbox()
    world.step()
    assert world.running() == ["init"]
    assert conditions(world)["Initialized"][0] == "True"
    assert world.status.phase == "Pending"
