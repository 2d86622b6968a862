"""SQLite (WAL): Kubernetes objects with resource versions and watches, and small key/value tables.

One :class:`Store` per daemon, used on the event loop's thread only. The store knows nothing of kinds: an object is
its kind, namespace, name and uid, a resource version, and the raw JSON that the caller decodes. A new kind is a new
value in a column.

How durable a commit is, is the caller's choice per transaction. What an operator asked for (create, delete, update of
an object) is ``durable``: on disk before the answer (one fdatasync, 0.2 to 0.7 ms). What the runtime observes (status,
sandboxes, containers, addresses) is not (``synchronous=NORMAL``, 0.03 ms): it survives ``kill -9`` of the daemon at any
instant, and may lose its last moments in a power cut, which takes every process it speaks of with it.
"""

from __future__ import annotations

from pyrt.store.database import Store
from pyrt.store.errors import (
    AlreadyExists,
    Conflict,
    FutureVersion,
    Gone,
    NotFound,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreLocked,
)
from pyrt.store.objects import Encode, Objects
from pyrt.store.table import Table
from pyrt.store.watch import Change, ChangeType, StoredObject, Watch

__all__ = [
    "AlreadyExists",
    "Change",
    "ChangeType",
    "Conflict",
    "Encode",
    "FutureVersion",
    "Gone",
    "NotFound",
    "Objects",
    "Store",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoredObject",
    "Table",
    "Watch",
]
