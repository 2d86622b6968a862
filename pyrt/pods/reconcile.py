"""What to do next for a pod: one pure function of the pod's object, what is observed, and the time.

The order is the kubelet's: a pod that ends (deleted, past its deadline, refused, done) is wound down; else a sandbox
is made; then init containers one at a time; then the containers in the order of the spec. Restarted sidecars and
removal of old instances go on the side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.times import from_text
from pyrt.pods.backoff import back_off_key, create_delay, next_back_off, volume_delay
from pyrt.pods.hold import find_hold, next_attempt
from pyrt.pods.lifetime import ending, init_progress
from pyrt.pods.model import (
    SECOND,
    Action,
    BackOffNotice,
    ContainerKind,
    CreateSandbox,
    Decision,
    HookState,
    ImageState,
    Observed,
    ObservedContainer,
    PrepareVolumes,
    PullImage,
    RefreshVolumes,
    ReleaseVolumes,
    RemoveContainer,
    RemovePod,
    RemoveSandbox,
    ResizePod,
    RunPostStart,
    RunPreStop,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from pyrt.pods.reset import ACTION as RESTART_ALL
from pyrt.pods.reset import NONE, Reset, find_reset, to_keep
from pyrt.pods.resize import RESTART_MESSAGE, needs_restart, steps
from pyrt.pods.restart import (
    POST_START_FAILED,
    UNHEALTHY,
    is_sidecar,
    latest_by_name,
    newest_sandbox,
    ran_for_good,
    remembered,
    restarts,
    usable_sandbox,
)
from pyrt.runtime.status import ContainerState

DEFAULT_GRACE_SECONDS = 30
LEAST_GRACE_SECONDS = 2
"""A stop is never given less, unless it is forced with a grace of 0."""


def reconcile(pod: Pod, observed: Observed, now: int) -> Decision:
    """Decide the next actions for ``pod`` at ``now`` (Unix nanoseconds); :mod:`pyrt.pods.model` has the contract."""
    return _Round(pod, observed, now).decide()


@dataclass(slots=True)
class _Round:
    """One run of the decision, collecting actions and the time to look again."""

    pod: Pod
    observed: Observed
    now: int
    actions: list[Action] = field(default_factory=list)
    notices: list[BackOffNotice] = field(default_factory=list)
    wake_at: int | None = None
    latest: dict[str, ObservedContainer] = field(default_factory=dict)
    reset: Reset = NONE

    def decide(self) -> Decision:
        self.latest = latest_by_name(self.observed.containers)
        reason = ending(self.pod, self.observed, self.latest, self.now)
        if reason is not None:
            self._wind_down(reason)
        elif not self.pod.spec.scheduling_gates:
            deadline = self.pod.spec.active_deadline_seconds
            if deadline is not None:
                self._wake(self.observed.accepted_at + deadline * SECOND)
            self.reset = find_reset(self.pod, self.observed.containers)
            if self._sandbox() and not self._resetting():
                self._resize()
                self._containers()
            self._collect_garbage()
            if self.observed.volumes_stale and self.observed.volumes_ready:
                self.actions.insert(0, RefreshVolumes())
        return Decision(tuple(self.actions), self.wake_at, tuple(self.notices))

    # --- the way down -------------------------------------------------------------------------------------------

    def _wind_down(self, reason: str) -> None:
        deleted = self.pod.metadata.deletion_timestamp is not None
        grace = self._grace()
        live = [c for c in self.observed.containers if c.live]
        sidecars = [c.name for c in self.pod.spec.init_containers if is_sidecar(c)]
        guests = {c.name for c in self.pod.spec.ephemeral_containers}
        ordinary = [c for c in live if c.name not in sidecars and c.name not in guests]
        if live:
            # Sidecars serve the others until these have ended, then leave in reverse order. Force waits for no one, and
            # nobody waits for ephemeral containers.
            # Their hooks are not held back, and when the grace is over nobody is waited for any more.
            serving = [c for c in live if c.name in sidecars]
            turn = ordinary or sorted(serving, key=lambda c: sidecars.index(c.name))[-1:]
            grace, over = self._left(reason, grace)
            at_once = live if over else [*turn, *(c for c in live if c.name in guests)]
            for container in live:
                message = f"Stopping container {container.name}"
                if container in at_once:
                    self._stop(container, grace, reason, message)
                elif not container.stop_deadline:
                    self._pre_stop(container, grace, reason, message)
            return
        for sandbox in self.observed.sandboxes:
            if sandbox.ready:
                self.actions.append(StopSandbox(sandbox.id))
        if deleted:
            self.actions += [RemoveContainer(c.id, c.name) for c in self.observed.containers]
            self.actions += [RemoveSandbox(s.id) for s in self.observed.sandboxes]
            self.actions.append(RemovePod())
        elif self.observed.volumes_ready:
            self.actions.append(ReleaseVolumes())

    def _grace(self) -> int:
        """Seconds left: of a deletion, counted from its request; else the whole period of the spec."""
        meta, spec = self.pod.metadata, self.pod.spec
        default = spec.termination_grace_period_seconds
        whole = DEFAULT_GRACE_SECONDS if default is None else default
        if self.observed.eviction is not None:
            whole = min(whole, self.observed.eviction.grace_seconds)
        if meta.deletion_timestamp is None:
            return max(whole, LEAST_GRACE_SECONDS)
        if meta.deletion_grace_period_seconds is not None:
            whole = meta.deletion_grace_period_seconds
        if whole <= 0:
            return 0
        # The timestamp has whole seconds and may be up to one second early.
        left = math.ceil((from_text(meta.deletion_timestamp) + SECOND - self.now) / SECOND)
        return max(min(whole, left), LEAST_GRACE_SECONDS)

    def _left(self, reason: str, grace: int) -> tuple[int, bool]:
        """What is left of the grace, and whether it is over: counted from the request of a deletion, else from the
        first stop for the same reason.
        """
        if grace == 0:
            return 0, True
        if self.pod.metadata.deletion_timestamp is not None:
            end = from_text(self.pod.metadata.deletion_timestamp) + SECOND
        else:
            began = [c.stop_began for c in self.observed.containers if c.stop_began and c.stop_reason == reason]
            end = min(began, default=self.now) + grace * SECOND
        self._wake(end)
        return max(min(grace, math.ceil((end - self.now) / SECOND)), LEAST_GRACE_SECONDS), self.now >= end

    def _stop(self, container: ObservedContainer, grace: int, reason: str, message: str) -> None:
        """Begin a stop, or shorten the one under way; one second of slack keeps rounding from repeating it.

        A preStop hook comes first, and what it takes is taken off the grace.
        """
        if container.stop_deadline and container.stop_deadline <= self.now + (grace + 1) * SECOND:
            return
        if grace > 0 and not container.stop_deadline:
            if self._pre_stop(container, grace, reason, message):
                return
            if container.pre_stop is not None:
                grace = max(min(grace, (self._hook_end(container, grace) - self.now) // SECOND), LEAST_GRACE_SECONDS)
        action = StopContainer(container.id, container.name, grace, reason, message)
        if action not in self.actions:
            self.actions.append(action)

    def _pre_stop(self, container: ObservedContainer, grace: int, reason: str, message: str) -> bool:
        """Whether the stop has to wait for the container's preStop hook, which is begun if that is not done yet."""
        if container.state is not ContainerState.RUNNING:
            return False
        hook = container.pre_stop
        if hook is None:
            everyone = (*self.pod.spec.init_containers, *self.pod.spec.containers)
            lifecycle = next((c.lifecycle for c in everyone if c.name == container.name), None)
            if lifecycle is None or lifecycle.pre_stop is None:
                return False
            action = RunPreStop(container.id, container.name, reason, message)
            if action not in self.actions:
                self.actions.append(action)
            return True
        if hook.state is not HookState.RUNNING:
            return False
        end = self._hook_end(container, grace)
        self._wake(end)
        return self.now < end

    def _hook_end(self, container: ObservedContainer, grace: int) -> int:
        """When the grace is over of which a preStop hook takes its time."""
        meta = self.pod.metadata
        if meta.deletion_timestamp is not None and meta.deletion_grace_period_seconds is not None:
            return from_text(meta.deletion_timestamp) + SECOND
        return (container.pre_stop.began if container.pre_stop is not None else self.now) + grace * SECOND

    # --- the sandbox --------------------------------------------------------------------------------------------

    def _sandbox(self) -> bool:
        """Whether the sandbox is there. If not, what leads to it has been ordered."""
        if usable_sandbox(self.observed) is not None:
            return True
        message = "Pod sandbox changed, it will be killed and re-created."
        for container in self.observed.containers:
            if container.live:
                self._stop(container, self._grace(), "SandboxChanged", message)
        if self.actions or any(c.live for c in self.observed.containers):
            return False
        for sandbox in self.observed.sandboxes:
            if sandbox.ready:
                self.actions.append(StopSandbox(sandbox.id, "SandboxChanged"))
        self._pull_early()
        if self._volumes():
            failure = self.observed.sandbox_failure
            if failure is not None and self.now < failure.at + create_delay():
                self._wake(failure.at + create_delay())
            else:
                newest = newest_sandbox(self.observed)
                self.actions.append(CreateSandbox(0 if newest is None else newest.attempt + 1))
        return False

    def _volumes(self) -> bool:
        if self.observed.volumes_ready:
            return True
        failure = self.observed.volumes_failure
        if failure is not None and self.now < failure.at + volume_delay(failure):
            self._wake(failure.at + volume_delay(failure))
            return False
        self.actions.append(PrepareVolumes())
        return True

    def _pull_early(self) -> None:
        """Fetch images while the sandbox is made: that of the first init container, or all if there is none."""
        spec = self.pod.spec
        for container in spec.init_containers[:1] or spec.containers:
            last = self.latest.get(container.name)
            if last is not None and not spec.init_containers and not self._again(container, last):
                continue
            if find_hold(container, self.pod, last, self.observed, self.now) is None:
                self._image(container, last)

    def _resize(self) -> None:
        """Bring what runs to the resources that it was given meanwhile."""
        sandbox, resize = usable_sandbox(self.observed), self.observed.resize
        if sandbox is None or resize is None:
            return
        due = steps(self.pod, self.observed, sandbox)
        if due and resize.failure is not None and self.now < resize.failure.at + create_delay():
            self._wake(resize.failure.at + create_delay())
        elif due:
            self.actions.append(ResizePod(sandbox.id, due))

    # --- containers ---------------------------------------------------------------------------------------------

    def _resetting(self) -> bool:
        """Whether a container has ended that restarts all, and others of its time are still there."""
        late = [c for c in self.observed.containers if c.live and self.reset.ended(c) and self._belongs(c)]
        for container in late:
            self._stop(container, 0, RESTART_ALL, f"Stopping container {container.name}")
        return bool(late)

    def _belongs(self, container: ObservedContainer) -> bool:
        return all(container.name != other.name for other in self.pod.spec.ephemeral_containers)

    def _containers(self) -> None:
        if not self._volumes():
            return
        spec = self.pod.spec
        sandbox = usable_sandbox(self.observed)
        for guest in spec.ephemeral_containers:
            # Whenever there is a sandbox, even before the init containers are done; and once.
            last = self.latest.get(guest.name)
            if last.state is ContainerState.CREATED if last is not None else remembered(self.pod, guest.name) is None:
                self._want(guest, ContainerKind.EPHEMERAL)
        progress = init_progress(self.pod, self.latest, sandbox, self.reset)
        for container in progress.to_start:
            self._want(container, ContainerKind.INIT)
        for container in spec.init_containers:
            last = self.latest.get(container.name)
            if is_sidecar(container) and last is not None:
                self._keep(container, last, "Init container")
        if not progress.done:
            return
        in_order = True
        for container in spec.containers:
            last = self.latest.get(container.name)
            if last is not None and last.live:
                self._keep(container, last, "Container")
            elif (last is None and not ran_for_good(self.pod, container)) or (last and self._again(container, last)):
                in_order = self._want(container, ContainerKind.APP, in_order)

    def _again(self, container: Container, last: ObservedContainer) -> bool:
        """Whether an instance that is down is to be replaced."""
        if last.state is not ContainerState.EXITED or last.stop_reason == "Changed" or self.reset.ended(last):
            return True
        return restarts(container, self.pod.spec, last)

    def _keep(self, container: Container, last: ObservedContainer, title: str) -> None:
        """Leave a running instance alone, unless its image is no longer the wanted one, a probe or its postStart hook
        has failed, or its state is unknown.
        """
        grace = self._grace()
        if last.pre_stop is not None:
            self._stop(last, self._given(container, last, grace), last.stop_reason, "")  # begun is begun
        elif last.state is ContainerState.UNKNOWN:
            text = f'{title} is in "unknown" state, try killing it before restart'
            self._stop(last, grace, "Unknown", text)
        elif last.state is ContainerState.RUNNING and last.image and last.image != container.image:
            text = f"{title} {container.name} definition changed, will be restarted"
            self._stop(last, grace, "Changed", text)
        elif last.state is ContainerState.RUNNING and needs_restart(container, last):
            self._stop(last, grace, "Changed", RESTART_MESSAGE.format(container.name))
        elif last.state is ContainerState.RUNNING and last.unhealthy:
            text = f"{title} {container.name} failed {last.unhealthy} probe"
            restart = container.restart_policy or self.pod.spec.restart_policy
            if title == "Container" and restart != "Never":
                text += ", will be restarted"
            self._stop(last, self._given(container, last, grace), UNHEALTHY, text)
        elif last.state is ContainerState.RUNNING:
            self._post_start(container, last)

    def _post_start(self, container: Container, last: ObservedContainer) -> None:
        """Run the hook of an instance that has just started; an instance whose hook has failed is stopped."""
        hook = last.post_start
        if container.lifecycle is None or container.lifecycle.post_start is None:
            return
        if hook is None:
            self.actions.append(RunPostStart(last.id, last.name))
        elif hook.state is HookState.FAILED:
            self._stop(last, self._grace(), POST_START_FAILED, POST_START_FAILED)

    def _given(self, container: Container, last: ObservedContainer, grace: int) -> int:
        """The grace of a stop: a failed probe may have one of its own, which need not be the shorter one."""
        probe = {"liveness": container.liveness_probe, "startup": container.startup_probe}.get(last.unhealthy)
        own = probe.termination_grace_period_seconds if probe is not None else None
        return grace if own is None else max(own, LEAST_GRACE_SECONDS)

    def _hooked(self) -> bool:
        """Whether a postStart hook is to be waited for: until then no other container is started."""
        if any(isinstance(action, StartContainer) and self._has_post_start(action.name) for action in self.actions):
            return True
        return any(
            c.state is ContainerState.RUNNING
            and (c.post_start is None or c.post_start.state is HookState.RUNNING)
            and self._has_post_start(c.name)
            for c in self.latest.values()
        )

    def _has_post_start(self, name: str) -> bool:
        found = (c.lifecycle for c in (*self.pod.spec.init_containers, *self.pod.spec.containers) if c.name == name)
        return any(lifecycle is not None and lifecycle.post_start is not None for lifecycle in found)

    def _want(self, container: Container | EphemeralContainer, kind: ContainerKind, in_order: bool = True) -> bool:
        """Start an instance if nothing stands in the way.

        Answers whether the next container may be started: not while this one's image is on its way, since containers
        start in order.
        """
        last = self.latest.get(container.name)
        if last is not None and last.live:
            return in_order
        hold = find_hold(container, self.pod, last, self.observed, self.now)
        if hold is not None:
            self._wake(hold.until)
            if hold.shown_until:
                self._wake(hold.shown_until)
            if hold.event:
                self.notices.append(BackOffNotice(container.name, hold.reason, hold.event))
            return in_order
        image_id = self._image(container, last)
        if image_id is None:
            return False
        sandbox = usable_sandbox(self.observed)
        if in_order and sandbox is not None and not self._hooked():
            if last is not None and last.state is ContainerState.CREATED:
                self.actions.append(RemoveContainer(last.id, last.name))
                back_off = last.back_off
            elif last is not None and self.reset.excused(last):
                back_off = last.back_off  # it has not failed
            else:
                back_off = next_back_off(last, back_off_key(container), self.observed.longest_back_off)
            attempt = next_attempt(self.pod, container.name, last)
            self.actions.append(StartContainer(container.name, kind, attempt, sandbox.id, image_id, back_off))
        return in_order

    def _image(self, container: Container | EphemeralContainer, last: ObservedContainer | None) -> str | None:
        """The id of the image, or ``None`` after a pull has been ordered or while one is under way."""
        attempt = next_attempt(self.pod, container.name, last)
        image = self.observed.images.get(container.name)
        if image is not None and image.image == container.image and image.attempt == attempt:
            if image.state is ImageState.PRESENT:
                return image.image_id
            if image.state is ImageState.PULLING:
                return None
        policy = container.image_pull_policy or "IfNotPresent"
        self.actions.append(PullImage(container.name, container.image, policy, attempt))
        return None

    # --- leftovers ----------------------------------------------------------------------------------------------

    def _collect_garbage(self) -> None:
        """Keep one dead instance of each container, and no dead sandbox that holds no instance."""
        dead: dict[str, ObservedContainer] = {}
        kept = to_keep(self.reset, self.observed.containers)
        for container in sorted(self.observed.containers, key=lambda c: -c.attempt):
            if container.state is not ContainerState.EXITED or container.id == kept:
                continue
            if dead.setdefault(container.name, container) is not container:
                self.actions.append(RemoveContainer(container.id, container.name))
        newest = newest_sandbox(self.observed)
        used = {c.sandbox_id for c in self.observed.containers}
        for sandbox in self.observed.sandboxes:
            if sandbox is not newest and not sandbox.ready and sandbox.id not in used:
                self.actions.append(RemoveSandbox(sandbox.id))

    def _wake(self, at: int) -> None:
        if at > self.now and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at
