"""``[eviction]``: which pods go when the node runs short of something."""

from __future__ import annotations

import re

from pyrt.config.section import QUANTITY, Section, require

_PERCENT = re.compile(r"(100|[0-9]{1,2}(\.[0-9]+)?)%")
SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
)
"""What the node watches: kubelet's eviction signals."""


class Eviction(Section, frozen=True, kw_only=True):
    """``[eviction]``: which pods go when the node runs short of something. Thresholds are ``{ signal = amount }``; the
    signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and
    pid.available; an amount is a quantity or a percentage, and ``"0%"`` switches a threshold off.
    """

    enabled: bool = True
    """Watch the signals and the pods' own limits of local storage."""
    hard: dict[str, str] = {}
    """Pods are evicted at once. Default: memory.available 100Mi, nodefs.available 10%, nodefs.inodesFree 5%,
    imagefs.available 15%, imagefs.inodesFree 5%, pid.available 1%; what is given here replaces single ones."""
    soft: dict[str, str] = {}
    """Pods are evicted when it has lasted for ``soft_grace_seconds``."""
    soft_grace_seconds: dict[str, int] = {}
    """For every soft threshold, how long it is endured."""
    minimum_reclaim: dict[str, str] = {}
    """How much beyond a threshold must be free again before its eviction ends."""
    max_pod_grace_seconds: int = 0
    """The most that a pod evicted for a soft threshold gets to end."""
    pressure_transition_seconds: int = 300
    """How long the node says that it is under pressure after it was last seen."""
    interval_seconds: int = 10
    """Between two looks."""

    def __post_init__(self) -> None:
        for key in ("hard", "soft", "minimum_reclaim"):
            for signal, amount in getattr(self, key).items():
                require(signal in SIGNALS, key, f"expected signals of {', '.join(SIGNALS)}, got {signal!r}")
                valid = QUANTITY.fullmatch(amount) or _PERCENT.fullmatch(amount)
                require(valid is not None, key, f'expected a quantity or a percentage for {signal}, got "{amount}"')
        missing = self.soft.keys() ^ self.soft_grace_seconds.keys()
        require(not missing, "soft_grace_seconds", f"expected a grace for each soft threshold: {', '.join(missing)}")
        require(self.max_pod_grace_seconds >= 0, "max_pod_grace_seconds", "expected 0 or more seconds")
        require(self.pressure_transition_seconds >= 0, "pressure_transition_seconds", "expected 0 or more seconds")
        require(self.interval_seconds >= 1, "interval_seconds", "expected 1 second or more")
