"""Watches: changes as a stream of JSON lines (Kubernetes API concepts, "Efficient detection of changes")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from pyrt.api.errors import ApiError, bad_request, expired
from pyrt.api.listing import Selection, fetch
from pyrt.api.query import flag, integer
from pyrt.kube.response import StatusCause, StatusDetails
from pyrt.store import Change, ChangeType, FutureVersion, Gone, Store, StoredObject, Watch

BOOKMARK_SECONDS: Final = 60.0
"""How often a client that asked for bookmarks learns the version, so that it can come back later without a list."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a watch was asked for."""

    version: int | None
    """Changes after it; ``None`` begins with everything there is."""
    bookmarks: bool = False
    initial_events: bool = False
    """Everything there is, closed by a bookmark with an annotation (KEP-3157)."""
    timeout: float | None = None
    """Seconds."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> WatchOptions:
        """From the query. Raises ApiError 400."""
        version = integer(query, "resourceVersion", minimum=0) or None
        initial = flag(query, "sendInitialEvents")
        bookmarks = flag(query, "allowWatchBookmarks")
        if initial and query.get("resourceVersionMatch") != "NotOlderThan":
            raise bad_request(
                "sendInitialEvents: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
        timeout = integer(query, "timeoutSeconds", minimum=0)
        return cls(None if initial else version, bookmarks, initial, float(timeout) if timeout else None)


Encode = Callable[[StoredObject], bytes]
"""The JSON of one object in the form that the client wants."""


async def stream(
    store: Store, selection: Selection, namespace: str, options: WatchOptions, encode: Encode
) -> AsyncIterator[bytes]:
    """Yield the stream's lines until the time is up.

    Raises
    ------
    ApiError: 504 for a version that is still to come. A version too old is told in the stream, as an ERROR event.
    """
    resource = selection.resource
    existing, current = fetch(store, resource, namespace)
    seen = _Seen(selection)
    try:
        watch = store.objects.watch(resource.kind, namespace or None, since=options.version)
    except Gone as error:
        yield _error(expired(error.message))
        return
    except FutureVersion as error:
        raise too_large(error.message) from error
    with contextlib.closing(watch):
        if options.version is None:
            for item in existing:
                if seen.select(item):
                    yield _line(ChangeType.ADDED.value, encode(item))
            if options.initial_events and options.bookmarks:
                yield _bookmark(selection, current, initial=True)
        else:
            seen.prime(existing, options.version)
        async for line in _changes(store, watch, seen, selection, options, encode):
            yield line


async def _changes(
    store: Store, watch: Watch, seen: _Seen, selection: Selection, options: WatchOptions, encode: Encode
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + options.timeout if options.timeout is not None else None
    while True:
        wait = None if ends is None else ends - loop.time()
        if options.bookmarks:
            wait = BOOKMARK_SECONDS if wait is None else min(wait, BOOKMARK_SECONDS)
        try:
            changes = await _next(watch, wait)
        except Gone as error:
            yield _error(expired(error.message))
            return
        except TimeoutError:
            if options.bookmarks:
                yield _bookmark(selection, store.resource_version)
            if ends is not None and loop.time() >= ends:
                return
            continue
        if not changes:
            return
        lines = [_line(kind, encode(item)) for kind, item in map(seen.translate, changes) if kind]
        if lines:
            yield b"".join(lines)


async def _next(watch: Watch, wait: float | None) -> list[Change]:
    if wait is None:
        return await watch.next_changes()
    async with asyncio.timeout(max(wait, 0)):
        return await watch.next_changes()


class _Seen:
    """Which objects the client knows: one that stops matching the selector is DELETED for it, and one that begins to
    is ADDED.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._known: set[str] | None = None if selection.everything else set()
        self._unknown: set[str] = set()

    def select(self, item: StoredObject) -> bool:
        if self._known is None:
            return True
        if matches := self._selection.matches(item):
            self._known.add(item.uid)
        return matches

    def prime(self, existing: list[StoredObject], since: int) -> None:
        """Work out what a client that listed at ``since`` knows."""
        if self._known is None:
            return
        for item in existing:
            if item.resource_version <= since:
                self.select(item)
            else:
                # Changed since, and how it was is forgotten: if it does not match, telling of its end does no harm.
                self._unknown.add(item.uid)

    def translate(self, change: Change) -> tuple[str, StoredObject]:
        """The event's type for this client, empty for none."""
        item = change.object
        if self._known is None:
            return change.type.value, item
        doubtful = item.uid in self._unknown
        self._unknown.discard(item.uid)
        known = item.uid in self._known
        if change.type is ChangeType.DELETED:
            self._known.discard(item.uid)
            return ("DELETED" if known or doubtful or self._selection.matches(item) else ""), item
        if self._selection.matches(item):
            self._known.add(item.uid)
            return ("MODIFIED" if known or (doubtful and change.type is ChangeType.MODIFIED) else "ADDED"), item
        self._known.discard(item.uid)
        return ("DELETED" if known or (doubtful and change.type is ChangeType.MODIFIED) else ""), item


def _line(kind: str, data: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + data + b"}\n"


def _bookmark(selection: Selection, version: int, *, initial: bool = False) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    resource = selection.resource
    return _line(
        "BOOKMARK",
        msgspec.json.encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}),
    )


def _error(error: ApiError) -> bytes:
    return _line("ERROR", msgspec.json.encode(error.status()))


def too_large(message: str) -> ApiError:
    """504, as client-go recognises it."""
    causes = [StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")]
    return ApiError(
        504, "Timeout", message[:1].upper() + message[1:], StatusDetails(causes=causes, retry_after_seconds=1)
    )
