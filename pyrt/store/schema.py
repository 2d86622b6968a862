"""The database's tables, and how an older database becomes the present one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pyrt.store.errors import StoreCorrupt

APPLICATION_ID = 0x50595254
"""``PYRT``: keeps us from writing into someone else's database (sqlite.org/pragma.html, application_id)."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # resource_version is unique over all kinds: the table doubles as the order of changes.
        """CREATE TABLE objects (
            kind TEXT NOT NULL,
            namespace TEXT NOT NULL,
            name TEXT NOT NULL,
            uid TEXT NOT NULL,
            resource_version INTEGER NOT NULL,
            touched INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (kind, namespace, name)
        ) STRICT""",
        "CREATE UNIQUE INDEX objects_uid ON objects (uid)",
        "CREATE INDEX objects_age ON objects (kind, touched)",
        """CREATE TABLE records (
            collection TEXT NOT NULL,
            key TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (collection, key)
        ) STRICT, WITHOUT ROWID""",
        # One row: the counter behind resource_version, and the boot during which it was last opened.
        """CREATE TABLE counter (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            resource_version INTEGER NOT NULL,
            boot_id TEXT NOT NULL
        ) STRICT""",
        "INSERT INTO counter VALUES (1, 1, '')",
    ),
)
"""``MIGRATIONS[n]`` brings a database from version n (``PRAGMA user_version``) to n + 1. Append; never edit."""


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the open database to the present version, in one transaction.

    Raises :class:`StoreCorrupt` if it is another program's, or a later pyrt's; sqlite3.Error as it comes.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    subject = f"database {path}"
    if application != APPLICATION_ID and (application or tables):
        raise StoreCorrupt("it belongs to another program", subject=subject)
    if version > len(MIGRATIONS):
        message = f"its version is {version}, this pyrt knows up to {len(MIGRATIONS)}; use the pyrt that wrote it"
        raise StoreCorrupt(message, subject=subject)
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
