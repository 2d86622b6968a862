"""What holds whatever happens: random lives of random pods on a virtual clock.

More examples by hand: ``PYRT_EXAMPLES=5000 pytest tests/unit/pods/test_invariants.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrt.kube.container import Container, ContainerRestartRule, ContainerRestartRuleOnExitCodes
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.pod import Pod, PodSpec
from pyrt.kube.podstatus import ContainerStatus, PodStatus
from pyrt.kube.probes import Lifecycle, LifecycleHandler, SleepAction
from pyrt.pods import model
from pyrt.pods.backoff import RESET_SECONDS, back_off_key
from pyrt.pods.model import SECOND, ContainerKind, HookState, ObservedContainer
from pyrt.pods.reset import find_reset
from pyrt.pods.restart import is_sidecar, latest_by_name
from pyrt.pods.stopping import LEAST_GRACE_SECONDS
from pyrt.runtime.status import ContainerState
from tests.unit.pods.simulation import World

lives = settings(
    max_examples=int(os.environ.get("PYRT_EXAMPLES", "120")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

RULES = [
    ContainerRestartRule(action=action, exit_codes=ContainerRestartRuleOnExitCodes(operator=operator, values=values))
    for action, operator, values in (
        ("Restart", "In", [7]),
        ("Restart", "NotIn", [0, 7]),
        ("RestartAllContainers", "In", [42]),
    )
]


@st.composite
def containers(draw: st.DrawFn, name: str, image: str, policies: list[str | None]) -> Container:
    policy = draw(st.sampled_from(policies))
    rules = draw(st.lists(st.sampled_from(RULES), max_size=2)) if policy not in (None, "Always") else []
    sleep = LifecycleHandler(sleep=SleepAction(seconds=1))
    lifecycle = draw(st.sampled_from([None, None, Lifecycle(post_start=sleep), Lifecycle(pre_stop=sleep)]))
    if name.startswith("init") and policy != "Always":
        lifecycle = None
    return Container(name=name, image=image, restart_policy=policy, restart_policy_rules=rules, lifecycle=lifecycle)


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    inits = [
        draw(containers(f"init{i}", f"i:{i}", [None, "Always", "Always", "OnFailure", "Never"]))
        for i in range(draw(st.integers(0, 3)))
    ]
    apps = [
        draw(containers(f"app{i}", f"a:{i}", [None, None, "Always", "OnFailure", "Never"]))
        for i in range(draw(st.integers(1, 3)))
    ]
    return Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="u", generation=1),
        spec=PodSpec(
            containers=apps,
            init_containers=inits,
            restart_policy=draw(st.sampled_from(["Always", "OnFailure", "Never"])),
            active_deadline_seconds=draw(st.sampled_from([None, None, 300])),
            termination_grace_period_seconds=draw(st.sampled_from([0, 5, 30])),
        ),
    )


EXIT_CODES = [0, 0, 1, 7, 42, 137]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from([0.2, 3, 11, 60, 700])),
        st.tuples(st.just("exit"), st.tuples(st.integers(0, 5), st.sampled_from(EXIT_CODES))),
        st.tuples(st.just("exit"), st.tuples(st.integers(0, 5), st.sampled_from(EXIT_CODES))),
        st.tuples(st.just("slow start"), st.sampled_from(["init0", "init1", "app0"])),
        st.tuples(st.just("started"), st.sampled_from(["init0", "init1", "app0"])),
        st.tuples(st.just("unhealthy"), st.integers(0, 5)),
        st.tuples(st.just("hooks"), st.tuples(st.sampled_from([0, 1, 7, 100000]), st.booleans())),
        st.tuples(st.just("lose"), st.none()),
        st.tuples(st.just("pulls"), st.booleans()),
        st.tuples(st.just("starts"), st.booleans()),
        st.tuples(st.just("image"), st.integers(0, 2)),
        st.tuples(st.just("restart daemon"), st.none()),
        st.tuples(st.just("forget"), st.none()),
        st.tuples(st.just("delete"), st.sampled_from([0, 5, 30])),
    ),
    max_size=30,
)


def statuses(status: PodStatus) -> Iterator[ContainerStatus]:
    yield from status.init_container_statuses
    yield from status.container_statuses


@dataclass
class Watcher:
    """Looks at a world before each decision and before each action, and remembers what it saw."""

    forgotten: bool = False
    """The runtime has lost its records once: what was known only to it is allowed to have been lost."""
    replaced: set[str] = field(default_factory=set)
    """Containers whose image was changed."""
    before: PodStatus = field(default_factory=PodStatus)
    starts: dict[str, list[int]] = field(default_factory=dict)

    def round(self, world: World) -> None:
        observed = world.observed
        alive = [c.name for c in observed.containers if c.live]
        assert len(alive) == len(set(alive)), "two instances of one container"
        assert sum(s.ready for s in observed.sandboxes) <= 1
        assert len(observed.containers) <= 3 * len({c.name for c in observed.containers}), "garbage piles up"
        self._status(world.pod, world.pod.status)

    def _status(self, pod: Pod, status: PodStatus) -> None:
        before, self.before = self.before, status
        assert status.observed_generation == pod.metadata.generation
        if before.phase in ("Succeeded", "Failed"):
            assert status.phase == before.phase, "a final phase was left"
        counts = {s.name: s.restart_count for s in statuses(before)}
        for one in statuses(status):
            assert one.restart_count >= counts.get(one.name, 0), f"restartCount of {one.name} went back"
            assert sum(x is not None for x in (one.state.waiting, one.state.running, one.state.terminated)) == 1
            assert one.state.running is not None or not (one.started or self._ready_without_running(pod, one))
        old = {c.type: c for c in before.conditions}
        for condition in status.conditions:
            known = old.get(condition.type)
            if known is not None and known.status == condition.status:
                assert condition.last_transition_time == known.last_transition_time
            if known is not None and condition.type == "Initialized":
                assert (known.status, condition.status) != ("True", "False")

    @staticmethod
    def _ready_without_running(pod: Pod, status: ContainerStatus) -> bool:
        done = any(c.name == status.name and not is_sidecar(c) for c in pod.spec.init_containers)
        return status.ready and not done

    def action(self, world: World, action: model.Action) -> None:
        match action:
            case model.StartContainer():
                self._start(world, action)
            case model.StopContainer() if action.grace_seconds > LEAST_GRACE_SECONDS:
                stopped = next(c for c in world.observed.containers if c.id == action.container_id)
                hook = stopped.pre_stop
                assert hook is None or hook.state is not HookState.RUNNING, "a stop that does not wait for its hook"
                if action.reason in ("Deleted", "Finished", "DeadlineExceeded"):
                    self._stop(world, action)
            case model.StopContainer(reason=reason) if reason in ("Deleted", "Finished", "DeadlineExceeded"):
                self._stop(world, action)

    def _start(self, world: World, action: model.StartContainer) -> None:
        pod, observed = world.pod, world.observed
        assert pod.metadata.deletion_timestamp is None, "a deleted pod starts a container"
        assert pod.status.phase not in ("Succeeded", "Failed"), "a pod that has ended starts a container"
        hooks = [c.post_start for c in observed.containers if c.live and c.post_start is not None]
        assert all(h.state is not HookState.RUNNING for h in hooks), "a container is started beside a postStart hook"
        last = latest_by_name(observed.containers).get(action.name)
        attempts = self.starts.setdefault(action.name, [])
        if action.name not in world.start_errors:
            assert not attempts or action.attempt > attempts[-1], "an attempt is used twice"
            attempts.append(action.attempt)
        if action.kind is ContainerKind.APP:
            self._initialised(world, action)
        if last is not None and last.state is ContainerState.EXITED and last.stop_reason != "Changed":
            self._waited(world, action, last)

    def _initialised(self, world: World, action: model.StartContainer) -> None:
        """Every init container has completed in this sandbox, every sidecar has started."""
        reset = find_reset(world.pod, world.observed.containers)
        here = [c for c in world.observed.containers if c.sandbox_id == action.sandbox_id and not reset.ended(c)]
        apps = {c.name for c in world.pod.spec.containers}
        if any(c.name in apps for c in here):
            return  # it has been looked at; its init containers may have been forgotten since
        for init in world.pod.spec.init_containers:
            runs = [c for c in here if c.name == init.name]
            if is_sidecar(init):
                assert any(c.started for c in runs), f"{action.name} before sidecar {init.name}"
            else:
                done = any(c.state is ContainerState.EXITED and c.exit_code == 0 for c in runs)
                assert done, f"{action.name} before {init.name}"

    def _waited(self, world: World, action: model.StartContainer, last: ObservedContainer) -> None:
        spec = next(c for c in (*world.pod.spec.init_containers, *world.pod.spec.containers) if c.name == last.name)
        reset = find_reset(world.pod, world.observed.containers)
        lived = last.finished_at - last.created_at
        if last.back_off.key != back_off_key(spec) or lived > RESET_SECONDS * SECOND:
            return
        assert action.back_off.delay_seconds >= last.back_off.delay_seconds, "the back-off shrank"
        if not reset.excused(last):
            assert world.now >= last.finished_at + last.back_off.delay_seconds * SECOND, "too early"

    def _stop(self, world: World, action: model.StopContainer) -> None:
        """Sidecars stop after all others and in reverse order, as long as there is time for it."""
        order = [c.name for c in world.pod.spec.init_containers if is_sidecar(c)]
        if action.name not in order or action.grace_seconds <= LEAST_GRACE_SECONDS:
            return
        alive = {c.name for c in world.observed.containers if c.live}
        assert alive <= set(order), "a sidecar is stopped before a container"
        later = order[order.index(action.name) + 1 :]
        assert not alive & set(later), "a sidecar is stopped before a later one"

    def end(self, world: World) -> None:
        pod = world.pod
        for container in (*pod.spec.init_containers, *pod.spec.containers):
            policy = container.restart_policy or pod.spec.restart_policy
            never = policy == "Never" and not container.restart_policy_rules
            resets = any(rule.action != "Restart" for c in _all(pod) for rule in c.restart_policy_rules)
            init = any(c is container for c in pod.spec.init_containers)
            if init and (self.forgotten or pod.spec.restart_policy != "Never"):
                continue  # a new sandbox begins with them
            if never and not resets and container.name not in self.replaced:
                assert len(self.starts.get(container.name, [])) <= 1, f"{container.name} ran twice"


def _all(pod: Pod) -> list[Container]:
    return [*pod.spec.init_containers, *pod.spec.containers]


def drive(world: World, watcher: Watcher, kind: str, value: Any) -> None:
    if world.removed:
        return
    match kind:
        case "run":
            world.run(value)
        case "exit":
            running = sorted(set(world.running()))
            if running:
                world.now += SECOND // 100  # nothing lives for no time
                world.exit(running[value[0] % len(running)], value[1], "Completed" if value[1] == 0 else "Error")
        case "slow start":
            world.unstarted.add(value)
        case "started":
            world.passes(value)
        case "unhealthy":
            running = sorted(set(world.running()))
            if running:
                world.fails(running[value % len(running)])
        case "hooks":
            world.hook_seconds, world.hooks_fail = value
        case "lose":
            world.lose_sandbox()
            world.step()
        case "pulls":
            world.pull_errors = {f"{k}:{i}": ("ErrImagePull", "no") for k in "ai" for i in range(3)} if value else {}
        case "starts":
            world.start_errors = {"app0": ("CreateContainerError", "no")} if value else {}
        case "image":
            if world.pod.spec.containers[0].image != f"a:{value}":
                world.pod.spec.containers[0].image = f"a:{value}"
                world.pod.metadata.generation += 1
                watcher.replaced.add(world.pod.spec.containers[0].name)
            world.step()
        case "forget":
            watcher.forgotten = True
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
        case "delete":
            world.delete(value)


def begin(pod: Pod, slow: frozenset[str] = frozenset()) -> tuple[World, Watcher]:
    watcher = Watcher()
    world = World(pod, on_round=watcher.round, on_action=watcher.action, unstarted=set(slow))
    world.step()
    return world, watcher


@lives
@given(pods(), steps, st.sampled_from([0, 5, 30]), st.frozensets(st.sampled_from(["init0", "init1", "app0"])))
def test_random_lives(pod: Pod, events: list[tuple[str, Any]], grace: int, slow: frozenset[str]) -> None:
    world, watcher = begin(pod, slow)
    for kind, value in events:
        drive(world, watcher, kind, value)
    watcher.end(world)
    if not world.removed and pod.metadata.deletion_timestamp is None:
        world.delete(grace)
    world.run(40 * (1 + len(pod.spec.init_containers)))
    assert world.removed, "a deleted pod stayed"
    assert (world.observed.containers, world.observed.sandboxes) == ((), ())


@settings(lives, max_examples=lives.max_examples // 3)
@given(pods(), st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 0, 1])), max_size=10))
def test_a_job_completes_beside_its_sidecars(pod: Pod, ends: list[tuple[int, int]]) -> None:
    """Sidecars that never end by themselves, and ignore every signal, do not keep a job from its end."""
    for container in _all(pod):
        container.restart_policy_rules = []
        if not (is_sidecar(container) and any(container is c for c in pod.spec.init_containers)):
            container.restart_policy = None
    pod.spec.active_deadline_seconds = None
    pod.spec.restart_policy = "OnFailure" if pod.spec.restart_policy == "Always" else pod.spec.restart_policy
    sidecars = {c.name for c in pod.spec.init_containers if is_sidecar(c)}
    world, watcher = begin(pod)
    for index, code in [*ends, *[(0, 0)] * 20]:
        jobs = sorted(set(world.running()) - sidecars)
        if jobs:
            world.now += SECOND // 100
            drive(world, watcher, "exit", (sorted(world.running()).index(jobs[index % len(jobs)]), code))
        world.run(320)
    assert world.status.phase in ("Succeeded", "Failed")
    assert world.running() == []
    if pod.spec.restart_policy == "OnFailure":
        assert world.status.phase == "Succeeded"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.1, 590), min_size=2, max_size=15), st.sampled_from([1, 30, 300]))
def test_back_off_never_shrinks_while_it_holds(lifetimes: list[float], longest: int) -> None:
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="default", uid="u"),
        spec=PodSpec(containers=[Container(name="app", image="a:1")], restart_policy="Always"),
    )
    world = World(pod)
    world.observed = model.Observed(accepted_at=world.now, longest_back_off=longest)
    world.step()
    waits: list[float] = []
    for life in lifetimes:
        world.now += int(life * SECOND)
        world.exit("app", 1)
        ended = world.now
        world.run(301)
        waits.append((world.observed.containers[-1].created_at - ended) / SECOND)
        world.now = world.observed.containers[-1].created_at
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[1] == min(10, longest)
    assert max(waits) <= longest


@settings(max_examples=40, deadline=None)
@given(pods(), steps)
def test_the_status_says_the_same_when_asked_twice(pod: Pod, events: list[tuple[str, Any]]) -> None:
    world, watcher = begin(pod)
    for kind, value in events:
        drive(world, watcher, kind, value)
    once = world.status
    world.pod.status = once
    assert world.status == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=PodStatus) == once
