"""The vocabulary of reconciliation: what is observed of a pod, and what can be done next.

:func:`pyrt.pods.reconcile.reconcile` looks at (pod object, :class:`Observed`, now) and returns a :class:`Decision`;
the pod's worker carries it out and observes again. The contract between the two:

* Actions of a decision are carried out in order. When one fails, the worker records the failure (see
  :class:`Failure`), drops the rest, and observes again.
* :class:`PullImage` and :class:`StopContainer` are begun, not awaited: the worker marks them in what it observes next
  (``ImageState.PULLING``, ``ObservedContainer.stop_deadline``) and reconciles again when they end. All other actions
  are awaited.
* Nothing is remembered between two calls but what is in :class:`Observed`, and all of that except pull and creation
  failures can be read back from the runtime after a daemon restart: a :class:`StartContainer` carries its
  :class:`BackOff`, which the worker stores with the container.

All times are Unix nanoseconds; 0 means not yet. Periods are nanoseconds unless named ``_seconds``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pyrt.ids import ContainerId, SandboxId
from pyrt.kube.resources import ResourceRequirements
from pyrt.runtime.config import Resources
from pyrt.runtime.status import ContainerState

SECOND = 1_000_000_000
"""Nanoseconds."""

User: TypeAlias = tuple[int, int, tuple[int, ...]]
"""uid, gid, supplementary groups."""


class ContainerKind(enum.Enum):
    """Which list of the pod spec a container stands in. A sidecar is an INIT container with restartPolicy Always."""

    INIT = "init"
    APP = "app"
    EPHEMERAL = "ephemeral"


class ImageState(enum.Enum):
    """How far the image of a container is."""

    PULLING = "pulling"
    PRESENT = "present"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that went wrong and will be tried again.

    ``reason`` is the kubelet's word, shown as a container's waiting reason (``ErrImagePull``,
    ``CreateContainerError``). ``count`` is the number of failures in a row; build successors with :meth:`after`.
    """

    reason: str
    message: str
    at: int
    count: int = 1

    @classmethod
    def after(cls, previous: Failure | None, reason: str, message: str, now: int) -> Failure:
        """The failure that follows ``previous``; counting starts afresh after ten quiet minutes, as in the kubelet."""
        if previous is None or now - previous.at > 600 * SECOND:
            return cls(reason, message, now)
        return cls(reason, message, now, previous.count + 1)


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """The outcome of the last :class:`PullImage` for one container.

    ``attempt`` and ``image`` repeat the action's, so that a pull for an earlier attempt or an earlier image is not
    taken for the present one. ``failure`` is kept (with its count) while the next pull is under way, and dropped
    when one succeeds.
    """

    image: str
    attempt: int
    state: ImageState
    image_id: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class BackOff:
    """What :class:`StartContainer` was given and the worker stored with the container (an annotation of it will do)."""

    key: str = ""
    """Changes with the container's image and resources; a changed key resets the delay."""
    delay_seconds: int = 0
    """How long a restart after this instance must wait, counted from its end; 0 for a first instance."""

    def encode(self) -> str:
        """One line of text."""
        return f"{self.delay_seconds} {self.key}"

    @classmethod
    def decode(cls, text: str) -> BackOff:
        """The reverse of :meth:`encode`; unreadable text gives no back-off."""
        delay, _, key = text.partition(" ")
        return cls(key, int(delay)) if delay.isdecimal() else cls()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the node does not take a pod, or what one asks for: the kubelet's word and text."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Eviction:
    """The node wants the pod away, or the pod has used more disk than it may."""

    message: str
    grace_seconds: int
    pressure: bool = False
    """It goes for the node's sake: it gets the condition DisruptionTarget."""


@dataclass(frozen=True, slots=True)
class ObservedResize:
    """Where a pod stands whose resources were changed while it runs."""

    generation: int
    """Of the spec whose resources it was given last."""
    pending: Rejection | None = None
    """Why what it wants now is not given: ``Deferred`` or ``Infeasible``."""
    failure: Failure | None = None
    """The last :class:`ResizePod` failed."""


@dataclass(frozen=True, slots=True)
class ObservedSandbox:
    """A sandbox of the pod, live or dead."""

    id: SandboxId
    attempt: int
    ready: bool
    created_at: int = 0
    addresses: tuple[str, ...] = ()
    resources: Resources | None = None
    """What its cgroup has; known of pods that were resized."""


class HookState(enum.Enum):
    """How far a lifecycle hook is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle hook of one instance, begun or ended; ``message`` tells why it failed."""

    state: HookState
    began: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """One instance of a container, live or dead."""

    id: ContainerId
    name: str
    attempt: int
    state: ContainerState
    sandbox_id: SandboxId
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    """The termination message, or why it could not start."""
    image: str = ""
    """What the spec asked for when it was started (``nginx:latest``)."""
    image_id: str = ""
    """``sha256:...``, of the image's configuration."""
    image_name: str = ""
    """Canonical (``docker.io/library/nginx:latest``), shown as ``image``; ``image`` is shown if it is empty."""
    image_digest: str = ""
    """``docker.io/library/nginx@sha256:...`` if the image has one; shown as ``imageID``."""
    back_off: BackOff = field(default_factory=BackOff)
    stop_deadline: int = 0
    """When a stop under way turns into SIGKILL; 0 while no stop is under way."""
    stop_reason: str = ""
    """The reason of the stop under way or done."""
    started: bool = True
    """The startup probe has passed (or there is none)."""
    ready: bool = True
    """The readiness probe passes (or there is none)."""
    unhealthy: str = ""
    """``liveness`` or ``startup``: the probe that has failed, so that it must be replaced."""
    post_start: Hook | None = None
    pre_stop: Hook | None = None
    stop_began: int = 0
    """When the stop under way or done was ordered, with the preStop hook before it."""
    user: User | None = None
    """uid, gid and supplementary groups of the first process, where known."""
    requirements: ResourceRequirements | None = None
    """What its cgroup has, in the spec's words; known of pods that were resized."""

    @property
    def live(self) -> bool:
        """Whether it may have processes."""
        return self.state is ContainerState.RUNNING or self.state is ContainerState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known of a pod apart from its object."""

    accepted_at: int
    """When the supervisor first saw the pod: ``status.startTime``, and where activeDeadlineSeconds counts from."""
    sandboxes: tuple[ObservedSandbox, ...] = ()
    containers: tuple[ObservedContainer, ...] = ()
    """Every instance of every kind, in any order."""
    images: Mapping[str, ObservedImage] = field(default_factory=dict)
    """By container name."""
    failures: Mapping[str, Failure] = field(default_factory=dict)
    """By container name: the last :class:`StartContainer` failed before there was an instance (reasons
    CreateContainerConfigError, CreateContainerError, RunContainerError). Dropped by the worker on success."""
    sandbox_failure: Failure | None = None
    """The last :class:`CreateSandbox` failed. Dropped on success."""
    volumes_ready: bool = False
    volume_images: Mapping[str, str] = field(default_factory=dict)
    """By volume name: the digest references of image volumes."""
    volumes_failure: Failure | None = None
    """The last :class:`PrepareVolumes` failed. Dropped on success, and when something has changed that volumes are made
    from."""
    volumes_stale: bool = False
    """Something that a volume is made from has changed."""
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    apparmor: bool = True
    """Whether the kernel has it."""
    """What the node lets pods ask for beyond the safe set."""
    rejection: Rejection | None = None
    """The node did not take the pod."""
    eviction: Eviction | None = None
    resize: ObservedResize | None = None
    """``None``: its resources were never changed."""
    longest_back_off: int = 300
    """Seconds: the most that the node has a container wait for its restart."""


@dataclass(frozen=True, slots=True)
class PullImage:
    """Make the image present as imagePullPolicy says. For Never and IfNotPresent an image that is there answers at
    once. Begun, not awaited.
    """

    container: str
    image: str
    policy: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PrepareVolumes:
    """Make the directories of the pod's volumes and check its host paths."""


@dataclass(frozen=True, slots=True)
class RefreshVolumes:
    """Bring volumes up to date that are made from objects of the API, or from the pod's."""


@dataclass(frozen=True, slots=True)
class ReleaseVolumes:
    """The pod has ended: remove the directories of its volumes."""


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Make the pod's sandbox."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """End a sandbox: its processes (none should be left), namespaces and addresses."""

    sandbox_id: SandboxId
    reason: str = ""
    """``SandboxChanged`` when a new one is wanted; empty when the pod ends."""


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Forget a stopped sandbox and what the runtime keeps of it."""

    sandbox_id: SandboxId


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create and start an instance of a container."""

    name: str
    kind: ContainerKind
    attempt: int
    """The restart count of the instance; also the name of its log file."""
    sandbox_id: SandboxId
    image_id: str
    back_off: BackOff


@dataclass(frozen=True, slots=True)
class RunPostStart:
    """Run the postStart hook of an instance that has just started. Begun, not awaited: ``post_start`` tells."""

    container_id: ContainerId
    name: str


@dataclass(frozen=True, slots=True)
class RunPreStop:
    """Run the preStop hook of an instance that is to be stopped; its StopContainer follows when ``pre_stop`` says that
    the hook is done, or when its time is over. Begun, not awaited. ``reason`` and ``message`` are the stop's.
    """

    container_id: ContainerId
    name: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Send the stop signal, and SIGKILL after the grace; 0 kills at once. Begun, not awaited. May come again with a
    shorter grace while a stop is under way.
    """

    container_id: ContainerId
    name: str
    grace_seconds: int
    reason: str
    """For the record: ``Deleted``, ``DeadlineExceeded``, ``Finished``, ``Changed``, ``SandboxChanged``, ``Unknown``,
    ``RestartAllContainers``."""
    message: str
    """The text of the Killing event."""


@dataclass(frozen=True, slots=True)
class ResizeStep:
    """One write of cgroup limits: of a container, or (without ``container_id``) of the pod."""

    resources: Resources
    container_id: ContainerId | None = None
    name: str = ""
    requirements: ResourceRequirements | None = None
    """What the container has after this step, in the spec's words."""
    shrinks_memory_to: int = 0
    """Bytes, if it takes memory away: to be refused while more is in use. Else 0."""


@dataclass(frozen=True, slots=True)
class ResizePod:
    """Give a running pod other limits, step by step."""

    sandbox_id: SandboxId
    steps: tuple[ResizeStep, ...]


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Forget a dead instance, its log and its writable layer."""

    container_id: ContainerId
    name: str


@dataclass(frozen=True, slots=True)
class RemovePod:
    """The last action of a deleted pod: volumes, directories, pulls under way, and then the object itself."""


Action: TypeAlias = (
    PullImage
    | PrepareVolumes
    | RefreshVolumes
    | ReleaseVolumes
    | CreateSandbox
    | StopSandbox
    | RemoveSandbox
    | StartContainer
    | RunPostStart
    | RunPreStop
    | StopContainer
    | ResizePod
    | RemoveContainer
    | RemovePod
)


@dataclass(frozen=True, slots=True)
class BackOffNotice:
    """A container that waits before it is tried again: the text of a BackOff event. Reported as long as it waits."""

    container: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and when to look again if nothing happens before."""

    actions: tuple[Action, ...] = ()
    wake_at: int | None = None
    notices: tuple[BackOffNotice, ...] = ()
