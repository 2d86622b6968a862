"""CPU in use now, from what was used until now: the difference of two looks."""

from __future__ import annotations

from dataclasses import dataclass

_SECOND = 1_000_000_000
SHORTEST = _SECOND // 10
"""Nanoseconds below which a difference says more of the clock's tick than of the container."""


@dataclass(frozen=True, slots=True)
class _Base:
    at: int
    usage: int
    rate: int | None


class Rates:
    """One base for each thing that is looked at. A look within a second of its base leaves that in place, so that
    several callers do not spoil each other's figures.
    """

    def __init__(self) -> None:
        self._bases: dict[str, _Base] = {}

    def nano_cores(self, key: str, at: int, usage: int) -> int | None:
        """CPU nanoseconds a second. ``at``: Unix nanoseconds; ``usage``: CPU nanoseconds until then.

        ``None`` as long as there is nothing to compare with, and when the counter began anew.
        """
        base = self._bases.get(key)
        if base is None or usage < base.usage or at <= base.at:
            self._bases[key] = _Base(at, usage, None)
            return None
        elapsed = at - base.at
        if elapsed < SHORTEST:
            return base.rate
        rate = (usage - base.usage) * _SECOND // elapsed
        if elapsed >= _SECOND:
            self._bases[key] = _Base(at, usage, rate)
        return rate

    def forget(self, key: str) -> None:
        """It is gone."""
        self._bases.pop(key, None)
