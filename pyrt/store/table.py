"""Key/value tables for what is no Kubernetes object: allocations, images, sandboxes, containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyrt.store.database import Store


class Table:
    """One named table of byte strings. From :meth:`pyrt.store.Store.table`.

    A key with parts (``<sandbox>/<container>``) can be listed by its first part: ``items("<sandbox>/")``. A single
    call is a transaction of its own, unless it is made inside ``store.transaction()``.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = name

    def get(self, key: str) -> bytes | None:
        """The value, or ``None``."""
        row = self._store.execute(
            "SELECT value FROM records WHERE collection = ? AND key = ?", (self.name, key)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, key: str, value: bytes, *, durable: bool = False) -> None:
        """Set the value, new or not."""
        with self._store.transaction(durable=durable):
            self._store.execute(
                "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (self.name, key, value),
            )

    def delete(self, key: str, *, durable: bool = False) -> bool:
        """Remove the key; whether it was there."""
        with self._store.transaction(durable=durable):
            cursor = self._store.execute("DELETE FROM records WHERE collection = ? AND key = ?", (self.name, key))
            return cursor.rowcount > 0

    def items(self, prefix: str = "") -> list[tuple[str, bytes]]:
        """Every (key, value) whose key starts with ``prefix``, by key in code point order."""
        if prefix:
            # GLOB and LIKE would give their special characters a meaning; a range of the primary key does not.
            cursor = self._store.execute(
                "SELECT key, value FROM records "
                "WHERE collection = ? AND key >= ? AND substr(key, 1, ?) = ? ORDER BY key",
                (self.name, prefix, len(prefix), prefix),
            )
        else:
            cursor = self._store.execute(
                "SELECT key, value FROM records WHERE collection = ? ORDER BY key", (self.name,)
            )
        return [(key, bytes(value)) for key, value in cursor]

    def __iter__(self) -> Iterator[str]:
        cursor = self._store.execute("SELECT key FROM records WHERE collection = ? ORDER BY key", (self.name,))
        return iter([key for (key,) in cursor])

    def __len__(self) -> int:
        (count,) = self._store.execute("SELECT count(*) FROM records WHERE collection = ?", (self.name,)).fetchone()
        return int(count)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None
