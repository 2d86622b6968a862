"""Why a container is not started now: for :mod:`reconcile` (when to look again) and :mod:`status` (what to say)."""

from __future__ import annotations

from dataclasses import dataclass

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.pods.backoff import back_off_key, create_delay, delay_of, period_text, pull_delay, restart_at
from pyrt.pods.model import SECOND, ImageState, Observed, ObservedContainer
from pyrt.pods.reset import find_reset
from pyrt.pods.restart import POST_START_FAILED, remembered
from pyrt.runtime.status import ContainerState

SHOW_ERROR = 3 * SECOND
"""How long an error is shown by its own name before the back-off takes its place."""

START_FAILURES = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})
"""Reasons of an instance that ended before its program began."""

_STANDING = frozenset({"ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"})
"""Image errors that keep their name during the back-off."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A container that waits.

    ``until`` is when it is tried again, ``shown_until`` when ``reason`` gives way to a back-off's (0: it does not).
    ``event`` is the text of a BackOff event; empty if this is no back-off.
    """

    reason: str
    message: str
    until: int
    shown_until: int = 0
    event: str = ""


def pod_text(pod: Pod) -> str:
    """``name_namespace(uid)``, as in the kubelet's messages."""
    meta = pod.metadata
    return f"{meta.name}_{meta.namespace}({meta.uid})"


def next_attempt(pod: Pod, name: str, last: ObservedContainer | None) -> int:
    """The attempt that follows: after the last instance, or after what the status remembers if the runtime does not."""
    if last is not None:
        # One that was made and never started (the daemon died in between) has not been an attempt yet.
        return last.attempt + (last.state is not ContainerState.CREATED)
    known = remembered(pod, name)
    return 0 if known is None else known.restart_count + bool(known.container_id)


def find_hold(
    container: Container | EphemeralContainer, pod: Pod, last: ObservedContainer | None, observed: Observed, now: int
) -> Hold | None:
    """The reason why the next instance of ``container`` has to wait, or ``None`` if it may be tried now."""
    ended = last is not None and last.state is ContainerState.EXITED and last.stop_reason != "Changed"
    if ended and last is not None and isinstance(container, Container):
        hold = _crash(container, pod, last, observed, now)
        if hold is not None:
            return hold
    return _creation(container, observed, now) or _image(container, pod, last, observed, now)


def _crash(container: Container, pod: Pod, last: ObservedContainer, observed: Observed, now: int) -> Hold | None:
    key, longest = back_off_key(container), observed.longest_back_off
    until = restart_at(last, key, longest)
    if now >= until or find_reset(pod, observed.containers).excused(last):
        return None
    if last.reason in START_FAILURES and now < last.finished_at + SHOW_ERROR:
        return Hold("RunContainerError", last.message, until, last.finished_at + SHOW_ERROR)
    hook = last.post_start
    if last.stop_reason == POST_START_FAILED and hook is not None and now < last.finished_at + SHOW_ERROR:
        return Hold("PostStartHookError", hook.message, until, last.finished_at + SHOW_ERROR)
    text = (
        f"back-off {period_text(delay_of(last, longest))} restarting failed container={container.name} "
        f"pod={pod_text(pod)}"
    )
    event = f"Back-off restarting failed container {container.name} in pod {pod_text(pod)}"
    return Hold("CrashLoopBackOff", text, until, event=event)


def _creation(container: Container | EphemeralContainer, observed: Observed, now: int) -> Hold | None:
    failure = observed.failures.get(container.name)
    if failure is None or now >= failure.at + create_delay():
        return None
    return Hold(failure.reason, failure.message, failure.at + create_delay())


def _image(
    container: Container | EphemeralContainer, pod: Pod, last: ObservedContainer | None, observed: Observed, now: int
) -> Hold | None:
    image = observed.images.get(container.name)
    if image is None or image.image != container.image or image.attempt != next_attempt(pod, container.name, last):
        return None
    failure = image.failure
    if image.state is not ImageState.FAILED or failure is None:
        return None
    until = failure.at + pull_delay(failure)
    if now >= until:
        return None
    if failure.reason in _STANDING:
        return Hold(failure.reason, failure.message, until)
    if now < failure.at + SHOW_ERROR:
        return Hold(failure.reason, failure.message, until, failure.at + SHOW_ERROR)
    text = f'Back-off pulling image "{container.image}": {failure.reason}: {failure.message}'
    return Hold("ImagePullBackOff", text, until, event=f'Back-off pulling image "{container.image}"')
