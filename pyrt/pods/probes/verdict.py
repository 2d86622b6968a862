"""From single results to a verdict: thresholds, and when probing rests (kubelet, ``prober/worker.go``).

Pure: no clock, no container. A :class:`Course` is what is known of one probe of one container instance.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from pyrt.kube.probes import Probe


class ProbeKind(enum.Enum):
    """Which of a container's probes; the value is the word of events."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class Verdict(enum.Enum):
    """What is held of a container."""

    UNKNOWN = "unknown"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many equal results in a row make a verdict."""

    success: int = 1
    failure: int = 3

    @classmethod
    def of(cls, probe: Probe) -> Thresholds:
        """Those of a defaulted probe."""
        return cls(probe.success_threshold, probe.failure_threshold)


INITIAL = {
    ProbeKind.STARTUP: Verdict.UNKNOWN,
    ProbeKind.LIVENESS: Verdict.SUCCESS,
    ProbeKind.READINESS: Verdict.FAILURE,
}
"""Before the first result."""


@dataclass(frozen=True, slots=True)
class Course:
    """The results of one probe of one container instance so far."""

    kind: ProbeKind
    verdict: Verdict
    last: bool | None = None
    """The last result."""
    run: int = 0
    """How often in a row it was that; not counted beyond the threshold."""
    resting: bool = False
    """Nothing more is asked of this instance: it is to be replaced, or has started."""


def begin(kind: ProbeKind, verdict: Verdict | None = None) -> Course:
    """The course of a new instance; ``verdict`` is what an earlier daemon knew of it already."""
    held = INITIAL[kind] if verdict is None else verdict
    return Course(kind, held, resting=kind is ProbeKind.STARTUP and held is Verdict.SUCCESS)


def advance(course: Course, success: bool, thresholds: Thresholds) -> Course:
    """The course after one more result. Errors are no results and do not come here."""
    run = course.run + 1 if course.last is success else 1
    wanted = thresholds.success if success else thresholds.failure
    if run < wanted:
        return replace(course, last=success, run=run)
    verdict = Verdict.SUCCESS if success else Verdict.FAILURE
    if run > wanted and verdict is course.verdict:
        return course  # nothing new: how most results are
    # A verdict of the startup probe is final for its instance, and so is a failed liveness probe: asking a container
    # on that is about to be killed gives nothing but events.
    resting = course.kind is ProbeKind.STARTUP or (course.kind is ProbeKind.LIVENESS and not success)
    return replace(course, verdict=verdict, last=success, run=run, resting=resting)
