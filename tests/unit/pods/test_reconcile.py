from __future__ import annotations

import dataclasses

import pytest

from pyrt.kube.container import Container, ContainerRestartRule, ContainerRestartRuleOnExitCodes
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodOS, PodSpec
from pyrt.kube.scheduling import PodSchedulingGate
from pyrt.pods import model
from pyrt.pods.model import SECOND, ContainerKind
from pyrt.pods.reconcile import reconcile
from pyrt.runtime.status import ContainerState
from tests.unit.pods.simulation import World


def a_pod(*containers: Container, policy: str = "Always", inits: tuple[Container, ...] = (), **spec: object) -> Pod:
    return Pod(
        metadata=ObjectMeta(name="web", namespace="default", uid="u-1"),
        spec=PodSpec(
            containers=list(containers) or [Container(name="app", image="app:1")],
            init_containers=list(inits),
            restart_policy=policy,
            **spec,  # type: ignore[arg-type]
        ),
    )


def kinds(world: World) -> list[str]:
    return [type(action).__name__ for _, action in world.log]


# --- the way up ------------------------------------------------------------------------------------------------------


def test_a_pod_comes_up_in_order() -> None:
    world = World(a_pod())
    world.step()
    assert kinds(world) == ["PullImage", "PrepareVolumes", "CreateSandbox", "StartContainer"]
    assert world.running() == ["app"]
    start = world.log[-1][1]
    assert isinstance(start, model.StartContainer)
    assert (start.kind, start.attempt, start.back_off.delay_seconds) == (ContainerKind.APP, 0, 0)


def test_nothing_is_done_twice_while_a_pull_is_under_way() -> None:
    world = World(a_pod(), pull_seconds=5)
    world.step()
    assert kinds(world) == ["PullImage", "PrepareVolumes", "CreateSandbox"]
    world.run(4)
    assert len(world.done(model.PullImage)) == 1
    world.run(2)
    assert world.starts("app") == [5.0]


def test_images_are_pulled_side_by_side_but_containers_start_in_order() -> None:
    world = World(a_pod(Container(name="a", image="a:1"), Container(name="b", image="b:1")), pull_seconds=5)
    world.step()
    assert [a.container for _, a in world.done(model.PullImage)] == ["a", "b"]  # type: ignore[attr-defined]
    world.pulls_done_at["b"] = world.now
    world.step()
    assert world.running() == []
    world.run(6)
    assert world.running() == ["a", "b"]


def test_a_container_whose_image_cannot_be_pulled_does_not_hold_the_others_back() -> None:
    world = World(a_pod(Container(name="a", image="bad:1"), Container(name="b", image="b:1")))
    world.pull_errors["bad:1"] = ("ErrImagePull", "not found")
    world.step()
    assert world.running() == ["b"]
    assert world.status.phase == "Pending"


def test_a_gated_pod_waits_for_its_gates() -> None:
    world = World(a_pod(scheduling_gates=[PodSchedulingGate(name="example.com/wait")]))
    world.step()
    assert world.log == []
    condition = next(c for c in world.status.conditions if c.type == "PodScheduled")
    assert (condition.status, condition.reason) == ("False", "SchedulingGated")
    world.pod.spec.scheduling_gates = []
    world.step()
    assert world.running() == ["app"]


def test_a_pod_for_windows_is_rejected_as_the_kubelet_does() -> None:
    world = World(a_pod(os=PodOS(name="windows")))
    world.step()
    assert world.log == []
    status = world.status
    assert (status.phase, status.reason) == ("Failed", "PodOSNotSupported")
    assert status.message == "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS"


# --- restarts and back-off -------------------------------------------------------------------------------------------


def test_crash_loop_back_off_has_the_kubelets_figures() -> None:
    world = World(a_pod())
    world.step()
    delays = []
    for _ in range(8):
        world.exit("app", 1)
        ended = world.now
        world.run(310)
        delays.append(world.starts("app")[-1] - (ended - world.observed.accepted_at) / SECOND)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]


def test_back_off_counts_from_the_end_not_from_the_start() -> None:
    world = World(a_pod())
    world.step()
    world.exit("app", 1)
    world.run(9)
    world.exit("app", 1)
    assert world.starts("app") == [0, 0]
    world.run(9.5)
    assert len(world.starts("app")) == 2
    world.run(1)
    assert world.starts("app") == [0, 0, 19]


def test_ten_minutes_of_running_forgive_everything() -> None:
    world = World(a_pod())
    world.step()
    for _ in range(5):
        world.exit("app", 1)
        world.run(300)
    world.run(601)
    world.exit("app", 1)
    assert world.running() == ["app"]
    world.exit("app", 1)
    assert world.last.wake_at == world.now + 10 * SECOND


def test_back_off_applies_to_success_too() -> None:
    world = World(a_pod())
    world.step()
    world.exit("app", 0)
    world.exit("app", 0)
    assert world.running() == []
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "CrashLoopBackOff"
    assert waiting.message == "back-off 10s restarting failed container=app pod=web_default(u-1)"
    assert world.last.notices == (
        model.BackOffNotice(
            "app", "CrashLoopBackOff", "Back-off restarting failed container app in pod web_default(u-1)"
        ),
    )


def test_back_off_survives_a_daemon_restart() -> None:
    world = World(a_pod())
    world.step()
    for _ in range(3):
        world.exit("app", 1)
        world.run(100)
    world.exit("app", 1)
    # A new daemon knows what the runtime knows: sandboxes and containers, no pulls.
    world.observed = dataclasses.replace(world.observed, images={}, failures={}, volumes_ready=False)
    assert reconcile(world.pod, world.observed, world.now).wake_at == world.now + 40 * SECOND


@pytest.mark.parametrize("change", ["image", "resources"])
def test_a_new_image_or_new_resources_end_the_back_off(change: str) -> None:
    world = World(a_pod())
    world.step()
    world.exit("app", 1)
    world.exit("app", 1)
    assert world.running() == []
    if change == "image":
        world.pod.spec.containers[0].image = "app:2"
    else:
        world.pod.spec.containers[0].resources.limits["memory"] = "1Gi"
    world.step()
    assert world.running() == ["app"]


@pytest.mark.parametrize(
    ("policy", "code", "restarted", "phase"),
    [
        ("Always", 0, True, "Running"),
        ("Always", 1, True, "Running"),
        ("OnFailure", 0, False, "Succeeded"),
        ("OnFailure", 1, True, "Running"),
        ("Never", 0, False, "Succeeded"),
        ("Never", 1, False, "Failed"),
    ],
)
def test_restart_policy(policy: str, code: int, restarted: bool, phase: str) -> None:
    world = World(a_pod(policy=policy))
    world.step()
    world.exit("app", code, "Completed" if code == 0 else "Error")
    assert (world.running() == ["app"]) is restarted
    assert world.status.phase == phase


def test_container_restart_rules_come_before_policies() -> None:
    rule = ContainerRestartRule(
        action="Restart", exit_codes=ContainerRestartRuleOnExitCodes(operator="In", values=[42])
    )
    container = Container(name="app", image="app:1", restart_policy="Never", restart_policy_rules=[rule])
    world = World(a_pod(container, policy="Always"))
    world.step()
    world.exit("app", 42)
    assert world.running() == ["app"]
    world.exit("app", 1)
    assert world.status.phase == "Failed"


def test_a_changed_image_restarts_even_under_never() -> None:
    world = World(a_pod(policy="Never"))
    world.step()
    world.pod.spec.containers[0].image = "app:2"
    world.step()
    stop = world.log[-1][1]
    assert isinstance(stop, model.StopContainer)
    assert stop.message == "Container app definition changed, will be restarted"
    world.exit("app", 143)
    assert world.running() == ["app"]
    assert world.observed.containers[-1].image == "app:2"
    assert world.status.phase == "Running"


def test_one_dead_instance_is_kept() -> None:
    world = World(a_pod())
    world.step()
    for _ in range(4):
        world.exit("app", 1)
        world.run(300)
    assert [(c.attempt, c.state) for c in world.observed.containers] == [
        (3, ContainerState.EXITED),
        (4, ContainerState.RUNNING),
    ]
    terminated = world.container("app").last_state.terminated
    assert terminated is not None
    assert (terminated.exit_code, terminated.container_id) == (1, "pyrt://app-3")


def test_a_container_of_unknown_state_is_killed_before_it_is_replaced() -> None:
    world = World(a_pod())
    world.step()
    lost = dataclasses.replace(world.observed.containers[0], state=ContainerState.UNKNOWN)
    decision = reconcile(world.pod, dataclasses.replace(world.observed, containers=(lost,)), world.now)
    assert [type(a) for a in decision.actions] == [model.StopContainer]


def test_a_container_left_in_created_is_replaced() -> None:
    world = World(a_pod())
    world.step()
    made = dataclasses.replace(world.observed.containers[0], state=ContainerState.CREATED)
    world.observed = dataclasses.replace(world.observed, containers=(made,))
    world.step()
    assert [(c.attempt, c.state) for c in world.observed.containers] == [(0, ContainerState.RUNNING)]


# --- failures on the way up ------------------------------------------------------------------------------------------


def test_image_pull_back_off() -> None:
    world = World(a_pod())
    world.pull_errors["app:1"] = ("ErrImagePull", "manifest unknown")
    world.step()
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("ErrImagePull", "manifest unknown")
    world.run(4)
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "ImagePullBackOff"
    assert waiting.message == 'Back-off pulling image "app:1": ErrImagePull: manifest unknown'
    world.run(1000)
    assert [at for at, _ in world.done(model.PullImage)] == [0, 10, 30, 70, 150, 310, 610, 910]
    world.pull_errors.clear()
    world.run(300)
    assert world.running() == ["app"]


def test_a_missing_image_under_never_keeps_its_name() -> None:
    world = World(a_pod())
    world.pull_errors["app:1"] = (
        "ErrImageNeverPull",
        'Container image "app:1" is not present with pull policy of Never',
    )
    world.run(30)
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "ErrImageNeverPull"


def test_creation_errors_are_tried_again_every_ten_seconds() -> None:
    world = World(a_pod())
    world.start_errors["app"] = ("CreateContainerError", "no such user: bob")
    world.run(25)
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("CreateContainerError", "no such user: bob")
    assert world.starts("app") == [0, 10, 20]
    assert world.status.phase == "Pending"
    world.start_errors.clear()
    world.run(10)
    assert world.running() == ["app"]


def test_a_program_that_cannot_be_started_is_shown_by_its_error_first() -> None:
    world = World(a_pod())
    world.step()
    world.exit("app", 127, "StartError")
    world.exit("app", 127, "StartError")
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "RunContainerError"
    world.run(4)
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "CrashLoopBackOff"


def test_a_sandbox_that_cannot_be_made_is_tried_again() -> None:
    world = World(a_pod())
    failure = model.Failure("FailedCreatePodSandBox", "address pool exhausted", world.now)
    world.observed = dataclasses.replace(world.observed, sandbox_failure=failure)
    decision = reconcile(world.pod, world.observed, world.now)
    assert not any(isinstance(a, model.CreateSandbox) for a in decision.actions)
    assert decision.wake_at == world.now + 10 * SECOND
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("ContainerCreating", "address pool exhausted")
    later = reconcile(world.pod, world.observed, world.now + 10 * SECOND)
    assert model.CreateSandbox(0) in later.actions


def test_no_sandbox_without_volumes() -> None:
    world = World(a_pod())
    failure = model.Failure("FailedMount", "hostPath /x: no such directory", world.now)
    world.observed = dataclasses.replace(world.observed, volumes_failure=failure)
    decision = reconcile(world.pod, world.observed, world.now)
    assert [type(a) for a in decision.actions] == [model.PullImage]
    assert decision.wake_at == world.now + SECOND // 2


# --- init containers -------------------------------------------------------------------------------------------------

FIRST = Container(name="first", image="i:1")
SECOND_INIT = Container(name="second", image="i:1")
SIDECAR = Container(name="proxy", image="p:1", restart_policy="Always")


def test_init_containers_run_one_at_a_time() -> None:
    world = World(a_pod(inits=(FIRST, SECOND_INIT)))
    world.step()
    assert world.running() == ["first"]
    assert world.status.phase == "Pending"
    waiting = world.container("app").state.waiting
    assert waiting is not None
    assert waiting.reason == "PodInitializing"
    world.exit("first")
    assert world.running() == ["second"]
    world.exit("second")
    assert world.running() == ["app"]
    assert world.status.phase == "Running"


def test_a_failing_init_container_is_retried_with_back_off() -> None:
    world = World(a_pod(inits=(FIRST,), policy="OnFailure"))
    world.step()
    world.exit("first", 1)
    assert world.starts("first") == [0, 0]
    world.exit("first", 1)
    assert world.running() == []
    assert world.status.phase == "Pending"
    world.run(11)
    assert world.starts("first") == [0, 0, 10]


def test_a_failing_init_container_fails_a_never_pod() -> None:
    world = World(a_pod(inits=(SIDECAR, FIRST, SECOND_INIT), policy="Never"))
    world.step()
    world.exit("first", 1)
    assert world.status.phase == "Failed"
    world.exit("proxy", 143)
    assert world.starts("second") == []
    assert not any(s.ready for s in world.observed.sandboxes)


def test_sidecars_start_before_and_run_beside() -> None:
    world = World(a_pod(inits=(SIDECAR, FIRST)))
    world.step()
    assert world.running() == ["proxy", "first"]
    world.exit("first")
    assert world.running() == ["proxy", "app"]
    world.exit("proxy", 1)
    assert sorted(world.running()) == ["app", "proxy"]
    assert world.status.phase == "Running"


def test_a_sidecar_that_fails_during_initialisation_is_restarted_beside_the_next_init() -> None:
    world = World(a_pod(inits=(SIDECAR, FIRST)))
    world.step()
    world.exit("proxy", 1)
    assert sorted(world.running()) == ["first", "proxy"]


def test_sidecars_end_with_the_last_container() -> None:
    world = World(a_pod(inits=(SIDECAR, dataclass_copy(SIDECAR, "log")), policy="Never"))
    world.step()
    world.exit("app", 0, "Completed")
    stops = [a.name for _, a in world.done(model.StopContainer)]  # type: ignore[attr-defined]
    assert stops == ["log"]
    world.exit("log", 143)
    stops = [a.name for _, a in world.done(model.StopContainer)]  # type: ignore[attr-defined]
    assert stops == ["log", "proxy"]
    world.exit("proxy", 143)
    assert world.status.phase == "Succeeded"
    assert kinds(world)[-2:] == ["StopSandbox", "ReleaseVolumes"]


def dataclass_copy(container: Container, name: str) -> Container:
    return Container(name=name, image=container.image, restart_policy=container.restart_policy)


# --- sandboxes -------------------------------------------------------------------------------------------------------


def test_a_lost_sandbox_is_replaced_and_init_runs_again() -> None:
    world = World(a_pod(inits=(FIRST,)))
    world.step()
    world.exit("first")
    world.lose_sandbox()
    world.step()
    assert world.running() == ["first"]
    assert [s.attempt for s in world.observed.sandboxes if s.ready] == [1]
    world.exit("first")
    assert world.running() == ["app"]
    assert world.container("app").restart_count == 1
    world.exit("app", 1)
    world.run(600)
    # The instances of the old sandbox have gone; so has it.
    assert [s.attempt for s in world.observed.sandboxes] == [1]


@pytest.mark.parametrize(("policy", "phase"), [("Never", "Failed"), ("OnFailure", "Running"), ("Always", "Running")])
def test_a_pod_that_may_not_restart_gets_no_second_sandbox(policy: str, phase: str) -> None:
    world = World(a_pod(policy=policy))
    world.step()
    world.lose_sandbox()
    world.step()
    assert world.status.phase == phase
    assert len(world.done(model.CreateSandbox)) == (1 if policy == "Never" else 2)


def test_a_never_pod_that_had_not_begun_is_started_again() -> None:
    world = World(a_pod(policy="Never"), pull_seconds=10)
    world.step()
    world.lose_sandbox()
    world.run(11)
    assert world.running() == ["app"]


def test_a_finished_onfailure_pod_is_not_revived_by_a_lost_sandbox() -> None:
    world = World(a_pod(policy="OnFailure"))
    world.step()
    world.exit("app", 0, "Completed")
    before = len(world.log)
    world.lose_sandbox()
    world.step()
    assert world.status.phase == "Succeeded"
    assert len(world.log) == before


def test_of_two_ready_sandboxes_neither_stays() -> None:
    world = World(a_pod())
    world.step()
    twin = dataclasses.replace(world.observed.sandboxes[0], id="s9", attempt=9)
    world.observed = dataclasses.replace(world.observed, sandboxes=(*world.observed.sandboxes, twin))
    world.step()
    world.exit("app", 137)
    assert [s.attempt for s in world.observed.sandboxes if s.ready] == [10]


@pytest.mark.parametrize(("policy", "phase", "attempts"), [("Never", "Failed", 1), ("Always", "Running", 2)])
def test_the_status_remembers_what_the_runtime_has_forgotten(policy: str, phase: str, attempts: int) -> None:
    world = World(a_pod(policy=policy))
    world.step()
    world.observed = model.Observed(accepted_at=world.observed.accepted_at)
    world.step()
    assert world.status.phase == phase
    starts = [a for _, a in world.done(model.StartContainer)]
    assert [a.attempt for a in starts] == list(range(attempts))  # type: ignore[attr-defined]
    status = world.container("app")
    ended = status.state.terminated or status.last_state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason) == (137, "ContainerStatusUnknown")
    assert status.restart_count == attempts - 1


# --- the way down ----------------------------------------------------------------------------------------------------


def test_deletion_stops_removes_and_ends() -> None:
    world = World(a_pod())
    world.step()
    world.delete(30)
    stop = world.log[-1][1]
    assert isinstance(stop, model.StopContainer)
    assert (stop.grace_seconds, stop.reason) == (30, "Deleted")
    assert world.last.actions == ()
    world.exit("app", 143)
    assert world.removed
    assert kinds(world)[-4:] == ["StopSandbox", "RemoveContainer", "RemoveSandbox", "RemovePod"]


def test_a_stubborn_container_is_killed_after_the_grace() -> None:
    world = World(a_pod())
    world.step()
    world.delete(5)
    world.run(4.9)
    assert not world.removed
    world.run(0.2)
    assert world.removed


def test_force_kills_at_once() -> None:
    world = World(a_pod(inits=(SIDECAR,)))
    world.step()
    world.delete(0)
    assert world.removed
    assert {a.grace_seconds for _, a in world.done(model.StopContainer)} == {0}  # type: ignore[attr-defined]


def test_a_second_delete_may_shorten_the_grace_but_not_lengthen_it() -> None:
    world = World(a_pod())
    world.step()
    world.delete(30)
    world.delete(60)
    assert len(world.done(model.StopContainer)) == 1
    world.delete(3)
    stop = world.log[-1][1]
    assert isinstance(stop, model.StopContainer)
    assert stop.grace_seconds == 3
    world.delete(0)
    assert world.removed


def test_the_grace_counts_from_the_request_also_after_a_daemon_restart() -> None:
    world = World(a_pod())
    world.step()
    world.delete(30)
    forgotten = dataclasses.replace(world.observed.containers[0], stop_deadline=0, stop_reason="")
    world.observed = dataclasses.replace(world.observed, containers=(forgotten,))
    decision = reconcile(world.pod, world.observed, world.now + 20 * SECOND)
    stop = decision.actions[0]
    assert isinstance(stop, model.StopContainer)
    assert stop.grace_seconds == 11
    late = reconcile(world.pod, world.observed, world.now + 300 * SECOND).actions[0]
    assert isinstance(late, model.StopContainer)
    assert late.grace_seconds == 2


def test_a_grace_of_one_second_is_two() -> None:
    world = World(a_pod())
    world.step()
    world.delete(1)
    stop = world.log[-1][1]
    assert isinstance(stop, model.StopContainer)
    assert stop.grace_seconds == 2


def test_sidecars_wait_for_the_others_and_go_in_reverse_order() -> None:
    world = World(a_pod(inits=(SIDECAR, dataclass_copy(SIDECAR, "log"))))
    world.step()
    world.delete(30)
    world.run(10)
    world.exit("app", 143)
    world.exit("log", 143)
    stops = [(a.name, a.grace_seconds) for _, a in world.done(model.StopContainer)]  # type: ignore[attr-defined]
    assert stops == [("app", 30), ("log", 21), ("proxy", 21)]


def test_a_pod_deleted_before_it_began_goes_quietly() -> None:
    world = World(a_pod(), pull_seconds=100)
    world.step()
    world.delete(30)
    assert world.removed
    assert world.starts("app") == []


def test_the_deadline_ends_a_pod() -> None:
    world = World(a_pod(active_deadline_seconds=60, termination_grace_period_seconds=10))
    world.step()
    assert world.last.wake_at == world.now + 60 * SECOND
    world.run(65)
    assert (world.status.phase, world.status.reason) == ("Running", "")  # as long as anything of it runs
    world.run(10)
    status = world.status
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert status.message == "Pod was active on the node longer than the specified deadline"
    assert world.running() == []
    assert kinds(world)[-2:] == ["StopSandbox", "ReleaseVolumes"]
    assert world.last.actions == ()


def test_a_final_phase_is_final() -> None:
    world = World(a_pod(policy="Never"))
    world.step()
    world.exit("app", 0, "Completed")
    world.pod.spec.restart_policy = "Always"
    world.run(1000)
    assert world.status.phase == "Succeeded"
    assert world.running() == []


def test_a_pod_at_rest_wants_nothing() -> None:
    world = World(a_pod())
    world.step()
    assert world.last == model.Decision()
