"""Where a pod stands in its life: how far its initialisation is, and whether and why it is at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrt.kube.container import Container
from pyrt.kube.pod import Pod
from pyrt.pods.apparmor import asks_for_apparmor
from pyrt.pods.model import SECOND, Observed, ObservedContainer, ObservedSandbox
from pyrt.pods.reset import NONE, Reset, find_reset
from pyrt.pods.restart import is_sidecar, newest_sandbox, ran_for_good, restarts, should_restart, usable_sandbox
from pyrt.pods.sysctls import forbidden
from pyrt.runtime.status import ContainerState

TERMINAL = ("Succeeded", "Failed")
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
REFUSED = "Pod was rejected: "
"""Before the message of pods that are never begun (kubelet, ``rejectPod``)."""
NO_APPARMOR_MESSAGE = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
WRONG_OS_MESSAGE = "Failed to admit pod as the OS field doesn't match node OS"


@dataclass(frozen=True, slots=True)
class InitProgress:
    """How far the init containers are in the present sandbox.

    ``done``: the containers may run. ``failed``: one failed that is not tried again. ``to_start``: those to be
    started now (sidecars to be restarted first, then the next in line).
    """

    done: bool
    failed: bool
    to_start: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a pod must end although its containers might run on: the status it gets."""

    reason: str
    message: str


def init_progress(
    pod: Pod, latest: Mapping[str, ObservedContainer], sandbox: ObservedSandbox | None, reset: Reset = NONE
) -> InitProgress:
    """Look at the init containers' instances in ``sandbox`` since the last ``reset``; what was before is redone."""
    inits = pod.spec.init_containers
    if not inits:
        return InitProgress(True, False, ())
    if sandbox is None:
        return InitProgress(False, False, ())

    def instance(container: Container) -> ObservedContainer | None:
        found = latest.get(container.name)
        return found if found is not None and found.sandbox_id == sandbox.id and not reset.ended(found) else None

    def down(container: Container) -> bool:
        found = instance(container)
        return found is None or not found.live

    if any(instance(c) is not None for c in pod.spec.containers):
        return InitProgress(True, False, tuple(c for c in inits if is_sidecar(c) and down(c)))
    reached = max((i for i, c in enumerate(inits) if instance(c) is not None), default=-1)
    restarts = [c for c in inits[: max(reached, 0)] if is_sidecar(c) and down(c)]
    if reached >= 0:
        at = inits[reached]
        found = instance(at)
        assert found is not None
        if is_sidecar(at):
            if found.state is not ContainerState.RUNNING:
                return InitProgress(False, False, (*restarts, *((at,) if not found.live else ())))
            if not found.started:
                return InitProgress(False, False, tuple(restarts))
        elif found.live:
            return InitProgress(False, False, tuple(restarts))
        elif found.state is ContainerState.CREATED:
            return InitProgress(False, False, (*restarts, at))
        elif found.exit_code != 0:
            again = should_restart(at, pod.spec, found.exit_code)
            return InitProgress(False, not again, (*restarts, at) if again else ())
    if reached + 1 == len(inits):
        return InitProgress(True, False, tuple(restarts))
    return InitProgress(False, False, (*restarts, inits[reached + 1]))


def verdict(pod: Pod, observed: Observed, now: int) -> Verdict | None:
    """What ends the pod from outside: a refusal by the node, an eviction, or the deadline."""
    if observed.rejection is not None:
        return Verdict(observed.rejection.reason, REFUSED + observed.rejection.message)
    if pod.spec.os is not None and pod.spec.os.name not in ("", "linux"):
        return Verdict("PodOSNotSupported", REFUSED + WRONG_OS_MESSAGE)
    if not observed.apparmor and asks_for_apparmor(pod):
        return Verdict("AppArmor", REFUSED + NO_APPARMOR_MESSAGE)
    if sysctl := forbidden(pod, observed.allowed_unsafe_sysctls):
        return Verdict("SysctlForbidden", f'{REFUSED}forbidden sysctl: "{sysctl}" not allowlisted')
    if observed.eviction is not None:
        return Verdict("Evicted", observed.eviction.message)
    deadline = pod.spec.active_deadline_seconds
    if deadline is not None and now >= observed.accepted_at + deadline * SECOND:
        return Verdict("DeadlineExceeded", DEADLINE_MESSAGE)
    return None


def ending(pod: Pod, observed: Observed, latest: Mapping[str, ObservedContainer], now: int) -> str | None:
    """Why the pod is to be wound down (``Deleted``, a verdict's reason, ``Finished``); ``None`` while it lives on."""
    if pod.metadata.deletion_timestamp is not None:
        return "Deleted"
    if pod.status.phase in TERMINAL:
        return "Finished"
    found = verdict(pod, observed, now)
    if found is not None:
        return found.reason
    return "Finished" if _finished(pod, observed, latest) else None


def _finished(pod: Pod, observed: Observed, latest: Mapping[str, ObservedContainer]) -> bool:
    spec = pod.spec
    apps = [latest.get(c.name) for c in spec.containers]
    sandbox = usable_sandbox(observed)
    reset = find_reset(pod, observed.containers)
    if sandbox is None:
        if newest_sandbox(observed) is None and not observed.containers:
            # Nothing has been done yet, or the runtime has lost its records: then the last status is what is known.
            return all(ran_for_good(pod, container) for container in spec.containers)
        if spec.restart_policy == "Never":
            # A pod that may not restart does not get a second sandbox once one of its containers has run.
            inits = (latest.get(c.name) for c in spec.init_containers)
            if any(c is not None and c.state is not ContainerState.CREATED for c in (*inits, *apps)):
                return not any(c.live for c in observed.containers)
    elif init_progress(pod, latest, sandbox, reset).failed:
        return True
    for container, last in zip(spec.containers, apps, strict=True):
        if last is None and ran_for_good(pod, container):
            continue
        if last is None or last.state is not ContainerState.EXITED or last.stop_reason == "Changed":
            return False
        if reset.ended(last) or restarts(container, spec, last):
            return False
    return True
