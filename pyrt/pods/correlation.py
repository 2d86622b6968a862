"""Which events are written: similar ones are combined, and an object that has too many is silenced for a while.

The figures and the order of the steps are client-go's (``tools/record/events_cache.go``, EventCorrelator), so what a
user sees of a pod in trouble is what a cluster would show.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000
MOST_SIMILAR: Final = 10
"""From this many different messages of one reason on, they become one event."""
SIMILAR_FOR: Final = 600 * SECOND
"""Nanoseconds of quiet after which similar events are news again."""
BURST: Final = 25
"""Events of one type about one object that are written without delay..."""
REFILL: Final = 300 * SECOND
"""...and how long it takes (nanoseconds) until one more may follow."""
COMBINED: Final = "(combined from similar events): "
_OBJECTS_MAX: Final = 4096
_SKIPPED_MAX: Final = 64


class EventKey(NamedTuple):
    """What makes two events one that happened twice."""

    uid: str
    """Of the object; without one its kind and name."""
    path: str
    type: str
    reason: str
    message: str
    component: str


class Admitted(NamedTuple):
    """An event that is to be written: under which key, with which text, and how often it has happened by now."""

    key: EventKey
    message: str
    times: int


@dataclass(slots=True)
class _Similar:
    """Messages of one reason."""

    seen: set[str] = field(default_factory=set)
    at: int = 0


@dataclass(slots=True)
class _Bucket:
    """Tokens of one type of events."""

    tokens: float
    at: int

    def take(self, now: int) -> bool:
        self.tokens = min(BURST, self.tokens + max(now - self.at, 0) / REFILL)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Object:
    """What is remembered of the events of one object."""

    similar: dict[tuple[str, str, str], _Similar] = field(default_factory=dict)
    buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    skipped: dict[EventKey, int] = field(default_factory=dict)
    """How often an event happened that was not written."""


class Correlator:
    """Remembers the events of the last objects (4096 of them)."""

    def __init__(self) -> None:
        self._objects: OrderedDict[str, _Object] = OrderedDict()

    def admit(self, key: EventKey, now: int) -> Admitted | None:
        """Something happened at ``now`` (nanoseconds of any clock): what is to be written, or ``None`` for nothing."""
        known = self._objects.get(key.uid)
        if known is None:
            known = self._objects[key.uid] = _Object()
            if len(self._objects) > _OBJECTS_MAX:
                self._objects.popitem(last=False)
        text = key.message
        similar = known.similar.get((key.type, key.reason, key.component))
        if similar is None:
            similar = known.similar[key.type, key.reason, key.component] = _Similar()
        elif now - similar.at > SIMILAR_FOR:
            similar.seen.clear()
        similar.seen.add(text)
        similar.at = now
        if len(similar.seen) >= MOST_SIMILAR:
            similar.seen.pop()
            key, text = key._replace(path="", message=COMBINED), COMBINED + text
        bucket = known.buckets.get((key.type, key.component))
        if bucket is None:
            bucket = known.buckets[key.type, key.component] = _Bucket(BURST, now)
        if not bucket.take(now):
            if key in known.skipped or len(known.skipped) < _SKIPPED_MAX:
                known.skipped[key] = known.skipped.get(key, 0) + 1
            return None
        return Admitted(key, text, 1 + (known.skipped.pop(key, 0) if known.skipped else 0))

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._objects.pop(uid, None)
