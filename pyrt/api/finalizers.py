"""Finalizers of kinds that are only stored: a deleted object stays, marked, until the last finalizer is taken away
(apiserver, ``registry/generic/registry/store.go``). Pods have the supervisor for this.
"""

from __future__ import annotations

import time

from pyrt.api.resources import Resource
from pyrt.kube.meta import ObjectMeta
from pyrt.kube.times import to_text
from pyrt.store import Store, StoredObject


def mark(store: Store, resource: Resource, item: StoredObject) -> StoredObject | None:
    """The object, marked as deleted, if finalizers hold it; ``None`` if nothing does."""
    if b'"finalizers"' not in item.data:
        return None
    value = resource.strategy.load(item)
    meta: ObjectMeta = value.metadata
    if not meta.finalizers:
        return None
    if meta.deletion_timestamp is not None:
        return item
    meta.deletion_timestamp, meta.deletion_grace_period_seconds = to_text(time.time_ns()), 0

    def encoded(version: int) -> bytes:
        meta.resource_version = str(version)
        return resource.strategy.encode(value)

    return store.objects.update(resource.kind, meta.namespace, meta.name, encoded, uid=item.uid)


def released(meta: ObjectMeta) -> bool:
    """Whether an object was to go and only its finalizers have kept it, of which none is left."""
    return meta.deletion_timestamp is not None and not meta.finalizers and not meta.deletion_grace_period_seconds
