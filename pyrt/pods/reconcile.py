"""What to do next for a pod: one pure function of the pod's object, what is observed, and the time.

The order is the kubelet's: a pod that ends (deleted, past its deadline, refused, done) is wound down; else a sandbox
is made; then init containers one at a time; then the containers in the order of the spec. Restarted sidecars and
removal of old instances go on the side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
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
    StartContainer,
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
from pyrt.pods.stopping import Stopping
from pyrt.runtime.status import ContainerState


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
    stopping: Stopping = field(init=False)

    def __post_init__(self) -> None:
        self.stopping = Stopping(self.pod, self.observed, self.now, self.actions, self._wake)

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
        if self.stopping.everyone(reason):
            return
        for sandbox in self.observed.sandboxes:
            if sandbox.ready:
                self.actions.append(StopSandbox(sandbox.id))
        if self.pod.metadata.deletion_timestamp is not None:
            self.actions += [RemoveContainer(c.id, c.name) for c in self.observed.containers]
            self.actions += [RemoveSandbox(s.id) for s in self.observed.sandboxes]
            self.actions.append(RemovePod())
        elif self.observed.volumes_ready:
            self.actions.append(ReleaseVolumes())

    # --- the sandbox --------------------------------------------------------------------------------------------

    def _sandbox(self) -> bool:
        """Whether the sandbox is there. If not, what leads to it has been ordered."""
        if usable_sandbox(self.observed) is not None:
            return True
        message = "Pod sandbox changed, it will be killed and re-created."
        for container in self.observed.containers:
            if container.live:
                self.stopping.one(container, "SandboxChanged", message)
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
            self.stopping.force(container, RESTART_ALL, f"Stopping container {container.name}")
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
        stop = self.stopping.one
        if last.pre_stop is not None:
            stop(last, last.stop_reason, "", container if last.unhealthy else None)  # begun is begun
        elif last.state is ContainerState.UNKNOWN:
            text = f'{title} is in "unknown" state, try killing it before restart'
            stop(last, "Unknown", text)
        elif last.state is ContainerState.RUNNING and last.image and last.image != container.image:
            text = f"{title} {container.name} definition changed, will be restarted"
            stop(last, "Changed", text)
        elif last.state is ContainerState.RUNNING and needs_restart(container, last):
            stop(last, "Changed", RESTART_MESSAGE.format(container.name))
        elif last.state is ContainerState.RUNNING and last.unhealthy:
            text = f"{title} {container.name} failed {last.unhealthy} probe"
            restart = container.restart_policy or self.pod.spec.restart_policy
            if title == "Container" and restart != "Never":
                text += ", will be restarted"
            stop(last, UNHEALTHY, text, container)
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
            self.stopping.one(last, POST_START_FAILED, POST_START_FAILED)

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
