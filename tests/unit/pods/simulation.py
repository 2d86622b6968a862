"""A pod's worker without effects: carries out decisions on a virtual clock, instantly and without failure unless told
otherwise. What it observes is what a real worker would."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyrt.ids import ContainerId, SandboxId
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStatus, PodStatus
from pyrt.kube.times import to_text
from pyrt.pods import model
from pyrt.pods.model import SECOND, Action, Decision, Failure, ImageState, Observed, ObservedContainer, ObservedImage
from pyrt.pods.reconcile import reconcile
from pyrt.pods.status import Node, compute_status
from pyrt.runtime.status import ContainerState

START = 1_800_000_000 * SECOND
NODE = Node("machine", ("192.0.2.1", "2001:db8::1"))


@dataclass
class World:
    """One pod and everything around it. ``step`` reconciles until nothing is left to do at this instant."""

    pod: Pod
    now: int = START
    observed: Observed = field(default_factory=lambda: Observed(accepted_at=START))
    pull_errors: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By image: (reason, message)."""
    start_errors: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By container."""
    pull_seconds: float = 0
    log: list[tuple[float, Action]] = field(default_factory=list)
    removed: bool = False
    last: Decision = field(default_factory=Decision)
    pulls_done_at: dict[str, int] = field(default_factory=dict)
    on_round: Callable[[World], None] | None = None
    on_action: Callable[[World, Action], None] | None = None
    unstarted: set[str] = field(default_factory=set)
    """Containers whose next instance's startup probe has not passed yet."""
    hook_seconds: float = 0
    """How long each lifecycle hook takes."""
    hooks_fail: bool = False
    hooks_done_at: dict[tuple[str, str], int] = field(default_factory=dict)
    """By container id and attribute (``post_start``)."""

    # --- driving ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        for _ in range(200):
            if self.removed:
                return
            self._finish_pulls()
            self._finish_hooks()
            self.pod.status = compute_status(self.pod, self.observed, self.now, NODE)
            if self.on_round is not None:
                self.on_round(self)
            self.last = reconcile(self.pod, self.observed, self.now)
            if not self.last.actions:
                return
            for action in self.last.actions:
                self.log.append(((self.now - START) / SECOND, action))
                if self.on_action is not None:
                    self.on_action(self, action)
                if not self._do(action):
                    break
        raise AssertionError(f"no rest: {self.last.actions}")

    def run(self, seconds: float) -> None:
        """Let time pass, waking up when asked to."""
        until = self.now + int(seconds * SECOND)
        self.step()
        while not self.removed:
            ends = (*self.pulls_done_at.values(), *self.hooks_done_at.values())
            events = [t for t in (self.last.wake_at, *ends, *self._kills()) if t]
            nearest = min((t for t in events if t > self.now), default=until)
            if nearest >= until:
                break
            self.now = nearest
            self._kill_overdue()
            self.step()
        self.now = until
        if not self.removed:
            self._kill_overdue()
            self.step()

    def exit(self, name: str, code: int = 0, reason: str = "", *, then: bool = True) -> None:
        """The newest live instance of a container ends."""
        live = [c for c in self.observed.containers if c.name == name and c.state is ContainerState.RUNNING]
        ended = dataclasses.replace(
            live[-1], state=ContainerState.EXITED, exit_code=code, finished_at=self.now, reason=reason
        )
        self._swap(live[-1], ended)
        if then:
            self.step()

    def passes(self, name: str) -> None:
        """The startup probe of a container passes, now and from now on."""
        self.unstarted.discard(name)
        for found in self.observed.containers:
            if found.name == name and found.live:
                self._swap(found, dataclasses.replace(found, started=True))
        self.step()

    def fails(self, name: str, probe: str = "liveness") -> None:
        """A probe of a container has failed often enough."""
        for found in self.observed.containers:
            if found.name == name and found.state is ContainerState.RUNNING:
                self._swap(found, dataclasses.replace(found, unhealthy=probe))
        self.step()

    def delete(self, grace: int = 30) -> None:
        self.pod.metadata.deletion_timestamp = to_text(self.now + grace * SECOND)
        self.pod.metadata.deletion_grace_period_seconds = grace
        self.step()

    def lose_sandbox(self) -> None:
        """The pod process dies and takes everything with it."""
        self.observed = dataclasses.replace(
            self.observed,
            sandboxes=tuple(dataclasses.replace(s, ready=False) for s in self.observed.sandboxes),
            containers=tuple(
                dataclasses.replace(c, state=ContainerState.EXITED, exit_code=137, finished_at=self.now, reason="Error")
                if c.live
                else c
                for c in self.observed.containers
            ),
        )

    # --- looking ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> PodStatus:
        return compute_status(self.pod, self.observed, self.now, NODE)

    def container(self, name: str) -> ContainerStatus:
        status = self.status
        everything = (
            *status.container_statuses,
            *status.init_container_statuses,
            *status.ephemeral_container_statuses,
        )
        return next(s for s in everything if s.name == name)

    def running(self) -> list[str]:
        return [c.name for c in self.observed.containers if c.state is ContainerState.RUNNING]

    def starts(self, name: str) -> list[float]:
        """When instances of a container were started, in seconds."""
        return [at for at, a in self.log if isinstance(a, model.StartContainer) and a.name == name]

    def done(self, kind: type) -> list[tuple[float, Action]]:
        return [(at, a) for at, a in self.log if isinstance(a, kind)]

    # --- carrying out -----------------------------------------------------------------------------------------------

    def _change(self, **changes: object) -> None:
        self.observed = dataclasses.replace(self.observed, **changes)  # type: ignore[arg-type]

    def _swap(self, old: ObservedContainer, new: ObservedContainer) -> None:
        self._change(containers=tuple(new if c is old else c for c in self.observed.containers))

    def _image(self, name: str, image: ObservedImage) -> None:
        images: Mapping[str, ObservedImage] = {**self.observed.images, name: image}
        self._change(images=images)

    def _finish_pulls(self) -> None:
        for name, at in list(self.pulls_done_at.items()):
            if at > self.now:
                continue
            del self.pulls_done_at[name]
            image = self.observed.images[name]
            error = self.pull_errors.get(image.image)
            if error is None:
                self._image(name, ObservedImage(image.image, image.attempt, ImageState.PRESENT, "sha256:" + "1" * 64))
            else:
                failure = Failure.after(image.failure, *error, self.now)
                self._image(name, ObservedImage(image.image, image.attempt, ImageState.FAILED, failure=failure))

    def _begin_hook(self, container_id: str, point: str) -> None:
        found = next(c for c in self.observed.containers if c.id == container_id)
        assert found.state is ContainerState.RUNNING
        assert getattr(found, point) is None, f"{point} twice"
        hook = model.Hook(model.HookState.RUNNING, self.now)
        self._swap(found, dataclasses.replace(found, **{point: hook}))  # type: ignore[arg-type]
        self.hooks_done_at[container_id, point] = self.now + int(self.hook_seconds * SECOND)
        self._finish_hooks()

    def _finish_hooks(self) -> None:
        for (container_id, point), at in list(self.hooks_done_at.items()):
            if at > self.now:
                continue
            del self.hooks_done_at[container_id, point]
            state = model.HookState.FAILED if self.hooks_fail else model.HookState.DONE
            for found in self.observed.containers:
                if found.id == container_id and (hook := getattr(found, point)) is not None:
                    ended = {point: dataclasses.replace(hook, state=state, message="no" if self.hooks_fail else "")}
                    self._swap(found, dataclasses.replace(found, **ended))

    def _kills(self) -> list[int]:
        return [c.stop_deadline for c in self.observed.containers if c.live and c.stop_deadline]

    def _kill_overdue(self) -> None:
        for container in self.observed.containers:
            if container.live and container.stop_deadline and container.stop_deadline <= self.now:
                self.exit(container.name, 137, "Error", then=False)

    def _do(self, action: Action) -> bool:
        o = self.observed
        match action:
            case model.PullImage(name, image, _, attempt):
                before = o.images.get(name)
                failure = before.failure if before is not None and before.image == image else None
                self._image(name, ObservedImage(image, attempt, ImageState.PULLING, failure=failure))
                self.pulls_done_at[name] = self.now + int(self.pull_seconds * SECOND)
                self._finish_pulls()
            case model.PrepareVolumes():
                self._change(volumes_ready=True)
            case model.ReleaseVolumes():
                self._change(volumes_ready=False)
            case model.CreateSandbox(attempt):
                assert not any(s.ready for s in o.sandboxes), "two sandboxes"
                made = model.ObservedSandbox(
                    SandboxId(f"s{attempt}"), attempt, True, self.now, (f"10.0.0.{attempt + 2}", f"fd00::{attempt + 2}")
                )
                self._change(sandboxes=(*o.sandboxes, made))
            case model.StopSandbox(sandbox_id):
                gone = (dataclasses.replace(s, ready=False) if s.id == sandbox_id else s for s in o.sandboxes)
                self._change(sandboxes=tuple(gone))
            case model.RemoveSandbox(sandbox_id):
                self._change(sandboxes=tuple(s for s in o.sandboxes if s.id != sandbox_id))
            case model.StartContainer(name, _, attempt, sandbox_id, _, back_off):
                assert not any(c.live for c in o.containers if c.name == name), f"two instances of {name}"
                error = self.start_errors.get(name)
                if error is not None:
                    self._change(failures={**o.failures, name: Failure.after(o.failures.get(name), *error, self.now)})
                    return False
                spec = self.pod.spec
                image = next(
                    c.image
                    for c in (*spec.containers, *spec.init_containers, *spec.ephemeral_containers)
                    if c.name == name
                )
                made_c = ObservedContainer(
                    ContainerId(f"{name}-{attempt}"),
                    name,
                    attempt,
                    ContainerState.RUNNING,
                    sandbox_id,
                    created_at=self.now,
                    started_at=self.now,
                    image=image,
                    image_id="sha256:" + "1" * 64,
                    back_off=model.BackOff.decode(back_off.encode()),
                    started=name not in self.unstarted,
                )
                failures = {k: v for k, v in o.failures.items() if k != name}
                self._change(containers=(*o.containers, made_c), failures=failures)
            case model.StopContainer(container_id, _, grace, reason, _):
                found = next(c for c in o.containers if c.id == container_id)
                assert found.live
                deadline, began = self.now + grace * SECOND, found.stop_began or self.now
                stopped = dataclasses.replace(found, stop_deadline=deadline, stop_reason=reason, stop_began=began)
                self._swap(found, stopped)
                self._kill_overdue()
            case model.RunPostStart(container_id):
                self._begin_hook(container_id, "post_start")
            case model.RunPreStop(container_id, _, reason, _):
                found = next(c for c in o.containers if c.id == container_id)
                self._swap(found, dataclasses.replace(found, stop_reason=reason, stop_began=self.now))
                self._begin_hook(container_id, "pre_stop")
            case model.RemoveContainer(container_id):
                assert not next(c for c in o.containers if c.id == container_id).live
                self._change(containers=tuple(c for c in o.containers if c.id != container_id))
            case model.RemovePod():
                assert not any(c.live for c in o.containers)
                assert not o.sandboxes
                assert not o.containers
                self.removed = True
        return True
