"""How long to wait before something is tried again: the kubelet's figures.

A container that ended is restarted at once the first time, then 10 s after its end, doubling to 300 s; when an
instance ran for more than ten minutes the count starts afresh. The delay travels with the instance
(:class:`~pyrt.pods.model.BackOff`), so it survives the daemon.
"""

from __future__ import annotations

import hashlib

import msgspec

from pyrt.kube.container import Container, EphemeralContainer
from pyrt.pods.model import SECOND, BackOff, Failure, ObservedContainer

FIRST_SECONDS = 10
LONGEST_SECONDS = 300
RESET_SECONDS = 600
"""An instance that ran longer than this clears the delay."""

CREATE_RETRY_SECONDS = 10
"""Between attempts to create a container or a sandbox: constant, as the kubelet's pod workers retry."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def back_off_key(container: Container | EphemeralContainer) -> str:
    """What the delay belongs to: a new image or new resources begin afresh."""
    resources = container.resources
    if not resources.limits and not resources.requests:
        return container.image
    digest = hashlib.blake2s(_encode(resources), digest_size=6).hexdigest()
    return f"{container.image} {digest}"


def _in_force(last: ObservedContainer, key: str) -> bool:
    back_off = last.back_off
    if back_off.delay_seconds == 0 or back_off.key != key:
        return False
    return last.finished_at - last.created_at <= RESET_SECONDS * SECOND


def delay_of(last: ObservedContainer, longest: int = LONGEST_SECONDS) -> int:
    """The seconds that a dead instance has its successor wait; ``longest`` is what the node allows now."""
    return min(last.back_off.delay_seconds, longest)


def restart_at(last: ObservedContainer, key: str, longest: int = LONGEST_SECONDS) -> int:
    """The earliest time to replace a dead instance; its end if there is nothing to wait for."""
    if not _in_force(last, key):
        return last.finished_at
    return last.finished_at + delay_of(last, longest) * SECOND


def next_back_off(last: ObservedContainer | None, key: str, longest: int = LONGEST_SECONDS) -> BackOff:
    """What the instance that replaces ``last`` carries."""
    if last is None:
        return BackOff(key)
    if not _in_force(last, key):
        return BackOff(key, min(FIRST_SECONDS, longest))
    return BackOff(key, min(last.back_off.delay_seconds * 2, longest))


def pull_delay(failure: Failure) -> int:
    """Nanoseconds to wait after the last failed pull: 10 s, doubling to 300 s."""
    return min(FIRST_SECONDS << min(failure.count - 1, 10), LONGEST_SECONDS) * SECOND


def create_delay() -> int:
    """Nanoseconds to wait after a container or sandbox could not be created."""
    return CREATE_RETRY_SECONDS * SECOND


def volume_delay(failure: Failure) -> int:
    """Nanoseconds to wait after volumes could not be made ready: 0.5 s, doubling to 122 s."""
    return min(SECOND // 2 << min(failure.count - 1, 10), 122 * SECOND)


def period_text(seconds: int) -> str:
    """As Go prints a duration: ``10s``, ``2m40s``, ``5m0s``."""
    return f"{seconds}s" if seconds < 60 else f"{seconds // 60}m{seconds % 60}s"
