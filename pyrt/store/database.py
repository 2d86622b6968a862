"""The open database: one connection, transactions, and what hangs on them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pyrt.store.errors import StoreCorrupt, StoreError, translate
from pyrt.store.lock import RootLock
from pyrt.store.objects import Objects
from pyrt.store.schema import migrate
from pyrt.store.table import Table
from pyrt.store.watch import History

log = logging.getLogger(__name__)

DATABASE_NAME = "pyrt.db"
_CHECKPOINT_COMMITS = 200
"""After so many the log is written back into the database file, by a thread: that waits for the disk."""
_LOG_PAGES = 16384
"""64 MiB of log: what the thread has not kept up with by then is written back within a commit."""
_REBOOT_JUMP = 1 << 20
"""What the resource version skips after a reboot. See :meth:`Store._start_counter`."""


class Transaction:
    """A block of :meth:`Store.transaction`. A class, because a generator costs three times as much: 40 for each pod."""

    __slots__ = ("_before", "_durable", "_store")

    def __init__(self, store: Store, durable: bool) -> None:
        self._store = store
        self._durable = durable
        self._before = 0

    def __enter__(self) -> None:
        self._before = self._store._begin(self._durable)

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        self._store._end(self._before, kind is not None)


class Store:
    """The daemon's database, exclusively locked.

    Every method must be called on the thread that opened it, and runs to completion there (tens of microseconds).
    Raises :class:`~pyrt.store.StoreError` and its kin only.
    """

    def __init__(self, root: Path, *, history: int = 1000) -> None:
        """Open or create ``<root>/pyrt.db``; ``history`` is how many changes per kind a watch may go back."""
        self.path = root / DATABASE_NAME
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(subject=f"root directory {root}", operation="create", errno=error.errno) from error
        with contextlib.ExitStack() as undo:
            self._lock = RootLock(root)
            undo.callback(self._lock.close)
            self._connection = self._open()
            undo.callback(self._connection.close)
            self._log_fd = self._open_log()
            undo.callback(os.close, self._log_fd)
            self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pyrt-sync")
            self._depth = 0
            self._durable = False
            self._failed = False
            self._commits = 0
            self._after_commit: list[Callable[[], None]] = []
            self._resource_version = 0
            self._resource_version = self._start_counter()
            undo.pop_all()
        self._syncing = False
        self._next_sync: asyncio.Future[None] | None = None
        """What those wait for whose commits the sync under way may have missed."""
        self._tables: dict[str, Table] = {}
        self.history = History(self._resource_version, history)
        self.objects = Objects(self)

    def _open(self) -> sqlite3.Connection:
        old_umask = os.umask(0o077)
        try:
            # isolation_level None: transactions are ours to begin and end. The statement cache keeps the prepared
            # statements of the hot path.
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=5.0, cached_statements=256)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        finally:
            os.umask(old_umask)
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(
                    f"its file system cannot do write-ahead logging ({mode})", subject=f"database {self.path}"
                )
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, self.path)
        except sqlite3.Error as error:
            connection.close()
            raise translate(error, self.path) from error
        except StoreError:
            connection.close()
            raise
        return connection

    def _open_log(self) -> int:
        # The write-ahead log exists from the first access in WAL mode to the close of the last connection, always the
        # same inode. SQLite's locks are on the other two files, so closing this descriptor drops none of them.
        path = f"{self.path}-wal"
        try:
            self.execute("BEGIN IMMEDIATE")
            self.execute("COMMIT")
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(subject=f"database log {path}", errno=error.errno) from error

    def _start_counter(self) -> int:
        """The resource version to go on from.

        A power cut may take the last transactions that were not durable, and with them the versions they handed out.
        A client that saw those must not meet them again with another meaning, so the first open after a boot skips
        more versions than can have been lost.
        """
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            boot = ""
        with self.transaction(durable=True):
            version, last_boot = self.execute("SELECT resource_version, boot_id FROM counter").fetchone()
            if last_boot and boot != last_boot:
                version += _REBOOT_JUMP
            self.execute("UPDATE counter SET resource_version = ?, boot_id = ?", (version, boot))
        return int(version)

    @property
    def resource_version(self) -> int:
        """The latest one handed out: the version of a list made now."""
        return self._resource_version

    def next_resource_version(self) -> int:
        """A new one, inside a transaction; taken back if that fails. For :class:`Objects`."""
        self._resource_version += 1
        return self._resource_version

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """One SQL statement, with SQLite's errors translated. For this package."""
        try:
            return self._connection.execute(statement, parameters)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def on_commit(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the current transaction is committed; never, if it is not."""
        self._after_commit.append(action)

    def transaction(self, *, durable: bool = False) -> Transaction:
        """Everything in the block, or nothing of it; watchers hear of it after the commit.

        Nested blocks join the outermost one, which is durable if any of them asks for it. An exception that leaves an
        inner block may be caught in the outer one if nothing was written yet (NotFound, Conflict, AlreadyExists);
        otherwise the outer one fails as a whole when it ends. Must not contain ``await``.
        """
        return Transaction(self, durable)

    def _begin(self, durable: bool) -> int:
        """Enter a block; what :meth:`_end` wants to know of the time before it."""
        if self._depth:
            self._durable = self._durable or durable
            self._depth += 1
            return self._connection.total_changes
        self.execute("BEGIN IMMEDIATE")
        self._depth, self._durable, self._failed = 1, durable, False
        return self._resource_version

    def _end(self, before: int, failed: bool) -> None:
        """Leave a block; what fails in here is the block's failure."""
        if self._depth > 1:
            self._depth -= 1
            if failed:
                self._failed = self._failed or self._connection.total_changes != before
            return
        try:
            if not failed:
                self._commit(before)
        except BaseException:
            failed = True
            raise
        finally:
            self._depth = 0
            if failed:
                self._resource_version = before
                self._after_commit.clear()
                if self._connection.in_transaction:
                    self._connection.rollback()
        if failed:
            return
        self._commits += 1
        if self._commits % _CHECKPOINT_COMMITS == 0:
            self._syncer.submit(self._checkpoint)
        try:
            if self._durable:
                self._sync()
        finally:
            # Committed is committed, even if the disk did not confirm it: watchers must not fall behind lists.
            actions, self._after_commit = self._after_commit, []
            for action in actions:
                action()

    def _commit(self, before: int) -> None:
        if self._failed:
            raise StoreError("a nested transaction failed", subject=f"database {self.path}")
        if self._resource_version != before:
            self.execute("UPDATE counter SET resource_version = ?", (self._resource_version,))
        self.execute("COMMIT")

    def _sync(self) -> None:
        # What synchronous=FULL would do after this COMMIT (and earlier ones). Done here because PRAGMA synchronous
        # cannot change inside a transaction, where it first turns out that one must be durable.
        try:
            os.fdatasync(self._log_fd)
        except OSError as error:
            raise StoreError(subject=f"database {self.path}", operation="sync", errno=error.errno) from error

    def _checkpoint(self) -> None:
        # A connection of the thread's own. PASSIVE waits for nobody, and nobody waits for it.
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=0)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            log.info("database %s: the log could not be written back yet: %s", self.path, error)

    async def synced(self) -> None:
        """Return when everything committed so far is on disk: durability without keeping the event loop waiting.

        For who commits with ``durable=False``, goes on, and answers afterwards. Those who ask while the disk is busy
        share the next sync. Raises :class:`~pyrt.store.StoreError`.
        """
        if self._next_sync is None:
            self._next_sync = asyncio.get_running_loop().create_future()
        answer = self._next_sync
        if not self._syncing:
            self._begin_sync()
        await asyncio.shield(answer)

    def _begin_sync(self) -> None:
        answer, self._next_sync = self._next_sync, None
        if answer is None:
            return
        self._syncing = True

        def done(sync: asyncio.Future[None]) -> None:
            self._syncing = False
            error = sync.exception()
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)
                answer.exception()  # whoever asked may have gone
            self._begin_sync()

        asyncio.get_running_loop().run_in_executor(self._syncer, self._sync).add_done_callback(done)

    def table(self, name: str) -> Table:
        """The key/value table of that name; it exists as soon as something is put into it."""
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = Table(self, name)
        return table

    def check(self) -> None:
        """Read every page. Raises :class:`~pyrt.store.StoreCorrupt` with the first fault found; slow."""
        (answer,) = self.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise StoreCorrupt(str(answer), subject=f"database {self.path}")

    def close(self) -> None:
        """Write the log back into the database file and let go of the directory. Idempotent."""
        if self._log_fd < 0:
            return
        self._syncer.shutdown(wait=True)
        try:
            self._connection.close()
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        finally:
            os.close(self._log_fd)
            self._log_fd = -1
            self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
