from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pyrt.store import AlreadyExists, Store, StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreLocked
from pyrt.store.schema import MIGRATIONS


def _fail_after_writing(store: Store) -> None:
    with store.transaction():
        store.objects.create("Pod", "default", "a", "1", b"{}")
        store.table("x").put("k", b"v")
        raise KeyError


def test_a_transaction_is_all_or_nothing_and_quiet_until_committed(tmp_path: Path) -> None:
    with Store(tmp_path) as store, store.objects.watch("Pod") as watch:
        version = store.resource_version
        with pytest.raises(KeyError):
            _fail_after_writing(store)
        assert store.objects.list("Pod") == ([], version)
        assert store.table("x").get("k") is None
        assert watch.drain() == []
        with store.transaction(durable=True):
            store.objects.create("Pod", "default", "a", "1", b"{}")
            store.table("x").put("k", b"v")
            assert watch.drain() == []
        assert len(watch.drain()) == 1


def test_an_expected_refusal_inside_a_transaction_may_be_caught(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.objects.create("Pod", "default", "a", "1", b"{}")
        with store.transaction():
            store.table("x").put("k", b"v")
            with pytest.raises(AlreadyExists):
                store.objects.create("Pod", "default", "a", "2", b"{}")
        assert store.table("x").get("k") == b"v"


def _swallow_a_failure(store: Store) -> None:
    with store.transaction(), contextlib.suppress(KeyError):
        _fail_after_writing(store)


def test_a_half_done_inner_transaction_fails_the_outer_one(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with pytest.raises(StoreError, match="nested transaction failed"):
            _swallow_a_failure(store)
        assert store.table("x").get("k") is None


def test_tables_are_sorted_and_listed_by_prefix(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        table = store.table("containers")
        for key in ("b/1", "a/2", "a%1", "a/1", "a0"):
            table.put(key, key.encode())
        table.put("b/1", b"new")
        store.table("other").put("a/9", b"")
        assert table.items("a/") == [("a/1", b"a/1"), ("a/2", b"a/2")]
        assert list(table) == sorted(["b/1", "a/2", "a%1", "a/1", "a0"])
        assert len(table) == 5
        assert table.get("b/1") == b"new"
        assert table.delete("b/1") is True
        assert table.delete("b/1") is False
        assert "b/1" not in table


def test_only_one_store_on_a_root(tmp_path: Path) -> None:
    with (
        Store(tmp_path),
        pytest.raises(StoreLocked, match=rf"in use by another pyrt daemon \(process {os.getpid()}\)"),
    ):
        Store(tmp_path)
    Store(tmp_path).close()


def test_a_killed_process_loses_nothing_and_holds_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pyrt.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.table('x').put('k', b'v')\n"
        "store.objects.update_status\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, tmp_path], env=environment, check=False)
    with Store(tmp_path) as store:
        assert store.table("x").get("k") == b"v"


def test_a_reboot_skips_versions(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        before = store.resource_version
        with store.transaction():
            store.execute("UPDATE counter SET boot_id = 'another'")
    with Store(tmp_path) as store:
        assert store.resource_version > before + 100_000
        after = store.resource_version
    with Store(tmp_path) as store:
        assert store.resource_version == after


def test_a_damaged_database_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "pyrt.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StoreCorrupt, match=r"^database .*/pyrt.db: file is not a database; restore it"):
        Store(tmp_path)
    (tmp_path / "pyrt.db").unlink()
    with Store(tmp_path) as store:
        for number in range(200):
            store.table("x").put(str(number), b"v" * 500)
    data = bytearray((tmp_path / "pyrt.db").read_bytes())
    data[8192:40960] = b"\xff" * 32768
    (tmp_path / "pyrt.db").write_bytes(data)
    with pytest.raises(StoreCorrupt), Store(tmp_path) as store:
        store.check()


def test_a_sound_database_passes_the_check(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.check()


def test_a_full_disk_is_one_clear_error_and_the_store_goes_on(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        # What SQLite answers when the file system is full, it also answers at this limit.
        (pages,) = store.execute("PRAGMA page_count").fetchone()
        store.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(StoreFull, match=r"^database .*: No space left on device$"):
            store.table("x").put("k", b"v" * 100_000)
        store.table("x").put("k", b"small")
        assert store.table("x").get("k") == b"small"


def test_another_writer_is_waited_for_and_then_named(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(tmp_path / "pyrt.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="holds its write lock"):
            store.table("x").put("k", b"v")
        other.execute("COMMIT")
        other.close()
        store.table("x").put("k", b"v")


def test_a_later_version_and_a_strange_database_are_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "pyrt.db") as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(StoreCorrupt, match="use the pyrt that wrote it"):
        Store(tmp_path)
    strange = tmp_path / "strange"
    strange.mkdir()
    with sqlite3.connect(strange / "pyrt.db") as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    raw.close()
    with pytest.raises(StoreCorrupt, match="belongs to another program"):
        Store(strange)


def test_the_database_is_for_root_only(tmp_path: Path) -> None:
    with Store(tmp_path / "root"):
        for name in ("pyrt.db", "pyrt.db-wal", "pyrt.lock"):
            assert (tmp_path / "root" / name).stat().st_mode & 0o077 == 0


def test_a_root_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^root directory .*/file/root: create: Not a directory$"):
        Store(tmp_path / "file" / "root")
