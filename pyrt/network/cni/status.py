"""Whether pods can have a network, in CRI's words."""

from __future__ import annotations

from dataclasses import dataclass

NOT_READY = "NetworkPluginNotReady"
"""The reason that kubelets know."""


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """CRI's condition ``NetworkReady``."""

    ready: bool
    reason: str = ""
    """One word; empty when it is ready."""
    message: str = ""
