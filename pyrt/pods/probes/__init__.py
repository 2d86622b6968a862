"""Liveness, readiness and startup probes of pods.

verdict holds the thresholds (pure), prober the times, one module each the four handlers; all network handlers share one
poller and one timetable.
"""

from pyrt.pods.probes.prober import PodProbes, Prober, Standing, has_probes
from pyrt.pods.probes.verdict import ProbeKind

__all__ = ["PodProbes", "ProbeKind", "Prober", "Standing", "has_probes"]
