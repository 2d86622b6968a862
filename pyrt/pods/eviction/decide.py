"""One look at the node: which pressures there are, what is to be reclaimed, and who goes (pure).

After ``synchronize`` of the kubelet's eviction manager (``pkg/kubelet/eviction/eviction_manager.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyrt.config.eviction import Eviction as Settings
from pyrt.kube.pod import Pod
from pyrt.kube.qos import qos_class
from pyrt.pods.allocation import is_critical
from pyrt.pods.eviction import messages
from pyrt.pods.eviction.ranking import ranked
from pyrt.pods.eviction.thresholds import (
    MEMORY_PRESSURE,
    Observation,
    Signal,
    Threshold,
    met,
    thresholds,
)
from pyrt.pods.eviction.usage import PodUsage
from pyrt.pods.model import SECOND, Eviction, Rejection

HARD_GRACE_SECONDS = 1
"""For a pod that must go at once; a container always gets two seconds."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one look leaves to the next."""

    since: Mapping[Threshold, int] = field(default_factory=dict)
    """When each threshold that is crossed was crossed."""
    unresolved: tuple[Threshold, ...] = ()
    """Those whose grace is over, until their minimum reclaim is reached."""
    observed: Mapping[str, int] = field(default_factory=dict)
    """When each condition was last seen."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What the node is short of."""

    threshold: Threshold
    crossed: tuple[Threshold, ...]

    @property
    def resource(self) -> str:
        """``memory``."""
        return self.threshold.signal.resource


@dataclass(frozen=True, slots=True)
class Look:
    """The outcome of a look at the signals."""

    memory: Memory
    conditions: tuple[str, ...]
    """The node's pressures, by name."""
    shortfall: Shortfall | None
    """What must be done something about, now."""


def look(settings: Settings, before: Memory, seen: Mapping[Signal, Observation], now: int) -> Look:
    """Compare the signals with the thresholds at ``now`` (Unix nanoseconds)."""
    crossed = list(met(thresholds(settings), seen))
    crossed += [t for t in met(before.unresolved, seen, with_reclaim=True) if t not in crossed]
    since = {t: before.since.get(t, now) for t in crossed}
    observed = dict(before.observed) | {t.signal.condition: now for t in crossed}
    period = settings.pressure_transition_seconds * SECOND
    conditions = tuple(sorted(name for name, at in observed.items() if at == now or now - at < period))
    due = tuple(t for t in crossed if now - since[t] >= t.grace)
    memory = Memory(since, due, {name: at for name, at in observed.items() if name in conditions})
    if not due:
        return Look(memory, conditions, None)
    order = list(Signal)
    first = min(due, key=lambda t: (t.signal is not Signal.MEMORY, not t.hard, order.index(t.signal)))
    return Look(memory, conditions, Shortfall(first, due))


def resolved(settings: Settings, seen: Mapping[Signal, Observation]) -> bool:
    """Whether, after images and dead containers were removed, no pod has to go."""
    return not met(thresholds(settings), seen, with_reclaim=True)


def choose(
    settings: Settings,
    shortfall: Shortfall,
    seen: Mapping[Signal, Observation],
    pods: Iterable[PodUsage],
    *,
    own_imagefs: bool = False,
) -> tuple[PodUsage, Eviction] | None:
    """The one pod that goes in this round; ``None`` if there is none that may."""
    candidates = [usage for usage in pods if not is_critical(usage.pod)]
    if not candidates:
        return None
    first = ranked(shortfall.threshold.signal, candidates, own_imagefs=own_imagefs)[0]
    grace = HARD_GRACE_SECONDS
    if not shortfall.threshold.hard:
        own = first.pod.spec.termination_grace_period_seconds
        grace = min(settings.max_pod_grace_seconds, 30 if own is None else own)
    text = messages.low(shortfall.resource, first, shortfall.crossed, seen)
    return first, Eviction(text, grace, pressure=True)


def refuse(pod: Pod, conditions: tuple[str, ...]) -> Rejection | None:
    """Why a node under pressure does not take a new pod. Short of memory alone, it takes all that ask for any."""
    if not conditions or is_critical(pod):
        return None
    if conditions == (MEMORY_PRESSURE,) and (qos_class(pod) != "BestEffort" or _tolerates(pod)):
        return None
    return Rejection(messages.REASON, messages.refused(conditions))


def _tolerates(pod: Pod) -> bool:
    taint = "node.kubernetes.io/memory-pressure"
    return any(
        t.key in ("", taint) and t.effect in ("", "NoSchedule") and (t.operator == "Exists" or (t.key and not t.value))
        for t in pod.spec.tolerations
    )
