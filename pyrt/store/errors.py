"""What the store raises, and how SQLite's answers become it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from pyrt.errors import PyrtError


class StoreError(PyrtError):
    """The store failed. ``subject`` is the object or the database file."""


class NotFound(StoreError):  # noqa: N818 - named as the API's reason
    """No such object (HTTP 404)."""


class AlreadyExists(StoreError):  # noqa: N818
    """An object of that kind, namespace and name exists (HTTP 409, AlreadyExists)."""


class Conflict(StoreError):  # noqa: N818
    """The object is not at the expected resource version, or is another one of the same name (HTTP 409, Conflict).

    ``current`` is the resource version that it has.
    """

    def __init__(self, message: str, *, subject: str, current: int) -> None:
        super().__init__(message, subject=subject)
        self.current = current


class Gone(StoreError):  # noqa: N818
    """A watch asked for, or fell behind to, changes that are no longer kept (HTTP 410): list again."""


class FutureVersion(StoreError):  # noqa: N818
    """A resource version that this store has not handed out (HTTP 504, ``Too large resource version``)."""


class StoreLocked(StoreError):  # noqa: N818
    """Another process runs on the same root directory."""


class StoreBusy(StoreError):  # noqa: N818
    """Another process (a backup, the sqlite3 shell) holds the database's write lock."""


class StoreCorrupt(StoreError):  # noqa: N818
    """The database file is damaged, not a database, or of a later version of pyrt."""


class StoreFull(StoreError):  # noqa: N818
    """No space left for the database."""


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """The :class:`StoreError` for what SQLite says of the database at ``path``."""
    subject = f"database {path}"
    # The low byte is the primary result code (sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorrupt(f"{error}; restore it from a backup, or move it away to start empty", subject=subject)
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(subject=subject, errno=errno.ENOSPC)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy("another process holds its write lock (fuser shows which)", subject=subject)
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(subject=subject, errno=errno.EROFS)
    return StoreError(str(error), subject=subject)
