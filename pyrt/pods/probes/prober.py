"""Probing: when each probe of a container is asked, and what is held of the container because of it.

The kubelet's rules (``prober/worker.go``, ``prober/prober_manager.go``): a startup probe comes first and alone;
liveness and readiness begin when it has succeeded. Readiness is asked at once, the others after a period, none before
its initialDelaySeconds. Results of an earlier daemon stand until there is a new one: a restart of the daemon makes
nobody unready, and first probes are then spread over a period. No task and no timer a probe: see :mod:`timetable`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pyrt.ids import ContainerId
from pyrt.kube.container import Container, EphemeralContainer
from pyrt.kube.pod import Pod
from pyrt.kube.podstatus import ContainerStatus as KnownStatus
from pyrt.kube.probes import Probe
from pyrt.pods.probes.checks import make_check
from pyrt.pods.probes.poller import Poller
from pyrt.pods.probes.report import Attempt, Check, Outcome, Report
from pyrt.pods.probes.timetable import Entry, Timetable
from pyrt.pods.probes.verdict import Course, ProbeKind, Thresholds, Verdict, advance, begin
from pyrt.runtime import Runtime

log = logging.getLogger(__name__)

_TRIES: Final = 3
"""How often an asking that gives an error is repeated (kubelet, ``maxProbeRetries``)."""
_SECOND: Final = 1_000_000_000

Warn = Callable[[str, str, str], None]
"""An event: reason, message, container."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is held of one container instance. Without probes it is started, ready and well."""

    started: bool = True
    ready: bool = True
    failed: ProbeKind | None = None
    """The probe because of which it must be replaced."""


class Prober:
    """What the probes of all pods share. Nothing is made before a pod has a probe."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.began_at = time.time_ns()

    @cached_property
    def timetable(self) -> Timetable:
        """The one timer."""
        return Timetable()

    @cached_property
    def poller(self) -> Poller:
        """The one set of sockets."""
        return Poller()

    def close(self) -> None:
        """Ask no more."""
        for name in ("timetable", "poller"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()


def probes_of(container: Container | EphemeralContainer) -> dict[ProbeKind, Probe]:
    """A container's probes by kind."""
    pairs = (
        (ProbeKind.STARTUP, container.startup_probe),
        (ProbeKind.LIVENESS, container.liveness_probe),
        (ProbeKind.READINESS, container.readiness_probe),
    )
    return {kind: probe for kind, probe in pairs if probe is not None}


def has_probes(pod: Pod) -> bool:
    """Whether any container of the pod has a probe."""
    return any(probes_of(c) for c in (*pod.spec.init_containers, *pod.spec.containers))


class PodProbes:
    """The probes of one pod. ``wake`` is called when what is held of a container has changed."""

    def __init__(self, prober: Prober, warn: Warn, wake: Callable[[], None]) -> None:
        self._prober = prober
        self._warn = warn
        self._wake = wake
        self._instances: dict[ContainerId, _Instance] = {}

    def follow(
        self,
        container: Container | EphemeralContainer,
        container_id: ContainerId,
        *,
        started_at: int,
        address: str,
        ending: bool,
        known: KnownStatus | None,
    ) -> Standing:
        """A container runs: probe it if that is not done yet; what is held of it.

        ``ending``: it is on its way down, so only readiness is still asked for. ``known`` is what the pod's last status
        says of this very instance; it counts when an earlier daemon wrote it.
        """
        probes = probes_of(container)
        if not probes or isinstance(container, EphemeralContainer):
            return Standing()
        instance = self._instances.get(container_id)
        if instance is None:
            made_before = started_at < self._prober.began_at
            instance = self._instances[container_id] = _Instance(
                [
                    _Probing(kind, probe, container, container_id, address, known if made_before else None, self)
                    for kind, probe in probes.items()
                ],
                started_at,
                spread=made_before,
            )
        instance.go_on(ending)
        return instance.standing()

    def retain(self, running: Collection[ContainerId]) -> None:
        """Forget the instances that run no more."""
        for container_id in [found for found in self._instances if found not in running]:
            self._instances.pop(container_id).stop()

    def close(self) -> None:
        """Ask no more."""
        self.retain(())

    @property
    def prober(self) -> Prober:
        """What is shared."""
        return self._prober

    def warn(self, reason: str, message: str, container: str) -> None:
        """Tell an event."""
        self._warn(reason, message, container)

    def changed(self) -> None:
        """What is held of a container has changed."""
        self._wake()


class _Instance:
    """The probes of one container instance."""

    def __init__(self, probings: list[_Probing], started_at: int, *, spread: bool) -> None:
        self._probings = {probing.course.kind: probing for probing in probings}
        self._started_at = started_at
        self._spread = spread

    def standing(self) -> Standing:
        started = self._holds(ProbeKind.STARTUP, Verdict.SUCCESS)
        failed = next(
            (
                kind
                for kind in (ProbeKind.LIVENESS, ProbeKind.STARTUP)
                if kind in self._probings and self._probings[kind].course.verdict is Verdict.FAILURE
            ),
            None,
        )
        return Standing(started, started and self._holds(ProbeKind.READINESS, Verdict.SUCCESS), failed)

    def _holds(self, kind: ProbeKind, verdict: Verdict) -> bool:
        probing = self._probings.get(kind)
        return probing is None or probing.course.verdict is verdict

    def go_on(self, ending: bool) -> None:
        """Begin what may be asked by now, and stop what may not be asked any more."""
        started = self._holds(ProbeKind.STARTUP, Verdict.SUCCESS)
        for kind, probing in self._probings.items():
            if ending and kind is not ProbeKind.READINESS:
                probing.stop()
            elif not probing.begun and (started or kind is ProbeKind.STARTUP):
                probing.start(self._started_at, self._spread)

    def stop(self) -> None:
        for probing in self._probings.values():
            probing.stop()


class _Probing:
    """One probe of one container instance: its next time, the asking under way, the course so far."""

    __slots__ = (
        "_attempt",
        "_check",
        "_container",
        "_due",
        "_entry",
        "_failed",
        "_limit",
        "_owner",
        "_period",
        "_probe",
        "_stopped",
        "_thresholds",
        "begun",
        "course",
    )

    def __init__(
        self,
        kind: ProbeKind,
        probe: Probe,
        container: Container,
        container_id: ContainerId,
        address: str,
        known: KnownStatus | None,
        owner: PodProbes,
    ) -> None:
        self._probe = probe
        self._container = container.name
        self._owner = owner
        self._thresholds = Thresholds.of(probe)
        self._period = max(probe.period_seconds, 1)
        self.course: Course = begin(kind, _remembered(kind, known))
        prober = owner.prober
        self._check: Check = make_check(probe, container, container_id, address, prober.runtime, prober.poller)
        self._due = 0.0
        self._failed = 0
        self._entry: Entry | None = None
        self._limit: Entry | None = None
        self._attempt: Attempt | None = None
        self._stopped = False
        self.begun = False

    def start(self, started_at: int, spread: bool) -> None:
        """Set the first time: ``started_at`` is the container's start (Unix ns); ``spread``: somewhere in a period."""
        self.begun = True
        if self.course.resting or self._stopped:
            return
        delay = (started_at + self._probe.initial_delay_seconds * _SECOND - time.time_ns()) / _SECOND
        if spread:
            delay = max(delay, random.random() * self._period)
        elif self.course.kind is not ProbeKind.READINESS and self._probe.initial_delay_seconds == 0:
            delay = max(delay, self._period)
        self._plan(self._owner.prober.timetable.now() + max(delay, 0))

    def stop(self) -> None:
        """Ask no more; the verdict stands."""
        self._stopped = True
        for entry in (self._entry, self._limit):
            if entry is not None:
                entry.cancel()
        self._entry = self._limit = None
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None

    def _plan(self, due: float) -> None:
        self._due = due
        self._entry = self._owner.prober.timetable.at(due, self._ask)

    def _ask(self) -> None:
        self._entry = None
        self._failed = 0
        self._try()

    def _try(self) -> None:
        answered = False

        def done(report: Report) -> None:
            nonlocal answered
            answered = True
            self._answered(report)

        try:
            attempt = self._check.begin(done)
        except Exception:
            log.exception("container %s: internal error of its probe", self._container)
            self._answered(Report(Outcome.ERROR, "internal error"))
            return
        if answered or self._stopped:
            return
        self._attempt = attempt
        if not self._check.keeps_time:
            timetable = self._owner.prober.timetable
            self._limit = timetable.at(timetable.now() + self._probe.timeout_seconds, self._expired)

    def _expired(self) -> None:
        self._limit = None
        if self._attempt is not None:
            self._answered(self._attempt.expire())

    def _answered(self, report: Report) -> None:
        self._attempt = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if self._stopped:
            return
        if report.outcome is Outcome.ERROR and self._failed + 1 < _TRIES:
            self._failed += 1
            self._owner.prober.timetable.at(0, self._retry)
            return
        kind, before = self.course.kind, self.course
        self._tell(report)
        if report.outcome is not Outcome.ERROR:
            self.course = advance(self.course, report.outcome is not Outcome.FAILURE, self._thresholds)
        if not self.course.resting:
            self._next()
        if self.course.verdict is not before.verdict or (kind is ProbeKind.STARTUP and self.course.resting):
            self._owner.changed()

    def _retry(self) -> None:
        if not self._stopped:
            self._try()

    def _next(self) -> None:
        """A period later; after an asking that took longer at once, and then on the beat again (Go's Ticker)."""
        now = self._owner.prober.timetable.now()
        missed = int((now - self._due) / self._period)
        self._plan(self._due + self._period * max(missed, 1))

    def _tell(self, report: Report) -> None:
        word = self.course.kind.value
        match report.outcome:
            case Outcome.FAILURE:
                self._owner.warn("Unhealthy", f"{word} probe failed: {report.text}", self._container)
            case Outcome.WARNING:
                self._owner.warn("ProbeWarning", f"{word} probe warning: {report.text}", self._container)
            case Outcome.ERROR:
                text = f"{word} probe errored and resulted in {report.outcome.value} state: {report.text}"
                self._owner.warn("Unhealthy", text, self._container)


def _remembered(kind: ProbeKind, known: KnownStatus | None) -> Verdict | None:
    """What an earlier daemon held of the instance."""
    if known is None:
        return None
    if (kind is ProbeKind.STARTUP and known.started) or (kind is ProbeKind.READINESS and known.ready):
        return Verdict.SUCCESS
    return None
