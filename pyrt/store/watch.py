"""Changes of objects, in order, for whoever wants to follow them.

The store keeps the last changes of each kind in memory. A :class:`Watch` is a place in that list and nothing more, so
a slow reader costs no memory of its own; one that falls behind what is kept gets :class:`~pyrt.store.Gone`, as the
Kubernetes API answers 410, and lists again.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from pyrt.store.errors import FutureVersion, Gone


class ChangeType(enum.Enum):
    """The ``type`` of a Kubernetes watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One row: the raw JSON, and the columns by which it is found."""

    kind: str
    namespace: str
    """Empty for kinds without namespaces."""
    name: str
    uid: str
    resource_version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change. ``object`` is the state after it; of a deletion, the last state with a new version."""

    type: ChangeType
    object: StoredObject

    @property
    def resource_version(self) -> int:
        """The version that this change made."""
        return self.object.resource_version


@dataclass(slots=True)
class _Log:
    """The kept changes of one kind; ``first`` counts those dropped, ``floor`` is the last dropped version."""

    floor: int
    first: int = 0
    changes: list[Change] = field(default_factory=list)


class History:
    """What the store's transactions append to and watches read from."""

    def __init__(self, start: int, limit: int) -> None:
        """Changes up to version ``start`` are not known; keep at least ``limit`` changes of each kind."""
        self._start = start
        self._latest = start
        self._limit = limit
        self._logs: dict[str, _Log] = {}
        self._watches: dict[str, set[Watch]] = {}

    def append(self, change: Change) -> None:
        """Record a committed change and wake the watches of its kind."""
        log = self.log(change.object.kind)
        log.changes.append(change)
        self._latest = change.resource_version
        if len(log.changes) >= 2 * self._limit:
            # In blocks, so that the cost per change is constant.
            dropped = len(log.changes) - self._limit
            log.floor = log.changes[dropped - 1].resource_version
            del log.changes[:dropped]
            log.first += dropped
        for watch in self._watches.get(change.object.kind, ()):
            watch.wake()

    def log(self, kind: str) -> _Log:
        """The kept changes of ``kind``."""
        log = self._logs.get(kind)
        if log is None:
            log = self._logs[kind] = _Log(floor=self._start)
        return log

    def watch(self, kind: str, namespace: str | None, since: int | None, current: int) -> Watch:
        """A watch from just after version ``since``; ``None`` is now. Raises Gone, FutureVersion."""
        log = self.log(kind)
        if since is None or since == current:
            position = log.first + len(log.changes)
        elif since > current:
            raise FutureVersion(f"too large resource version: {since}, current: {current}", subject=f"watch of {kind}")
        elif since < log.floor:
            raise Gone(f"too old resource version: {since} ({log.floor})", subject=f"watch of {kind}")
        else:
            position = log.first + _count_up_to(log.changes, since)
        watch = Watch(self, kind, namespace, position)
        self._watches.setdefault(kind, set()).add(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Stop waking it."""
        self._watches.get(watch.kind, set()).discard(watch)


def _count_up_to(changes: list[Change], version: int) -> int:
    low, high = 0, len(changes)
    while low < high:
        middle = (low + high) // 2
        if changes[middle].resource_version <= version:
            low = middle + 1
        else:
            high = middle
    return low


class Watch:
    """The changes of one kind, in order, each exactly once. From :meth:`pyrt.store.Objects.watch`.

    ``async for change in watch`` waits for more until :meth:`close`; :meth:`drain` takes what there is. Both raise
    :class:`~pyrt.store.Gone` when changes were dropped before this watch saw them. One reader at a time.
    """

    def __init__(self, history: History, kind: str, namespace: str | None, position: int) -> None:
        self.kind = kind
        self.namespace = namespace
        self._history = history
        self._position = position
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def drain(self) -> list[Change]:
        """Everything since the last call, without waiting."""
        log = self._history.log(self.kind)
        if self._position < log.first:
            self.close()
            raise Gone(f"changes up to version {log.floor} were missed", subject=f"watch of {self.kind}")
        fresh = log.changes[self._position - log.first :]
        self._position += len(fresh)
        if self.namespace is None:
            return fresh
        return [change for change in fresh if change.object.namespace == self.namespace]

    async def next_changes(self) -> list[Change]:
        """Wait for at least one change and return all there are; empty once the watch is closed."""
        while not self._closed:
            changes = self.drain()
            if changes:
                return changes
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return []

    async def __aiter__(self) -> AsyncIterator[Change]:
        while changes := await self.next_changes():
            for change in changes:
                yield change

    def wake(self) -> None:
        """Let a waiting reader look again. For :class:`History`."""
        if self._waiter is not None and not self._waiter.done():
            # In a later turn: whoever made the change goes first, and several changes are read together.
            self._waiter.get_loop().call_soon(_finish, self._waiter)

    def close(self) -> None:
        """End the watch; a waiting reader returns. Idempotent."""
        self._closed = True
        self._history.forget(self)
        with contextlib.suppress(RuntimeError):  # the loop that the reader waited on is closed already
            self.wake()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
