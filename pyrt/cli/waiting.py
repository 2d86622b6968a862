"""Watch one object until something is true of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pyrt.client.api import Api
from pyrt.client.errors import ApiError, DeadlineError
from pyrt.client.resources import Resource

GONE = 410

Object = dict[str, Any]


def until(
    api: Api,
    resource: Resource,
    namespace: str,
    name: str,
    holds: Callable[[Object | None], bool],
    *,
    deadline: float | None = None,
) -> Object | None:
    """The object as it was when ``holds`` first said yes; ``None`` stands for an object that does not exist.

    Every change is looked at. ``deadline`` is a time of ``time.monotonic``. Raises :class:`DeadlineError`, in kubectl's
    words.
    """
    path = resource.path(namespace)
    query = {"fieldSelector": f"metadata.name={name}"}
    late = DeadlineError(f"timed out waiting for the condition on {resource.name}/{name}")
    while True:
        listing = api.get(path, query)
        items = listing.get("items") or [None]
        if holds(items[0]):
            found: Object | None = items[0]
            return found
        version = (listing.get("metadata") or {}).get("resourceVersion", "")
        try:
            for kind, item in api.watch(path, {**query, "resourceVersion": version}, deadline=deadline):
                current = None if kind == "DELETED" else item
                if kind != "BOOKMARK" and holds(current):
                    return current
        except DeadlineError:
            raise late from None
        except ApiError as error:
            if error.code != GONE:
                raise
        if deadline is not None and time.monotonic() >= deadline:
            raise late


def until_gone(
    api: Api, resource: Resource, namespace: str, name: str, uid: str, *, deadline: float | None = None
) -> None:
    """Wait until the object with this uid is no more; a new one of the same name is none of our business."""

    def gone(item: Object | None) -> bool:
        return item is None or (bool(uid) and (item.get("metadata") or {}).get("uid") != uid)

    until(api, resource, namespace, name, gone, deadline=deadline)


def deadline_in(seconds: float) -> float:
    """A time of ``time.monotonic``."""
    return time.monotonic() + seconds
