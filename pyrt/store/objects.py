"""Kubernetes objects: create, get, list, update, delete and watch, with one resource version over all kinds.

The rules are those of the API conventions (kubernetes/community, api-conventions.md, "Concurrency Control and
Consistency"): every change gives a new version; an update may say which version it expects to replace; a deletion
has a version of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyrt.store.errors import AlreadyExists, Conflict, NotFound, StoreError
from pyrt.store.watch import Change, ChangeType, StoredObject, Watch

if TYPE_CHECKING:
    from pyrt.store.database import Store

Encode = bytes | Callable[[int], bytes]
"""An object's JSON, or a function that makes it once the new resource version is known (to write it inside)."""

_COLUMNS = "kind, namespace, name, uid, resource_version, data"


class Objects:
    """The objects of all kinds. ``store.objects``.

    Each call is a transaction of its own, or part of the ``store.transaction()`` around it. Creating, updating and
    deleting is durable unless told otherwise; a status update is not (see :mod:`pyrt.store`).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, kind: str, namespace: str, name: str, uid: str, data: Encode, *, durable: bool = True
    ) -> StoredObject:
        """Add an object. Raises :class:`AlreadyExists`."""
        store = self._store
        with store.transaction(durable=durable):
            version = store.next_resource_version()
            item = StoredObject(kind, namespace, name, uid, version, data if isinstance(data, bytes) else data(version))
            try:
                store.execute(
                    f"INSERT INTO objects ({_COLUMNS}, touched) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (kind, namespace, name, uid, version, item.data, int(time.time())),
                )
            except StoreError as error:
                if self.find(kind, namespace, name) is None:
                    raise
                raise AlreadyExists("already exists", subject=_subject(kind, namespace, name)) from error
            self._record(ChangeType.ADDED, item)
        return item

    def find(self, kind: str, namespace: str, name: str) -> StoredObject | None:
        """The object, or ``None``."""
        row = self._store.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND namespace = ? AND name = ?", (kind, namespace, name)
        ).fetchone()
        return None if row is None else _from_row(row)

    def get(self, kind: str, namespace: str, name: str) -> StoredObject:
        """The object. Raises :class:`NotFound`."""
        item = self.find(kind, namespace, name)
        if item is None:
            raise NotFound("not found", subject=_subject(kind, namespace, name))
        return item

    def find_uid(self, uid: str) -> StoredObject | None:
        """The object with that uid, of whatever kind."""
        row = self._store.execute(f"SELECT {_COLUMNS} FROM objects WHERE uid = ?", (uid,)).fetchone()
        return None if row is None else _from_row(row)

    def list(self, kind: str, namespace: str | None = None) -> tuple[list[StoredObject], int]:
        """The objects of a kind, by namespace and name, and the resource version of that list to watch from.

        ``namespace`` ``None`` is all of them.
        """
        if namespace is None:
            cursor = self._store.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE kind = ? ORDER BY namespace, name", (kind,)
            )
        else:
            cursor = self._store.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND namespace = ? ORDER BY name", (kind, namespace)
            )
        return [_from_row(row) for row in cursor], self._store.resource_version

    def update(
        self,
        kind: str,
        namespace: str,
        name: str,
        data: Encode,
        *,
        expected: int | None = None,
        uid: str | None = None,
        durable: bool = True,
    ) -> StoredObject:
        """Replace an object's JSON.

        ``expected`` is the resource version that is meant to be replaced, ``uid`` the object that is meant; ``None``
        replaces whatever is there. JSON equal to what is stored changes nothing, as in Kubernetes: no new version, no
        event. Raises :class:`NotFound`, :class:`Conflict`.
        """
        store = self._store
        with store.transaction(durable=durable):
            old = self._checked(kind, namespace, name, expected, uid)
            encoded = data if isinstance(data, bytes) else data(old.resource_version)
            if encoded == old.data:
                return old
            version = store.next_resource_version()
            if not isinstance(data, bytes):
                encoded = data(version)
            item = StoredObject(kind, namespace, name, old.uid, version, encoded)
            store.execute(
                "UPDATE objects SET resource_version = ?, data = ?, touched = ? "
                "WHERE kind = ? AND namespace = ? AND name = ?",
                (version, encoded, int(time.time()), kind, namespace, name),
            )
            self._record(ChangeType.MODIFIED, item)
        return item

    def update_status(
        self, kind: str, namespace: str, name: str, data: Encode, *, expected: int | None = None, uid: str | None = None
    ) -> StoredObject:
        """:meth:`update` for what was observed and can be observed again: not durable, 0.05 ms."""
        return self.update(kind, namespace, name, data, expected=expected, uid=uid, durable=False)

    def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        data: Encode | None = None,
        expected: int | None = None,
        uid: str | None = None,
        durable: bool = True,
    ) -> StoredObject:
        """Remove an object and return its last state, which carries the version of the deletion.

        ``data`` replaces the JSON of that last state (with the new version inside); ``None`` leaves it as it was.
        Raises :class:`NotFound`, :class:`Conflict`.
        """
        store = self._store
        with store.transaction(durable=durable):
            old = self._checked(kind, namespace, name, expected, uid)
            version = store.next_resource_version()
            last = old.data if data is None else data if isinstance(data, bytes) else data(version)
            item = StoredObject(kind, namespace, name, old.uid, version, last)
            store.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", (kind, namespace, name))
            self._record(ChangeType.DELETED, item)
        return item

    def expire(self, kind: str, before: int, *, keep: int | None = None) -> int:
        """Delete objects not written to since ``before`` (Unix seconds), and the oldest beyond ``keep``; how many.

        What a time to live does for Kubernetes' events. Watchers see the deletions.
        """
        store = self._store
        with store.transaction():
            stale = store.execute(
                f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND touched < ?", (kind, before)
            ).fetchall()
            if keep is not None:
                stale += store.execute(
                    f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND touched >= ? "
                    "ORDER BY touched DESC, resource_version DESC LIMIT -1 OFFSET ?",
                    (kind, before, keep),
                ).fetchall()
            for row in stale:
                self.delete(row[0], row[1], row[2], durable=False)
        return len(stale)

    def watch(self, kind: str, namespace: str | None = None, *, since: int | None = None) -> Watch:
        """Follow the changes of a kind from just after resource version ``since`` (``None``: from now).

        Raises :class:`~pyrt.store.Gone` if changes since then are not kept, and
        :class:`~pyrt.store.FutureVersion` if there was no such version yet.
        """
        return self._store.history.watch(kind, namespace, since, self._store.resource_version)

    def _checked(self, kind: str, namespace: str, name: str, expected: int | None, uid: str | None) -> StoredObject:
        old = self.get(kind, namespace, name)
        if uid is not None and uid != old.uid:
            raise Conflict(
                f"the object has another uid: expected {uid}, found {old.uid}",
                subject=_subject(kind, namespace, name),
                current=old.resource_version,
            )
        if expected is not None and expected != old.resource_version:
            raise Conflict(
                "the object has been modified; please apply your changes to the latest version and try again",
                subject=_subject(kind, namespace, name),
                current=old.resource_version,
            )
        return old

    def _record(self, change: ChangeType, item: StoredObject) -> None:
        self._store.on_commit(lambda: self._store.history.append(Change(change, item)))


def _subject(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _from_row(row: Any) -> StoredObject:
    kind, namespace, name, uid, version, data = row
    return StoredObject(kind, namespace, name, uid, version, data)
